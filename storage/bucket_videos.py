"""Videos in a bucket: what lies there, and copies of it on this machine, whole or not at all."""

import hashlib
import os
import shutil
import time
from collections.abc import Collection, Iterable
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit
from uuid import uuid4

import pyarrow.fs as pafs

from pipeline.reasons import PipelineError, Reason
from pipeline.video.sources import LIST_SUFFIXES, NoVideos, is_video_name
from pipeline.video.stamps import Stamp, stamp_of
from storage.errors import StoreError, StoreUnreachable, in_short, told_plainly
from storage.location import REMOTE_SCHEMES
from storage.patience import patiently

CHUNK_BYTES = 4 * 2**20
DOWNLOADS_AT_ONCE = 4
CONNECT_S = 10.0
REQUEST_S = 60.0
ABANDONED_S = 24 * 3600.0
"""A partial copy older than this belongs to a run that was killed."""
DEFAULT_REGION = "us-east-1"
"""For servers that have no regions; AWS itself is asked where a bucket lies."""


@dataclass(frozen=True)
class BucketVideo:
    """One object with the name of a video."""

    url: str
    name: str
    """Relative to the address given."""
    stamp: Stamp
    """Size and time of the object; objects appear whole, so there is no half-written one."""


@dataclass(frozen=True)
class Fetched:
    """What came of downloading one object: a hash and a copy's stamp, or why not."""

    video: BucketVideo
    sha256: str | None = None
    copy: Stamp | None = None
    error: PipelineError | None = None
    """The bucket refuses this object."""
    left: str | None = None
    """It changed or went away meanwhile: another time."""


def is_bucket(spec: str) -> bool:
    """Whether a user means videos in a bucket."""
    return spec.partition("://")[0] in REMOTE_SCHEMES


def list_videos_in(url: str) -> list[BucketVideo]:
    """The videos below an address, sorted by name.

    Args:
        url: `s3://bucket/folder` or `gs://bucket/folder`, or one object.

    Raises:
        StoreUnreachable: The bucket does not answer.
        StoreError: It refuses, or there is no such place.
        ValueError: There is no video there, or it is a list.
    """
    parts = urlsplit(url)
    if not parts.netloc or parts.query or parts.fragment:
        raise ValueError(f"{url}: videos in a bucket look like {parts.scheme}://bucket/folder")
    if PurePosixPath(parts.path).suffix.lower() in LIST_SUFFIXES:
        raise ValueError(f"{url}: a list must be a file on this machine; give the bucket's folder")
    root = (parts.netloc + parts.path).rstrip("/")
    with told_plainly(f"list {url}"):
        files = _filesystem(url)
        (found,) = files.get_file_info([root])
        if found.type == pafs.FileType.File:
            infos, base = [found], root.rpartition("/")[0]
        else:
            infos = files.get_file_info(pafs.FileSelector(root, recursive=True))
            base = root
    videos = [
        BucketVideo(f"{parts.scheme}://{info.path}", name, _stamp(info))
        for info in infos
        if info.type == pafs.FileType.File
        and is_video_name(name := info.path.removeprefix(f"{base}/"))
    ]
    if not videos:
        raise NoVideos(f"{url} holds no video: check the address and the videos' file names")
    return sorted(videos, key=lambda video: video.name)


def copy_path(video: BucketVideo, folder: Path) -> Path:
    """Where an object's copy lies: named by its address and stamp, never by its key."""
    stamp = video.stamp
    identity = f"{video.url}\n{stamp.size}\n{stamp.mtime_ns}"
    name = hashlib.sha256(identity.encode("utf-8", "surrogateescape")).hexdigest()[:32]
    return folder / f"{name}{PurePosixPath(video.name).suffix.lower()}"


