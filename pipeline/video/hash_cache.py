"""Content hashes of files that have not changed since they were read, kept on this machine.

One SQLite file in the user's cache folder; it may be deleted at any time. An entry counts only
while the file's size, times and inode are what they were, and only on the machine that made it.
"""

import hashlib
import os
import platform
import re
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path

from pipeline.video.stamps import Stamp

LAYOUT = 1
"""Part of the file's name: another layout begins another file."""
PATIENCE_S = 20.0
"""How long one process waits for another that writes."""
SHA256 = re.compile(r"[0-9a-f]{64}")
_TABLE = """
CREATE TABLE IF NOT EXISTS files (
    place BLOB PRIMARY KEY, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL,
    ctime_ns INTEGER NOT NULL, inode INTEGER NOT NULL, sha256 TEXT NOT NULL
) WITHOUT ROWID
"""
_FIND = """
SELECT sha256 FROM files
WHERE place = ? AND size = ? AND mtime_ns = ? AND ctime_ns = ? AND inode = ?
"""
_KEEP = "INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?, ?, ?)"


@dataclass(frozen=True)
class Entry:
    """A place (path or address), its stamp, and the hash of what lies there."""

    place: str
    stamp: Stamp
    sha256: str


class HashCache:
    """What is known without reading; a cache that fails says so in `problems` and knows nothing."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.problems: list[str] = []
        """Sentences for the user; each means files that are read again, nothing worse."""

    def find(self, wanted: Iterable[tuple[str, Stamp]]) -> dict[str, str]:
        """The hashes that are known, by place."""
        found: dict[str, str] = {}
        with self._open() as connection:
            if connection is None:
                return found
            for place, stamp in wanted:
                row = connection.execute(_FIND, (os.fsencode(place), *_numbers(stamp))).fetchone()
                if row is not None and SHA256.fullmatch(str(row[0])):
                    found[place] = str(row[0])
        return found

    def keep(self, entries: Iterable[Entry]) -> None:
        """Remember hashes, all or none of them."""
        rows = [(os.fsencode(e.place), *_numbers(e.stamp), e.sha256) for e in entries]
        if not rows:
            return
        with self._open() as connection:
            if connection is not None:
                connection.executemany(_KEEP, rows)

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection | None]:
        """A connection in a transaction; None when the cache cannot be used now.

        What goes wrong inside ends the block early and is told; a file that is no database, or a
        broken one, is begun anew.
        """
        connection = None
        try:
            connection = self._connect()
        except (sqlite3.Error, OSError) as error:
            self._give_up(error)
        try:
            with connection if connection is not None else nullcontext():
                yield connection
        except sqlite3.Error as error:
            self._give_up(error)
        finally:
            if connection is not None:
                connection.close()

    def _connect(self) -> sqlite3.Connection:
        self.file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        connection = sqlite3.connect(self.file, timeout=PATIENCE_S)
        try:
            connection.execute(_TABLE)
        except BaseException:
            connection.close()
            raise
        return connection

    def _give_up(self, error: Exception) -> None:
        # OperationalError: locked, read-only, disk full. Its siblings mean a damaged file.
        if isinstance(error, sqlite3.DatabaseError) and not isinstance(
            error, sqlite3.OperationalError
        ):
            for path in (self.file, self.file.with_name(f"{self.file.name}-journal")):
                with suppress(OSError):
                    path.unlink()
            said = f"the hash cache {self.file} was damaged ({error}) and is begun anew"
        else:
            said = f"the hash cache {self.file} cannot be used ({error})"
        self.problems.append(f"{said}: files are read again")


def user_hash_cache() -> HashCache:
    """The cache of this user on this machine."""
    return HashCache(cache_folder() / f"hashes-{LAYOUT}-{_machine()}.sqlite")


def cache_folder() -> Path:
    """`$XDG_CACHE_HOME/crossdiff`, or `~/.cache/crossdiff`; it may not be there yet."""
    named = os.environ.get("XDG_CACHE_HOME", "")
    base = Path(named) if Path(named).is_absolute() else Path.home() / ".cache"
    return base / "crossdiff"


def _machine() -> str:
    """Tells machines that share a home folder apart: their inodes mean different files."""
    identity = ""
    with suppress(OSError):
        identity = Path("/etc/machine-id").read_text(encoding="ascii", errors="replace")
    return hashlib.sha256(f"{platform.node()}\n{identity}".encode()).hexdigest()[:12]


def _numbers(stamp: Stamp) -> tuple[int, int, int, int]:
    # An inode may need all 64 bits, SQLite's numbers are signed.
    inode = stamp.inode - (1 << 64) if stamp.inode >= 1 << 63 else stamp.inode
    return stamp.size, stamp.mtime_ns, stamp.ctime_ns, inode
