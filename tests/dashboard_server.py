"""A dashboard over a store of the tests: in this process, or as the real command."""

import http.client
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cli_runs
from starlette.testclient import TestClient

from storage.dashboard.app import create_app
from storage.dashboard.asking import MotionMaker
from storage.dashboard.settings import Settings
from storage.store import Store

ADDRESS = "http://127.0.0.1:8420"
OURS = {"Origin": ADDRESS}
PATIENCE_S = 60.0


def no_nan(word: str) -> None:
    raise AssertionError(f"{word} is not JSON")


def strict(text: str | bytes) -> Any:
    """JSON as browsers take it."""
    return json.loads(text, parse_constant=no_nan)


class Page:
    """What the dashboard's pages do, without a browser."""

    def __init__(self, client: TestClient) -> None:
        self.client = client

    def get(self, path: str, status: int = 200, **query: Any) -> Any:
        answer = self.client.get(path, params=query)
        assert answer.status_code == status, answer.text
        return strict(answer.text)

    def post(self, path: str, body: Any, status: int = 200) -> Any:
        answer = self.client.post(path, json=body, headers=OURS)
        assert answer.status_code == status, answer.text
        return strict(answer.text)

    def ids(self, **query: Any) -> list[str]:
        return [row["motion_id"] for row in self.get("/api/motions", **query)["rows"]]

    def decide(self, *motion_ids: str, **said: Any) -> Any:
        return self.post("/api/decisions", {"motion_ids": list(motion_ids), **said})


@contextmanager
def served(
    store: Store, cache: Path, maker: MotionMaker | None = None, **settings: Any
) -> Iterator[Page]:
    """The application in this process, once the store has been read; it looks for news at once."""
    told = {"by": "ada", "cache": cache, "check_every_s": 0.0, **settings}
    app = create_app(store, Settings(**told), maker)
    headers = {"Authorization": f"Bearer {told['token']}"} if told.get("token") else {}
    with TestClient(
        app, base_url=ADDRESS, headers=headers, raise_server_exceptions=False
    ) as client:
        wait_until(lambda: not client.get("/api/store").json()["loading"])
        yield Page(client)


def wait_until(true: Any, patience_s: float = PATIENCE_S) -> None:
    deadline = time.monotonic() + patience_s
    while not true():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.02)


@contextmanager
def command(home: Path, *arguments: str) -> Iterator[tuple[int, int]]:
    """The real `crossdiff dashboard` on a free port: its process id and the port."""
    process = cli_runs.start(home, "dashboard", "--port", "0", "--json", *arguments)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, process.stderr.read() if process.stderr else ""
        port = int(strict(line)["url"].partition("?")[0].rpartition(":")[2].strip("/"))
        wait_until(lambda: not ask(port, "GET", "/api/store")[1].get("loading", True))
        yield process.pid, port
    finally:
        cli_runs.end_session(process.pid)
        process.wait(10)
        for pipe in (process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()


def ask(port: int, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    """One request to a real server: the status and the JSON."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    headers = {"Content-Type": "application/json", "Origin": f"http://127.0.0.1:{port}"}
    try:
        connection.request(method, path, None if body is None else json.dumps(body), headers)
        answer = connection.getresponse()
        return answer.status, strict(answer.read())
    finally:
        connection.close()
