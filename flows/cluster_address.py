"""Can a cluster be used: is its package here, does it answer, do its workers reach Prefect?"""

import socket
from collections.abc import Iterable
from importlib.util import find_spec
from ipaddress import ip_address
from urllib.parse import urlsplit

PACKAGES = {"ray": "prefect_ray", "dask": "prefect_dask"}
ANSWER_S = 10.0
"""Longest wait for a cluster to answer; the libraries themselves wait for minutes."""
RAY_HERE = "auto"
"""Ray's name for the cluster that this machine is part of."""
EXAMPLES = {"ray": f"{RAY_HERE}, HOST:6379 or ray://HOST:10001", "dask": "tcp://HOST:8786"}


def require_cluster(kind: str, address: str | None) -> None:
    """Look whether the runner's package is installed and whether anybody listens at the address.

    Quick, and without Prefect: before models are loaded.

    Args:
        kind: `ray` or `dask`.
        address: As the user gave it.

    Raises:
        ValueError: It is not installed, or this is not an address.
        ConnectionError: Nobody does.
    """
    if find_spec(kind) is None or find_spec(PACKAGES[kind]) is None:
        raise ValueError(f"--runner {kind} is not installed: pip install 'crossdiff[{kind}]'")
    if address is None or (kind == "ray" and address == RAY_HERE):
        return
    host, port = _host_and_port(kind, address)
    try:
        with socket.create_connection((host, port), timeout=ANSWER_S):
            return
    except OSError as error:
        raise ConnectionError(
            f"no {kind.title()} cluster answers at --address {address}: {error}"
        ) from error


def _host_and_port(kind: str, address: str) -> tuple[str, int]:
    parts = urlsplit(address if "://" in address else f"tcp://{address}")
    try:
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if not host or not port:
        raise ValueError(f"--address {address}: give {kind.title()}'s as {EXAMPLES[kind]}")
    return host, port


def require_reachable_api(hosts: Iterable[str]) -> None:
    """Refuse workers that could not report: a Prefect API of this machine alone, they elsewhere.

    Args:
        hosts: Where the workers run.

    Raises:
        ValueError: So it is; the sentence says what to set.
    """
    from prefect.settings import get_current_settings  # noqa: PLC0415

    api = urlsplit(get_current_settings().api.url or "").hostname or "localhost"
    elsewhere = [host for host in hosts if not _is_here(host)]
    if elsewhere and _is_loopback(api):
        raise ValueError(
            f"the workers on {elsewhere[0]} cannot reach Prefect on this machine's {api}: "
            "set PREFECT_API_URL to a Prefect server that all of them reach"
        )


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _is_here(host: str) -> bool:
    """Only a machine itself can listen on its addresses."""
    try:
        place = socket.getaddrinfo(host, 0, type=socket.SOCK_STREAM)[0]
        with socket.socket(place[0], socket.SOCK_STREAM) as probe:
            probe.bind(place[4])
    except OSError:
        return False
    return True
