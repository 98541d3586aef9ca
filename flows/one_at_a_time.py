"""One process at a time may write into a folder."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

LOCK_FILE = ".lock"


@contextmanager
def one_at_a_time(out: Path, what: str) -> Iterator[None]:
    """Hold a folder, which is made where it is missing.

    Args:
        out: The folder.
        what: What runs there, with its article.

    Raises:
        ValueError: Another process holds it.
    """
    out.mkdir(parents=True, exist_ok=True)
    lock = FileLock(out / LOCK_FILE, blocking=False)
    try:
        lock.acquire()
    except Timeout as error:
        raise ValueError(
            f"{what} is running in {out}: wait for it, or choose another --out"
        ) from error
    try:
        yield
    finally:
        lock.release()
