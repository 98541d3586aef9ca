"""Keep a C++ library's known chatter off standard error, and let everything else through."""

import os
import re
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_ONE_AT_A_TIME = threading.Lock()
"""File descriptor 2 belongs to the process: two swaps at once would lose it."""


@contextmanager
def stderr_without(chatter: re.Pattern[bytes]) -> Iterator[None]:
    """Drop the lines of standard error that match, while the block runs; pass the others on after.

    Works on the file descriptor, since native code does not write through `sys.stderr`. Keep
    blocks short: should the process die inside one, what was written in it is lost.

    Args:
        chatter: Matched at the start of each line.
    """
    with _ONE_AT_A_TIME, tempfile.TemporaryFile() as held:
        try:
            real = os.dup(2)
        except OSError:  # a daemon without standard error has nothing to keep clean
            yield
            return
        sys.stderr.flush()
        os.dup2(held.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(real, 2)
            held.seek(0)
            kept = b"".join(line for line in held if not chatter.match(line))
            if kept:
                os.write(real, kept)
            os.close(real)
