"""Let Arrow's threads finish before the interpreter goes: they may hold Python's own objects."""

import atexit
import gc
import time
from functools import cache

GRACE_S = 0.25
"""A hundredth of it is usually enough; it is spent once a process, and only after remote reads."""


@cache
def let_readers_finish_at_exit() -> None:
    """Wait a moment at the interpreter's exit, when files were read through a Python file system.

    Arrow gives a scan's result before its threads have let go of the files; such a thread that asks
    a finished interpreter for its lock aborts the process, after all work was done (apache/arrow
    39862 and 34314, open since 2023; 3 of 48 processes here, on S3).
    """
    atexit.register(_wait)


def _wait() -> None:
    gc.collect()
    time.sleep(GRACE_S)
