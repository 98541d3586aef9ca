"""The parent's side of the decoding processes: start, talk, notice death and silence, reuse."""

import atexit
import contextlib
import fcntl
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

from pipeline.reasons import PipelineError, Reason
from pipeline.video.protocol import LENGTH, Header

STARTUP_S = 120.0
"""Longest wait for a fresh interpreter to import numpy, OpenCV and decord."""
EXIT_S = 2.0
"""How long a process may take to leave when its standard input closes."""
PIPE_BYTES = 1024 * 1024
"""Capacity asked for the pipe; Linux's usual limit for users."""
DETAIL_BYTES = 2048
"""The end of a dead process' messages that is looked at for a cause."""
DETAIL_CHARS = 160
PACKAGE_ROOT = Path(__file__).resolve().parents[2]
CHILD_ENVIRONMENT = {
    "OPENBLAS_NUM_THREADS": "1",  # no linear algebra in there: idle pools only cost address space
    "OMP_NUM_THREADS": "1",
    "MALLOC_ARENA_MAX": "2",  # each file starts new codec threads, whose arenas would pile up
}


class DecoderProcess:
    """One long-lived decoding process. Use from one thread at a time."""

    def __init__(self) -> None:
        path = os.pathsep.join([str(PACKAGE_ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
        self._stderr = tempfile.TemporaryFile(mode="a+b")  # noqa: SIM115 - lives as long as we
        self._process = subprocess.Popen(
            # -P: a cv2.py in the folder the user happens to be in must not be imported.
            [sys.executable, "-P", "-m", "pipeline.video.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            env={**os.environ, **CHILD_ENVIRONMENT, "PYTHONPATH": path},
        )
        if self._process.stdin is None or self._process.stdout is None:
            raise RuntimeError("the decoding process has no pipes")
        self._stdin = self._process.stdin
        self._stdout = self._process.stdout
        self._fd = self._stdout.fileno()
        os.set_blocking(self._fd, False)
        _widen(self._fd)
        self._poll = select.poll()
        self._poll.register(self._fd, select.POLLIN | select.POLLHUP)
        self.owner = os.getpid()
        """The process that started it; a fork of that one must not talk to it."""
        self.was_idle = False
        """Whether it has waited for work: then it may have died while nobody looked."""
        self._await_ready()

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    def is_alive(self) -> bool:
        """Whether the process still runs."""
        return self._process.poll() is None

    def send(self, line: bytes) -> None:
        """Give an order (one line of JSON); that the process is gone shows when receiving."""
        with contextlib.suppress(BrokenPipeError):
            self._stdin.write(line)
            self._stdin.flush()

    def receive_header(self, stall_s: float) -> Header:
        """Wait for the next message's header.

        Raises:
            PipelineError: `decoder_crashed`; `decode_timeout` after `stall_s` seconds of silence.
        """
        length = bytearray(LENGTH.size)
        self.receive_into(memoryview(length), stall_s)
        text = bytearray(LENGTH.unpack(length)[0])
        self.receive_into(memoryview(text), stall_s)
        header: Header = json.loads(text)
        return header

    def receive_into(self, buffer: memoryview, stall_s: float) -> None:
        """Fill a writable byte buffer with what comes next; raises as `receive_header`."""
        filled = 0
        while filled < buffer.nbytes:
            if not self._poll.poll(stall_s * 1000):
                self.kill()
                detail = f"the decoder gave nothing for {stall_s:g} seconds and was stopped"
                raise PipelineError(Reason.DECODE_TIMEOUT, detail)
            try:
                got = os.readv(self._fd, [buffer[filled:]])
            except BlockingIOError:
                continue
            if got == 0:
                raise self._crashed()
            filled += got

    def kill(self) -> None:
        """End the process now, even a stopped one, and collect it."""
        self._process.kill()
        self._close()

    def leave(self) -> None:
        """Let the process end by itself, by closing its standard input."""
        with contextlib.suppress(BrokenPipeError):
            self._stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(EXIT_S)
        self.kill()

    def abandon(self) -> None:
        """In a fork: close our copies of the pipes; the process belongs to the original."""
        for pipe in (self._stdin, self._stdout, self._stderr):
            pipe.close()

    def _close(self) -> None:
        self._process.wait()
        with contextlib.suppress(BrokenPipeError):
            self._stdin.close()
        self._stdout.close()
        self._stderr.close()

    def _await_ready(self) -> None:
        try:
            self.receive_header(STARTUP_S)
        except PipelineError as error:
            # No fault of any clip: the installation is broken.
            raise RuntimeError(f"the decoding process does not start: {error.detail}") from error

    def _crashed(self) -> PipelineError:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(EXIT_S)
        status = self._process.returncode
        self._stderr.seek(max(0, self._stderr.seek(0, os.SEEK_END) - DETAIL_BYTES))
        said = self._stderr.read().decode(errors="replace").strip().splitlines()
        self.kill()
        last = f" ({said[-1].strip()[:DETAIL_CHARS]})" if said else ""
        return PipelineError(
            Reason.DECODER_CRASHED, f"the decoding process died: {_manner(status)}{last}"
        )


class DecoderPool:
    """Idle decoding processes of this process, shared by its threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._idle: list[DecoderProcess] = []

    def take(self) -> DecoderProcess:
        """An idle process that seems alive, or a fresh one."""
        with self._lock:
            while self._idle:
                process = self._idle.pop()
                if process.owner != os.getpid():
                    process.abandon()
                elif process.is_alive():
                    return process
                else:
                    process.kill()  # died while idle: no clip's fault
        return DecoderProcess()

    def give(self, process: DecoderProcess) -> None:
        """Return a healthy process that has finished its clip."""
        process.was_idle = True
        with self._lock:
            self._idle.append(process)

    def close(self) -> None:
        """End all idle processes."""
        with self._lock:
            idle, self._idle = self._idle, []
        for process in idle:
            if process.owner == os.getpid():
                process.leave()
            else:
                process.abandon()


def _manner(status: int | None) -> str:
    if status is not None and status < 0:
        return f"killed by {signal.Signals(-status).name}"
    return f"exit status {status}"


def _widen(fd: int) -> None:
    """Ask for a larger pipe, where the system has such a thing and grants it."""
    with contextlib.suppress(OSError, AttributeError):
        fcntl.fcntl(fd, fcntl.F_SETPIPE_SZ, PIPE_BYTES)


POOL = DecoderPool()
atexit.register(POOL.close)
