"""One process at a time may write into a folder."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

LOCK_FILE = ".lock"


@contextmanager
def one_at_a_time(out: Path, what: str, *, leave_lock: bool = True) -> Iterator[None]:
    """Hold a folder, which is made where it is missing.

    Args:
        out: The folder.
        what: What runs there, with its article.
        leave_lock: Leave the empty lock file there; without it the folder holds what was made.

    Raises:
        ValueError: Another process holds it, or it cannot be written.
    """
    lock = FileLock(out / LOCK_FILE, blocking=False)
    try:
        out.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout as error:
        raise ValueError(
            f"{what} is running in {out}: wait for it, or choose another --out"
        ) from error
    except OSError as error:
        raise ValueError(f"cannot write to {out}: {error.strerror or error}") from error
    try:
        yield
    finally:
        if not leave_lock:
            (out / LOCK_FILE).unlink(missing_ok=True)
        lock.release()
