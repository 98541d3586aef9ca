"""A limit on a piece of work that may hang, for whatever kind of worker does it."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from prefect.utilities.timeout import timeout

from flows.progress import say

GRACE_S = 60.0
"""From asking the work to stop until its process is ended."""
EXIT_STATUS = 1


class TookTooLongError(TimeoutError):
    """The work did not end within its limit."""


@contextmanager
def time_limit(what: str, limit_s: float, grace_s: float = GRACE_S) -> Iterator[None]:
    """Stop the work of this block when it takes too long.

    In a process of its own the work is the main thread: an alarm interrupts it, even in a system
    call. In a thread an exception is set, which arrives with the next line of Python. Code that
    lets neither through (a library that never returns) is given `grace_s` more; then the process
    ends: a pool's worker is replaced or reported lost, a run without a pool ends with a sentence.
    What is stored stays, and what is not is done by the next run.

    Args:
        what: Names the work.
        limit_s: Seconds it may take.
        grace_s: Seconds it may take to stop.

    Raises:
        TookTooLongError: It was stopped.
    """
    over = threading.Event()
    watchdog = threading.Thread(target=_watch, args=(over, what, limit_s, grace_s), daemon=True)
    watchdog.start()
    try:
        with timeout(limit_s, timeout_exc_type=TookTooLongError):
            yield
    except TookTooLongError as error:
        raise TookTooLongError(f"{what} took more than {limit_s:.0f} s and was stopped") from error
    finally:
        over.set()


def _watch(over: threading.Event, what: str, limit_s: float, grace_s: float) -> None:
    if over.wait(limit_s) or over.wait(grace_s):
        return
    say(
        f"crossdiff: {what} took more than {limit_s:.0f} s and cannot be interrupted: its process "
        "ends here; run the same command again"
    )
    os._exit(EXIT_STATUS)
