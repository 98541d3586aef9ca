"""What a worker process does first: take care to end with the run that started it."""

import os
import threading
from multiprocessing import parent_process
from multiprocessing.connection import wait

from flows.quiet_exit import silence_interpreter_exit


def begin_worker() -> None:
    """Prepare a pool's worker process.

    A worker of `concurrent.futures` whose owner was killed waits for its next task for ever.
    """
    silence_interpreter_exit()
    owner = parent_process()
    if owner is not None:
        threading.Thread(target=_leave_with, args=(owner.sentinel,), daemon=True).start()


def _leave_with(sentinel: int) -> None:
    wait([sentinel])
    os._exit(1)
