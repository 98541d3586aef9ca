"""A real Prefect server, the project's deployments, and a real worker, on this machine alone."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import cli_runs
import yaml

T = TypeVar("T")
PREFECT = str(Path(sys.executable).with_name("prefect"))
PROJECT = Path(__file__).resolve().parent.parent / "prefect.yaml"
QUIET = {
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "DO_NOT_TRACK": "1",
    "PREFECT_CLI_PROMPT": "false",
    "OMP_NUM_THREADS": "1",
    "ACCELERATE_USE_CPU": "true",
    "TOKENIZERS_PARALLELISM": "false",
}
IMPATIENT = {
    "PREFECT_SERVER_SERVICES_EVENT_PERSISTER_FLUSH_INTERVAL": "0.3",
    "PREFECT_SERVER_DEPLOYMENTS_CONCURRENCY_SLOT_WAIT_SECONDS": "1",
    "PREFECT_SERVER_CONCURRENCY_MAXIMUM_CONCURRENCY_SLOT_WAIT_SECONDS": "1",
    "PREFECT_WORKER_QUERY_SECONDS": "1",
    "PREFECT_RUNNER_POLL_FREQUENCY": "1",
    "PREFECT_SERVER_SERVICES_SCHEDULER_LOOP_SECONDS": "2",
}
"""What a server and a worker do every few seconds, they do all the time here."""
FIRST_OF_MONTH = "0 4 1 * *"
"""Due often enough to be scheduled, too seldom to disturb a test."""
OVER = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")
BUSY = 503
"""What a server says whose database is locked; Prefect's own client asks again, too."""
LOG_TAIL = 6000
"""Characters of each log that a failing test shows."""


@dataclass(frozen=True)
class Deployed:
    """The running installation."""

    url: str
    folder: Path
    """Where the worker runs; relative paths of parameters begin here."""
    environment: Mapping[str, str]

    def ask(self, method: str, path: str, body: object = None) -> Any:
        """Talk to the REST API; an answer that refuses raises `urllib.error.HTTPError`."""
        data = None if body is None else json.dumps(body).encode()
        kind = {"Content-Type": "application/json"}
        request = urllib.request.Request(f"{self.url}/{path}", data, kind, method=method)
        for pause_s in (0.5, 1.0, 2.0, 4.0, None):
            try:
                with urllib.request.urlopen(request, timeout=60) as answer:
                    told = answer.read()
                return json.loads(told) if told else None
            except urllib.error.HTTPError as error:
                if error.code != BUSY or pause_s is None:
                    raise
                time.sleep(pause_s)
        raise AssertionError

    def start(self, deployment: str, **parameters: Any) -> str:
        """Start a run of `FLOW/NAME`; its id."""
        found = self.ask("GET", f"deployments/name/{deployment}")
        path = f"deployments/{found['id']}/create_flow_run"
        return self.ask("POST", path, {"parameters": parameters})["id"]

    def refusal(self, deployment: str, **parameters: Any) -> str:
        """What the server says to a run with these parameters, which it must refuse."""
        try:
            self.start(deployment, **parameters)
        except urllib.error.HTTPError as error:
            assert 400 <= error.code < 500, error
            return error.read().decode()
        raise AssertionError(f"{deployment} takes {parameters}")

    def cancel(self, run_id: str) -> None:
        """What `prefect flow-run cancel` does."""
        body = {"state": {"type": "CANCELLING", "name": "Cancelling"}}
        self.ask("POST", f"flow_runs/{run_id}/set_state", body)

    def runs(self, flow: str) -> list[dict[str, Any]]:
        """Flow runs of a flow, oldest first."""
        body = {"flows": {"name": {"any_": [flow]}}, "sort": "START_TIME_ASC"}
        return self.ask("POST", "flow_runs/filter", body)

    def await_run(self, run_id: str, patience_s: float = 240) -> dict[str, Any]:
        """Wait for the end of a run."""
        return self.wait(
            f"run {run_id} ends",
            lambda: (run := self.run(run_id))["state_type"] in OVER and run,
            patience_s,
        )

    def run(self, run_id: str) -> dict[str, Any]:
        return self.ask("GET", f"flow_runs/{run_id}")

    def await_runs(self, flow: str, count: int, patience_s: float = 240) -> list[dict[str, Any]]:
        """Wait until a flow has so many runs and all are over."""

        def over() -> list[dict[str, Any]] | None:
            runs = self.runs(flow)
            done = len(runs) >= count and all(run["state_type"] in OVER for run in runs)
            return runs if done else None

        return self.wait(f"{count} runs of {flow} end", over, patience_s)

    def events(self, name: str) -> list[dict[str, Any]]:
        """Events of this name, oldest first."""
        body = {"filter": {"event": {"name": [name]}, "order": "ASC"}, "limit": 50}
        return self.ask("POST", "events/filter", body)["events"]

    def wait(self, what: str, look: Callable[[], T | bool | None], patience_s: float) -> T:
        """Look until there is something, or fail with the logs."""
        deadline = time.monotonic() + patience_s
        while time.monotonic() < deadline:
            found = look()
            if found:
                return found  # type: ignore[return-value]
            time.sleep(0.2)
        raise AssertionError(f"waited {patience_s} s until {what}\n{self.logs()}")

    def logs(self) -> str:
        """Ends of what server and worker wrote."""
        files = sorted(self.folder.glob("*.log"))
        return "\n".join(f"--- {f.name}\n{f.read_text()[-LOG_TAIL:]}" for f in files)

    def worker_log(self) -> str:
        return (self.folder / "worker.log").read_text()


