"""One training at a time writes into a run's folder."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LOCK_FILE = ".training.lock"


@contextmanager
def alone_in(out: Path) -> Iterator[None]:
    """Hold a run's folder, which is made where it is missing; the lock ends with its process.

    Raises:
        ValueError: Another training holds it.
        OSError: The folder cannot be written.
    """
    out.mkdir(parents=True, exist_ok=True)
    handle = os.open(out / LOCK_FILE, os.O_CREAT | os.O_RDWR, 0o644)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ValueError(
                f"a training is running in {out}: wait for it, or choose another --out"
            ) from error
        try:
            yield
        finally:
            fcntl.flock(handle, fcntl.LOCK_UN)  # a forked child may hold the handle still
    finally:
        os.close(handle)
