"""Files and the hashes of their content; what is still being written is left for another time."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from pipeline.reasons import PipelineError, Reason
from pipeline.video.hash_cache import Entry, HashCache
from pipeline.video.reader import content_hash
from pipeline.video.stamps import Stamp, is_racy, is_settled, stamp_of

HASH_THREADS = 4
KEPT_AT_ONCE = 64
"""Hashes that a killed run may have to compute again."""


@dataclass(frozen=True)
class HashedFile:
    """One file: its hash, or why it has none; exactly one of the three is set."""

    path: Path
    sha256: str | None = None
    stamp: Stamp | None = None
    """Of the file when it was read; compare before it is read again."""
    error: PipelineError | None = None
    """It cannot be read, now or later."""
    unsettled: str | None = None
    """Why it is left for another time."""


def hash_files(
    paths: Sequence[Path], cache: HashCache | None = None, settle_s: float = 0.0
) -> Iterator[HashedFile]:
    """Hash files in their order; those known to the cache are not opened.

    Args:
        paths: Absolute paths; a path may occur twice.
        cache: What earlier runs found; None reads every file.
        settle_s: Files touched within this many seconds are left, unless the cache knows them.
    """
    stamps = {path: _stamp(path) for path in paths}
    known = _known(cache, stamps)

    def hashed(path: Path) -> HashedFile:
        stamp = stamps[path]
        if isinstance(stamp, Stamp) and str(path) in known:
            return HashedFile(path, known[str(path)], stamp)
        return _hash_one(path, stamp, settle_s)

    fresh: list[Entry] = []
    with ThreadPoolExecutor(HASH_THREADS) as pool:
        for file in pool.map(hashed, paths):
            if _is_lasting(file) and str(file.path) not in known:
                assert file.stamp is not None and file.sha256 is not None  # noqa: S101 - see above
                fresh.append(Entry(str(file.path), file.stamp, file.sha256))
            if cache is not None and len(fresh) >= KEPT_AT_ONCE:
                cache.keep(fresh)
                fresh.clear()
            yield file
    if cache is not None:
        cache.keep(fresh)


def has_changed(path: Path, stamp: Stamp) -> bool:
    """Whether a file is another one than when its stamp was taken, or gone."""
    try:
        now = stamp_of(path)
    except OSError:
        return True
    return (now.size, now.mtime_ns, now.inode) != (stamp.size, stamp.mtime_ns, stamp.inode)


def _stamp(path: Path) -> Stamp | None:
    try:
        return stamp_of(path)
    except OSError:
        return None  # hashing it will say what is wrong


def _known(cache: HashCache | None, stamps: dict[Path, Stamp | None]) -> dict[str, str]:
    if cache is None:
        return {}
    return cache.find((str(path), stamp) for path, stamp in stamps.items() if stamp is not None)


def _hash_one(path: Path, before: Stamp | None, settle_s: float) -> HashedFile:
    if before is not None and not is_settled(before, settle_s):
        said = f"changed less than {settle_s:g} seconds ago: it may still be being written"
        return HashedFile(path, stamp=before, unsettled=said)
    if path.exists() and not path.is_file():
        detail = "it is no file but a folder, a pipe or a device"
        return HashedFile(path, error=PipelineError(Reason.UNREADABLE, detail))
    try:
        # Looked at again: the first look may be minutes old, at ten thousand files.
        before = stamp_of(path)
    except OSError:
        before = None
    try:
        digest = content_hash(path)
    except PipelineError as error:
        return HashedFile(path, error=error)
    if before is None or has_changed(path, before):
        return HashedFile(path, unsettled="changed while it was being read")
    return HashedFile(path, digest, before)


def _is_lasting(file: HashedFile) -> bool:
    return file.sha256 is not None and file.stamp is not None and not is_racy(file.stamp)
