"""Run the installed command as users do: a process of its own, looked at from outside."""

import hashlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from truth_clips import all_truth_clips

COMMAND = [str(Path(sys.executable).with_name("crossdiff"))]
BROKEN = "Broken/v_Broken_g01_c01.avi"
COPY = "Copy/v_SitDown_g02_c01.avi"
FEW = "few.csv"
"""A list of two of the files, for tests that need a run and not much of it."""
DATASET = "samples"
TIMEOUT_S = 240.0


@dataclass(frozen=True)
class Finished:
    """A command that has ended."""

    status: int
    stdout: str
    stderr: str
    left_over: list[str]
    """Command lines of processes that the command started and that outlived it."""

    @property
    def data(self) -> dict[str, Any]:
        """What `--json` printed: exactly one object on exactly one line."""
        (line,) = self.stdout.splitlines()
        return json.loads(line)


@dataclass(frozen=True)
class Ingested:
    """A store and the run that made it."""

    store: Path
    run: Finished


@dataclass(frozen=True)
class PrefectApi:
    """A Prefect server that a test started."""

    url: str

    def post(self, path: str, **filters: Any) -> list[dict[str, Any]]:
        """Ask the REST API."""
        body = json.dumps(filters).encode()
        request = urllib.request.Request(
            f"{self.url}/{path}", body, {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)

    def ingest_runs(self) -> dict[str, dict[str, Any]]:
        """Flow runs of `ingest` by id."""
        runs = self.post("flow_runs/filter", flows={"name": {"any_": ["ingest"]}})
        return {run["id"]: run for run in runs}


def start(home: Path, *arguments: str, **environment: str) -> subprocess.Popen[str]:
    """Start `crossdiff`, in a session of its own by which its children can be found.

    Args:
        home: Where Prefect keeps its files.
        arguments: Of the command line.
        environment: Variables to set; an empty value removes one.
    """
    variables = {**os.environ, "OMP_NUM_THREADS": "1", "PREFECT_HOME": str(home)}
    variables["XDG_CACHE_HOME"] = str(home / "cache")
    variables.pop("PREFECT_API_URL", None)
    variables |= environment
    return subprocess.Popen(
        [*COMMAND, *arguments],
        env={name: value for name, value in variables.items() if value},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def finish(process: subprocess.Popen[str], timeout: float = TIMEOUT_S) -> Finished:
    """Wait for the end; on a timeout everything of it is killed, and the test fails."""
    try:
        stdout, stderr = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        end_session(process.pid)
        raise
    return Finished(process.returncode, stdout, stderr, left_over(process.pid))


def run(home: Path, *arguments: str, **environment: str) -> Finished:
    """Start `crossdiff` and wait for its end."""
    return finish(start(home, *arguments, **environment))


def left_over(session: int, patience_s: float = 15.0) -> list[str]:
    """What still runs in a session after a time in which it may leave; [] as soon as empty."""
    deadline = time.monotonic() + patience_s
    while (alive := processes_of(session)) and time.monotonic() < deadline:
        time.sleep(0.1)
    end_session(session)
    return list(alive.values())


def processes_of(session: int) -> dict[int, str]:
    """Process id -> command line of the living processes of a session."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            # pid (name) state parent group session ...; the name may hold spaces and brackets
            state, _, _, owner = (folder / "stat").read_text().rpartition(")")[2].split()[:4]
            if int(owner) == session and state != "Z":
                words = (folder / "cmdline").read_bytes().split(b"\0")
                found[int(folder.name)] = b" ".join(words).decode()
        except (OSError, ValueError):
            continue  # it ended while it was looked at
    return found


def end_session(session: int) -> None:
    """Kill what is left of a session that `start` made."""
    for pid in processes_of(session):
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue


def ingest_arguments(videos: Path, store: Path, *more: str) -> list[str]:
    """`crossdiff ingest` in shards of two; what comes later in `more` goes before it."""
    fixed = ["--dataset", DATASET, "--out", str(store), "--shard-size", "2", "--json"]
    return ["ingest", str(videos), *fixed, *more]


def sha256(path: Path) -> str:
    """Of a file's content."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def make_videos(folder: Path) -> Path:
    """The sample clips as a UCF101 tree, a file that is no video, a copy of a clip, and `FEW`."""
    for clip in all_truth_clips().values():
        place = folder / clip.action
        place.mkdir(parents=True)
        shutil.copy2(clip.video, place)
    for name in (BROKEN, COPY):
        (folder / name).parent.mkdir()
    (folder / BROKEN).write_bytes(b"no video" * 512)
    shutil.copy2(all_truth_clips()["SitDown"].video, folder / COPY)
    shortest = all_truth_clips()["Cartwheel"].video
    (folder / FEW).write_text(f"path\nCartwheel/{shortest.name}\n{BROKEN}\n")
    return folder


@contextmanager
def prefect_server(home: Path, port: int = 0) -> Iterator[PrefectApi]:
    """A real `prefect server start` on this machine, on a free port if none is given."""
    if not port:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
    command = [str(Path(sys.executable).with_name("prefect")), "server", "start", "--no-ui"]
    command += ["--host", "127.0.0.1", "--port", str(port)]
    quiet = {"PREFECT_SERVER_ANALYTICS_ENABLED": "false", "DO_NOT_TRACK": "1"}
    process = subprocess.Popen(
        command,
        env={**os.environ, **quiet, "PREFECT_HOME": str(home)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        api = PrefectApi(f"http://127.0.0.1:{port}/api")
        _await_health(api, process)
        yield api
    finally:
        process.terminate()
        try:
            process.wait(10)
        finally:
            end_session(process.pid)


def _await_health(api: PrefectApi, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"prefect server ended with status {process.returncode}")
        try:
            with urllib.request.urlopen(f"{api.url}/health", timeout=5):
                return
        except OSError:
            time.sleep(0.2)
    raise RuntimeError("prefect server did not answer within two minutes")