@contextmanager
def deployed(
    home: Path, folder: Path, parameters: Mapping[str, Mapping[str, Any]], **environment: str
) -> Iterator[Deployed]:
    """Start a server, deploy the project's `prefect.yaml`, start a worker.

    Args:
        home: Where Prefect keeps its files.
        folder: Where the worker runs.
        parameters: By deployment, instead of those of `prefect.yaml`.
        environment: Further variables of server and worker.
    """
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}/api"
    own = {**os.environ, **QUIET, **IMPATIENT, "PREFECT_HOME": str(home), **environment}
    here = Deployed(url, folder, {**own, "PREFECT_API_URL": url})
    write_project(folder, parameters)
    started: list[subprocess.Popen[bytes]] = []
    try:
        server = ["server", "start", "--no-ui", "--host", "127.0.0.1", "--port", str(port)]
        started.append(_start(here, "server.log", server, own))
        here.wait("the server answers", lambda: _answers(url), 120)
        _do(here, "work-pool", "create", "local", "--type", "process")
        worker = ["worker", "start", "--pool", "local"]
        started.append(_start(here, "worker.log", worker, here.environment))
        _do(here, "deploy", "--all")
        yield here
    finally:
        for process in reversed(started):
            _stop(process)


def write_project(folder: Path, parameters: Mapping[str, Mapping[str, Any]]) -> None:
    """The project's `prefect.yaml` with other parameters, and all schedules once a month."""
    project = yaml.safe_load(PROJECT.read_text())
    for deployment in project["deployments"]:
        given = deployment.get("parameters", {})
        deployment["parameters"] = {**given, **parameters.get(deployment["name"], {})}
        for schedule in deployment.get("schedules", []):
            schedule["cron"] = FIRST_OF_MONTH
    (folder / "prefect.yaml").write_text(yaml.safe_dump(project))


def _start(
    here: Deployed, log: str, words: list[str], environment: Mapping[str, str]
) -> subprocess.Popen[bytes]:
    with (here.folder / log).open("wb") as out:
        return subprocess.Popen(
            [PREFECT, *words], cwd=here.folder, env=dict(environment), stdin=subprocess.DEVNULL,
            stdout=out, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip


def _do(here: Deployed, *words: str) -> None:
    done = subprocess.run(
        [PREFECT, "--no-prompt", *words], cwd=here.folder, env=dict(here.environment),
        capture_output=True, text=True, timeout=180, check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"prefect {' '.join(words)}\n{done.stdout}{done.stderr}"


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/health", timeout=5):
            return True
    except OSError:
        return False


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
    finally:
        cli_runs.end_session(process.pid)


def seeded_home(home: Path, prefect_home: Path) -> Path:
    """A folder for Prefect with the database that an earlier run left: making one takes long."""
    home.mkdir(parents=True)
    for file in prefect_home.glob("prefect.db*"):
        shutil.copy2(file, home)
    return home
