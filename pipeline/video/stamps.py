"""What the file system says of a file without reading it, and whether that can be relied on."""

import time
from dataclasses import dataclass
from pathlib import Path

RACY_S = 2.0
"""A file touched less than this before it was read may change again without its times showing it:
file systems count in steps of up to two seconds (FAT)."""
NS_PER_S = 1e9


@dataclass(frozen=True)
class Stamp:
    """Changes whenever a file's content does, as far as the file system tells."""

    size: int
    """Bytes."""
    mtime_ns: int
    """Last change of the content, which programs can set to anything."""
    ctime_ns: int = 0
    """Last change of the content or its description, which only the system sets."""
    inode: int = 0

    @property
    def touched_s(self) -> float:
        """The later of both times, in seconds since the epoch."""
        return max(self.mtime_ns, self.ctime_ns) / NS_PER_S


def stamp_of(path: Path) -> Stamp:
    """The stamp of a file, following links.

    Raises:
        OSError: There is no such file, or it may not be looked at.
    """
    found = path.stat()
    return Stamp(found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino)


def is_settled(stamp: Stamp, settle_s: float, now_s: float | None = None) -> bool:
    """Whether a file has been left alone for `settle_s` seconds.

    A time in the future waits no longer than one just as far in the past: a clock that is wrong by
    more than that holds nothing up.
    """
    now = time.time() if now_s is None else now_s
    return settle_s <= 0 or all(
        abs(now - moment / NS_PER_S) >= settle_s for moment in (stamp.mtime_ns, stamp.ctime_ns)
    )


def is_racy(stamp: Stamp, now_s: float | None = None) -> bool:
    """Whether the file was touched so lately that its stamp may not show the next change.

    Times in the future are racy as long as they lie there.
    """
    now = time.time() if now_s is None else now_s
    return now - stamp.touched_s < RACY_S
