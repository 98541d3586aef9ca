"""Pictures and films that were made once: a folder of bounded size, the longest unused go first."""

import contextlib
import hashlib
import os
import threading
from pathlib import Path

from pipeline.render.out_files import replaced_when_done

SPARE = 0.9
"""Share of the bound that is left after tidying, so that it is not done at every file."""


class MediaCache:
    """Files by what they were made from. It may be deleted at any time."""

    def __init__(self, folder: Path, most_bytes: int) -> None:
        self.folder = folder
        self._most_bytes = most_bytes
        self._lock = threading.Lock()
        self._bytes: int | None = None

    def place(self, suffix: str, *made_from: object) -> Path:
        """Where a file lies or will lie; the folder is made.

        Args:
            suffix: The file's ending, with the dot.
            made_from: Everything that its content depends on.

        Raises:
            OSError: The folder cannot be made.
        """
        text = "\0".join(map(str, made_from))
        name = hashlib.sha256(text.encode()).hexdigest()[:40]
        folder = self.folder / name[:2]
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        return folder / f"{name}{suffix}"

    def has(self, file: Path) -> bool:
        """Whether a file is there; then it counts as used now."""
        try:
            os.utime(file)
        except OSError:
            return False
        return True

    def write(self, file: Path, content: bytes) -> None:
        """Put a file there, whole or not at all.

        Raises:
            ValueError: The folder cannot be written.
        """
        with replaced_when_done(file, file.suffix) as unfinished:
            unfinished.write_bytes(content)
        self.added(file)

    def added(self, file: Path) -> None:
        """Count a new file, and make room when there are too many."""
        with self._lock:
            if self._bytes is None:
                self._bytes = sum(size for _, size, _ in self._files())
            else:
                with contextlib.suppress(OSError):
                    self._bytes += file.stat().st_size
            if self._bytes > self._most_bytes:
                self._tidy(file)

    def _tidy(self, keep: Path) -> None:
        files = sorted(self._files(), key=lambda found: found[0])
        left = sum(size for _, size, _ in files)
        for _, size, file in files:
            if left <= self._most_bytes * SPARE:
                break
            if file != keep:
                file.unlink(missing_ok=True)
                left -= size
        self._bytes = left

    def _files(self) -> list[tuple[float, int, Path]]:
        """(last use, bytes, file) of everything that was made."""
        found = []
        for file in self.folder.glob("??/*"):
            with contextlib.suppress(OSError):
                facts = file.stat()
                found.append((facts.st_mtime, facts.st_size, file))
        return found
