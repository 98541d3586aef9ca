"""Keep libraries' farewells off the terminal."""

import atexit
import os
import sys


def silence_interpreter_exit() -> None:
    """Send standard error to nowhere once the interpreter has nothing left to say.

    DuckDB's binding (nanobind) checks for leaks after the interpreter is gone and prints pages on
    what its own statics still hold; it has no switch for that. Functions registered with `atexit`
    run last first: call this before anything else registers one, and by its turn the command has
    told its errors, Prefect has sent its events and stopped its server.
    """
    atexit.register(_close_stderr)


def _close_stderr() -> None:
    sys.stderr.flush()
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    os.close(nowhere)
