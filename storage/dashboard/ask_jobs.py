"""A queue of wishes, each made by a child process: it can be killed, and its weights go with it.

What the child is, the room above says: a command that writes one motion into a folder, tells its
progress on standard error and ends with one JSON object on standard output.
"""

import json
import os
import re
import secrets
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO
from zipfile import BadZipFile

import numpy as np

from storage.dashboard.asking import (
    Asked,
    AskedMotion,
    AskRefused,
    JobState,
    ModelAbout,
    State,
    UnknownJob,
)

WAITING = 3
"""Wishes that may wait behind the one that is made."""
REMEMBERED = 20
"""Finished jobs that can still be asked for."""
TIME_LIMIT_S = 1800.0
JOINTS = 22
LARGEST_NPZ = 20_000_000
SAID_LENGTH = 300
UNREADABLE = (OSError, ValueError, KeyError, EOFError, BadZipFile)
"""A command that cannot be begun, or a motion of it that cannot be read."""
_PERCENT = re.compile(rb"(\d{1,3})%\|")

Command = Callable[[Asked, Path], Sequence[str]]
"""The command line that makes a motion and writes it into a folder."""


@dataclass
class _Job:
    asked: Asked
    folder: Path
    state: State = "queued"
    progress: float | None = None
    message: str = ""
    process: "subprocess.Popen[bytes] | None" = field(default=None, repr=False)


class AskJobs:
    """A `MotionMaker` of child processes, one at a time."""

    def __init__(
        self,
        about: Callable[[], ModelAbout],
        command: Command,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """Start nothing yet.

        Args:
            about: Which weights answer now.
            command: What to run for a wish.
            environment: Variables that the child gets besides ours.
        """
        self.about = about
        self._command = command
        self._environment = dict(environment or {})
        self._jobs: dict[str, _Job] = {}
        self._lock = threading.Lock()
        self._turn = threading.Lock()
        self._root: Path | None = None

    def start(self, asked: Asked) -> str:
        """Queue a wish.

        Raises:
            AskRefused: There is no model, or too many wait.
        """
        about = self.about()
        if not about.available:
            raise AskRefused(about.note or "there is no model to ask")
        with self._lock:
            waiting = sum(job.state in ("queued", "running") for job in self._jobs.values())
            if waiting > WAITING:
                raise AskRefused(f"{waiting} motions are asked for already: wait for one to end")
            if self._root is None:  # not before: a server that is never asked leaves no folder
                self._root = Path(tempfile.mkdtemp(prefix="crossdiff-ask-"))
            name = secrets.token_hex(8)
            job = _Job(asked, self._root / name)
            self._jobs[name] = job
            self._forget_old()
        threading.Thread(target=self._run, args=(job,), name="dashboard-ask", daemon=True).start()
        return name

    def state(self, job: str) -> JobState:
        """How far a job is."""
        found = self._find(job)
        return JobState(found.state, found.progress, found.message)

    def cancel(self, job: str) -> None:
        """Stop a job; one that has ended stays as it is."""
        self._stop(self._find(job))

    def result(self, job: str) -> AskedMotion:
        """What a job made."""
        found = self._find(job)
        if found.state != "done":
            raise AskRefused(f"this motion is {found.state}: there is nothing to show")
        return read_motion(found.folder)

    def close(self) -> None:
        """Kill what runs and delete what was made."""
        for job in list(self._jobs.values()):
            self._stop(job)
        if self._root is not None:
            shutil.rmtree(self._root, ignore_errors=True)

    def _find(self, name: str) -> _Job:
        job = self._jobs.get(name)
        if job is None:
            raise UnknownJob("there is no such wish any more: ask again")
        return job

    def _stop(self, job: _Job) -> None:
        with self._lock:
            if job.state in ("queued", "running"):
                job.state, job.message = "cancelled", ""
            process = job.process
        if process is not None and process.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)

    def _run(self, job: _Job) -> None:
        with self._turn:
            try:
                process = self._begin(job)
                if process is not None:
                    said = _follow(process, job)
                    self._end(job, process, said)
            except UNREADABLE as error:
                self._finish(job, "failed", str(error) or type(error).__name__)

    def _begin(self, job: _Job) -> "subprocess.Popen[bytes] | None":
        with self._lock:
            if job.state != "queued":
                return None
            job.folder.mkdir(parents=True, exist_ok=True)
            job.process = subprocess.Popen(  # noqa: S603 - our own command, no shell
                list(self._command(job.asked, job.folder)),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env={**os.environ, **self._environment},
                start_new_session=True,
            )
            job.state, job.message = "running", "loading the model"
            return job.process

    def _end(self, job: _Job, process: "subprocess.Popen[bytes]", said: bytes) -> None:
        if process.returncode == 0:
            read_motion(job.folder)  # what cannot be shown was not made
            self._finish(job, "done", "")
        else:
            self._finish(job, "failed", _sentence(said))

    def _finish(self, job: _Job, state: State, message: str) -> None:
        with self._lock:
            if job.state in ("queued", "running"):  # queued: it could not even begin
                job.state, job.message = state, message[:SAID_LENGTH]
                job.progress = 1.0 if state == "done" else job.progress

    def _forget_old(self) -> None:
        ended = [n for n, job in self._jobs.items() if job.state not in ("queued", "running")]
        for name in ended[: max(0, len(ended) - REMEMBERED)]:
            shutil.rmtree(self._jobs.pop(name).folder, ignore_errors=True)


def read_motion(folder: Path) -> AskedMotion:
    """The one motion that a command wrote into a folder.

    Raises:
        ValueError: There is none, or it is not what a viewer can show.
    """
    files = sorted(folder.glob("*.npz"))
    if len(files) != 1 or files[0].stat().st_size > LARGEST_NPZ:
        raise ValueError("the model wrote no motion")
    with np.load(files[0], allow_pickle=False) as held:
        joints, fps = np.asarray(held["joints"], np.float32), float(held["fps"])
    if joints.ndim != 3 or joints.shape[1:] != (JOINTS, 3) or not np.isfinite(joints).all():
        raise ValueError(f"the model wrote a motion of shape {joints.shape}, which is not shown")
    return AskedMotion(joints, fps)


def progress_in(said: bytes) -> float | None:
    """The last percentage of a progress bar's output, as a share; None: there is none."""
    found = _PERCENT.findall(said)
    return min(int(found[-1]), 100) / 100 if found else None


def _follow(process: "subprocess.Popen[bytes]", job: _Job) -> bytes:
    """Read what the child says until it ends; returns its standard output."""
    if process.stdout is None or process.stderr is None:
        raise ValueError("the model's process has no pipes")
    limit = threading.Timer(TIME_LIMIT_S, process.kill)
    limit.start()
    watcher = threading.Thread(target=_watch, args=(process.stderr, job), daemon=True)
    watcher.start()
    try:
        said: bytes = process.stdout.read()
        watcher.join()
        process.wait()
    finally:
        limit.cancel()
        process.stdout.close()
        process.stderr.close()
    return said


def _watch(stream: IO[bytes], job: _Job) -> None:
    while said := os.read(stream.fileno(), 65536):
        share = progress_in(said)
        if share is not None:
            job.progress, job.message = share, "making the motion"


def _sentence(said: bytes) -> str:
    """Why the command failed, in its own words."""
    try:
        return str(json.loads(said)["error"])
    except (ValueError, KeyError, TypeError):
        return "the model's process ended without a word"