def fetch_all(videos: Collection[BucketVideo], folder: Path) -> Iterable[Fetched]:
    """Download objects into `copy_path`; those that come first are told first.

    Raises:
        StoreUnreachable: The bucket stays out of reach; copies that are whole stay.
        StoreError: The disk cannot take the copies.
    """
    if not videos:
        return
    with told_plainly(f"keep copies in {folder}"):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    _require_room(videos, folder)
    with ThreadPoolExecutor(DOWNLOADS_AT_ONCE) as pool:
        waiting: set[Future[Fetched]] = {
            pool.submit(patiently, lambda video=video: fetch(video, folder)) for video in videos
        }
        try:
            for future in as_completed(waiting):
                yield future.result()
        finally:
            for future in waiting:
                future.cancel()


def fetch(video: BucketVideo, folder: Path) -> Fetched:
    """Download one object, hashing what comes.

    Raises:
        StoreUnreachable: The bucket does not answer.
        StoreError: The copy cannot be written.
    """
    target = copy_path(video, folder)
    partial = target.with_name(f".{target.name}-{uuid4().hex}.partial")
    try:
        with told_plainly(f"download {video.url}"):
            digest, size = _download(video.url, partial)
        if size != video.stamp.size:
            return Fetched(video, left="changed while it was downloaded")
        partial.replace(target)
        return Fetched(video, digest, stamp_of(target))
    except StoreUnreachable:
        raise
    except StoreError as error:
        return _refused(video, error)
    finally:
        with suppress(OSError):
            partial.unlink(missing_ok=True)


def sweep(folder: Path, keep: Collection[Path]) -> None:
    """Remove copies that nobody waits for, and what killed downloads left."""
    wanted = {path.name for path in keep}
    for path in folder.glob("*") if folder.is_dir() else ():
        with suppress(OSError):
            is_partial = path.name.startswith(".")
            old = time.time() - path.stat().st_mtime > ABANDONED_S
            if old if is_partial else path.name not in wanted:
                path.unlink()


def _refused(video: BucketVideo, error: StoreError) -> Fetched:
    """An object that went away waits for another time; what may not be read fails; else raise."""
    cause = error.__cause__
    text = str(cause).lower()
    if isinstance(cause, FileNotFoundError) or "does not exist" in text or "no_such_key" in text:
        return Fetched(video, left="went away before it was downloaded")
    if isinstance(cause, PermissionError) or "access_denied" in text or "forbidden" in text:
        detail = f"the bucket refuses it: {in_short(cause or error)}"
        return Fetched(video, error=PipelineError(Reason.UNREADABLE, detail))
    raise error


def _download(url: str, partial: Path) -> tuple[str, int]:
    digest, size = hashlib.sha256(), 0
    path = url.partition("://")[2]
    with _filesystem(url).open_input_stream(path) as source, partial.open("xb") as out:
        while chunk := source.read(CHUNK_BYTES):
            digest.update(chunk)
            out.write(chunk)
            size += len(chunk)
    return digest.hexdigest(), size


def _require_room(videos: Collection[BucketVideo], folder: Path) -> None:
    wanted = sum(v.stamp.size for v in videos if not copy_path(v, folder).exists())
    free = shutil.disk_usage(folder).free
    if wanted > free:
        raise StoreError(
            f"{len(videos)} new videos take {wanted / 2**30:.1f} GiB and {folder} has "
            f"{free / 2**30:.1f} GiB free: set XDG_CACHE_HOME to a larger disk, or ingest a part"
        )


def _stamp(info: pafs.FileInfo) -> Stamp:
    return Stamp(info.size, info.mtime_ns or 0)


def _filesystem(url: str) -> pafs.FileSystem:
    """The bucket's client: endpoint and credentials from the environment, as the tables' one."""
    if url.startswith("gs:"):
        return pafs.GcsFileSystem()
    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    if region is None:
        bucket = urlsplit(url).netloc
        region = DEFAULT_REGION if endpoint else pafs.resolve_s3_region(bucket)
    return pafs.S3FileSystem(
        endpoint_override=endpoint,
        region=region,
        connect_timeout=CONNECT_S,
        request_timeout=REQUEST_S,
    )
