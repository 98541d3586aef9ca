"""Where a store lies: one function from a URL to table addresses and storage options."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import urlsplit

from storage.errors import StoreError

REMOTE_SCHEMES = ("s3", "gs")
_VERSION = re.compile(r"^(?P<url>.+)@(?P<version>\d+)$")
_SCHEME = re.compile(r"^(?P<scheme>[A-Za-z][A-Za-z0-9+.-]+):")
_ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT")
_ALLOW_HTTP = "AWS_ALLOW_HTTP"
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_UNSAFE = "AWS_S3_ALLOW_UNSAFE_RENAME"
"""Switches off the conditional write on which exactly-once commits rest."""


@dataclass(frozen=True)
class StoreLocation:
    """A store's address, checked and absolute."""

    root: str
    """Absolute folder, or `s3://bucket/prefix`, without a trailing slash."""
    version: int | None = None
    """The store version that the URL asked for (`URL@12`); None is the newest."""
    options: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Passed to the object store (credentials, endpoint); never printed."""

    @property
    def is_local(self) -> bool:
        """True when the store is a folder of this machine."""
        return "://" not in self.root

    @property
    def path(self) -> Path:
        """The folder of a local store.

        Raises:
            ValueError: The store is remote.
        """
        if not self.is_local:
            raise ValueError(f"{self.root} is not a local folder")
        return Path(self.root)

    def table_uri(self, name: str) -> str:
        """The address of one table."""
        return f"{self.root}/{name}"

    def at(self, version: int | None) -> "StoreLocation":
        """The same store at another version."""
        return replace(self, version=version)

    def __str__(self) -> str:
        return self.root if self.version is None else f"{self.root}@{self.version}"


def locate(url: str | Path, options: Mapping[str, str] | None = None) -> StoreLocation:
    """Understand a store's URL.

    A folder, `file://`, `s3://bucket/...` or `gs://bucket/...`, each with an optional `@version`.

    Args:
        url: As a user typed it.
        options: Storage options for a remote store. Credentials that are not given are taken from
            the environment (`AWS_*`, `GOOGLE_*`) by the object store itself.

    Raises:
        StoreError: The URL cannot name a store; the sentence says why.
    """
    text = str(url).strip()
    if not text:
        raise StoreError(
            "the store's URL is empty: give a folder, s3://bucket/... or gs://bucket/..."
        )
    match = _VERSION.match(text)
    version = int(match["version"]) if match else None
    address = match["url"] if match else text
    scheme = _SCHEME.match(address)
    given = dict(options or {})
    if scheme is None or scheme["scheme"] == "file":
        return StoreLocation(_local_root(address), version, given)
    root = _remote_root(address, scheme["scheme"], given)
    if scheme["scheme"] == "s3":
        given |= _plain_http(address, given)
    return StoreLocation(root, version, given)


def without_version(url: str | Path) -> str:
    """The URL without its `@version`; any other `@` belongs to the address."""
    text = str(url).strip()
    match = _VERSION.match(text)
    return match["url"] if match else text


def _local_root(address: str) -> str:
    if address.startswith("file:"):
        parts = urlsplit(address)
        if parts.netloc not in ("", "localhost") or not parts.path:
            raise StoreError(f"{address}: a file URL looks like file:///folder/store")
        address = parts.path
    return str(Path(address).expanduser().resolve())


def _remote_root(address: str, scheme: str, options: Mapping[str, str]) -> str:
    if scheme not in REMOTE_SCHEMES:
        raise StoreError(f"{address}: '{scheme}:' is not known; give a folder, s3:// or gs://")
    parts = urlsplit(address)
    if not address.startswith(f"{scheme}://") or not parts.netloc:
        raise StoreError(f"{address}: no bucket; a store looks like {scheme}://bucket/folder")
    if parts.query or parts.fragment:
        raise StoreError(f"{address}: a store's URL has no '?' or '#' part")
    unsafe = options.get(_UNSAFE) or options.get(_UNSAFE.lower()) or os.environ.get(_UNSAFE)
    if scheme == "s3" and (unsafe or "").lower() in ("1", "true"):
        raise StoreError(
            f"{address}: {_UNSAFE} is set, which would let two writers lose rows; unset it"
        )
    return address.rstrip("/")


def _plain_http(address: str, options: Mapping[str, str]) -> dict[str, str]:
    """The option without which the object store refuses an endpoint of this machine.

    Raises:
        StoreError: The endpoint is another machine's and not encrypted, and nobody allowed that.
    """
    given = {name.upper(): value for name, value in options.items()}
    settings = {**os.environ, **given}
    endpoint = next((settings[name] for name in _ENDPOINTS if settings.get(name)), "")
    if not endpoint.startswith("http://") or settings.get(_ALLOW_HTTP):
        return {}
    if urlsplit(endpoint).hostname not in _LOOPBACK:
        raise StoreError(
            f"{address}: the endpoint {endpoint} is not encrypted; set {_ALLOW_HTTP}=true if it "
            "may be used all the same"
        )
    return {_ALLOW_HTTP: "true"}
