"""What a worker process does first: take care to end with the run that started it."""

import os
import threading
from multiprocessing import parent_process
from multiprocessing.connection import wait
from socket import gethostname

from flows.quiet_exit import silence_interpreter_exit
from storage.lineage import code_commit, code_version


def begin_worker() -> None:
    """Prepare a pool's worker process.

    A worker of `concurrent.futures` whose owner was killed waits for its next task for ever.
    """
    silence_interpreter_exit()
    owner = parent_process()
    if owner is not None:
        threading.Thread(target=_leave_with, args=(owner.sentinel,), daemon=True).start()


def dask_setup(worker: object) -> None:
    """The same for a Dask worker that preloads this module."""
    begin_worker()


def _leave_with(sentinel: int) -> None:
    wait([sentinel])
    os._exit(1)


def worker_name() -> str:
    """Host and process id."""
    return f"{gethostname()}/{os.getpid()}"


def code_here() -> str:
    """Which code this process would run: the version, and the commit of a checkout."""
    return " ".join(filter(None, [code_version(), code_commit()]))
