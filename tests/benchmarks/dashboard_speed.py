"""How fast the dashboard's server answers with many motions: a script, not a test.

    python tests/benchmarks/dashboard_speed.py --motions 100000

Makes a synthetic store (names, classes, captions, scores and decisions of their own; arrays of two
frames), serves it with `crossdiff dashboard` and asks over HTTP as the pages do. Prints one JSON
object: seconds, medians and the worst of the repetitions, and the server's memory.
"""

import argparse
import http.client
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import numpy as np
import pyarrow as pa

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
import storage_shards as samples
from benchmarks import storage_catalog as catalog

from storage.decisions import Decision, record_decisions
from storage.recipes import register_recipe
from storage.schemas import MOTIONS
from storage.store import create_store, open_store

FILE_ROWS = 700
REPETITIONS = 15
WORDS = ("walks", "jumps", "turns", "waves", "sits", "throws", "kicks", "runs", "dances", "falls")
VERDICTS = ("keep", "drop", "needs-work")
ID_OF = 77


def fill(folder: Path, motions: int, decisions: int) -> None:
    """A store of that many motions, some of them decided on."""
    store = create_store(folder)
    register_recipe(store, "demo", samples.RECIPE)
    plain = catalog.shard_tables

    def tables(first: int, size: int, template: dict[str, pa.Table]) -> dict[str, pa.Table]:
        made = plain(first, size, template)
        made[MOTIONS.name] = with_words(made[MOTIONS.name], first)
        return made

    catalog.shard_tables = tables
    catalog.fill(store, motions, FILE_ROWS, bare=True)
    catalog.shard_tables = plain
    names = [catalog.motion_id("demo", digest(n), 0, 0) for n in range(decisions)]
    said = [
        Decision(motion_id=name, by="ada", verdict=VERDICTS[n % 3]) for n, name in enumerate(names)
    ]
    record_decisions(store, said, dict.fromkeys(names, "demo"))


def digest(number: int) -> str:
    return catalog.hashlib.sha256(str(number).encode()).hexdigest()


def with_words(rows: pa.Table, first: int) -> pa.Table:
    """Captions, scores and views that differ from row to row."""
    draw = np.random.default_rng(first)
    picks = draw.integers(len(WORDS), size=(rows.num_rows, 3))
    captions = [[f"a person {' and '.join(WORDS[i] for i in row)}, take {first}"] for row in picks]
    new: dict[str, Any] = {
        "captions": captions,
        "label_score": draw.uniform(0, 1, rows.num_rows),
        "view_name": draw.choice(["front", "left", "back", "right", "free"], rows.num_rows),
        "fps": np.full(rows.num_rows, 20.0),
        "n_frames": draw.integers(40, 200, rows.num_rows),
    }
    for column, values in new.items():
        at = rows.column_names.index(column)
        field = rows.schema.field(at)
        rows = rows.set_column(at, field, pa.array(list(values), field.type))
    return rows


class Client:
    """A browser's connection."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)

    def ask(self, path: str, body: Any = None, **query: Any) -> Any:
        address = f"{path}?{urlencode(query)}" if query else path
        headers = {}
        if body is not None:
            origin = f"http://127.0.0.1:{self.port}"
            headers = {"Content-Type": "application/json", "Origin": origin}
        method = "GET" if body is None else "POST"
        payload = None if body is None else json.dumps(body)
        self.connection.request(method, address, payload, headers)
        answer = self.connection.getresponse()
        content = answer.read()
        if answer.status != 200:
            raise RuntimeError(f"{address}: {answer.status} {content[:200]!r}")
        is_json = answer.headers["content-type"] == "application/json"
        return json.loads(content) if is_json else content

    def timed(self, path: str, body: Any = None, **query: Any) -> dict[str, float]:
        taken = []
        for _ in range(REPETITIONS):
            begin = time.perf_counter()
            self.ask(path, body, **query)
            taken.append(time.perf_counter() - begin)
        return {"median": round(statistics.median(taken), 4), "worst": round(max(taken), 4)}


def wait_loaded(client: Client) -> None:
    while True:
        try:
            if not client.ask("/api/store")["loading"]:
                return
        except (OSError, http.client.HTTPException):
            client.connection.close()
        time.sleep(0.05)


def measure(client: Client) -> dict[str, Any]:
    one = catalog.motion_id("demo", digest(ID_OF), 0, 0)
    total = client.ask("/api/motions", limit=1)["total"]
    begin = time.perf_counter()
    for path in ("/", "/api/store", "/api/facets"):
        client.ask(path)
    client.ask("/api/motions", limit=200)
    first_page = round(time.perf_counter() - begin, 4)
    timed = client.timed
    few = [catalog.motion_id("demo", digest(n), 0, 0) for n in range(1000, 1010)]
    many = [catalog.motion_id("demo", digest(n), 0, 0) for n in range(2000, 4000)]
    return {
        "motions": total,
        "first_page_all_requests": first_page,
        "page": timed("/api/motions", limit=200),
        "deep_page": timed("/api/motions", limit=200, offset=total - 200),
        "filter_action": timed("/api/motions", limit=200, action="action007"),
        "filter_many": timed(
            "/api/motions", limit=200, split="train", view="free", min_score=0.5, verdict="none"
        ),
        "verdict": timed("/api/motions", limit=200, verdict="drop"),
        "sort_score": timed("/api/motions", limit=200, sort="label_score", order="desc"),
        "sort_decided": timed("/api/motions", limit=200, sort="decided_at", order="desc"),
        "sort_deep": timed("/api/motions", limit=200, sort="reprojection", offset=total // 2),
        "search": timed("/api/motions", limit=200, q="dances jumps"),
        "search_nothing": timed("/api/motions", limit=200, q="xyzzy"),
        "facets": timed("/api/facets"),
        "overview": timed("/api/overview"),
        "look": timed("/api/motion", id=one),
        "arrays": timed("/api/arrays", id=one),
        "picture_of_motion": timed("/api/thumb", id=one),
        "decide_one": timed("/api/decisions", {"motion_ids": few[:1], "verdict": "keep"}),
        "decide_2000": timed("/api/decisions", {"motion_ids": many, "verdict": "drop"}),
    }


def rss_mb(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return round(int(dict(line.split(":\t") for line in lines)["VmRSS"].split()[0]) / 1024)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--motions", type=int, default=100_000)
    parser.add_argument("--decisions", type=int, default=5_000)
    parser.add_argument("--keep", type=Path, help="a folder in which to keep the store")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = (args.keep or Path(temporary)) / "store"
        if not folder.exists():
            fill(folder, args.motions, args.decisions)
        files = len(open_store(folder).snapshot(MOTIONS.name).files)
        told: dict[str, Any] = {"files": files}
        for name in ("first_start", "next_start"):
            told[name] = serve_and_ask(folder, temporary, ask=name == "next_start")
    print(json.dumps(told | {"load_average": os.getloadavg()[0]}, indent=1))


def serve_and_ask(folder: Path, cache: str, *, ask: bool) -> dict[str, Any]:
    """One run of the server: how long until every question is answered, and the questions."""
    command = [str(Path(sys.executable).with_name("crossdiff")), "dashboard"]
    command += ["--store", str(folder), "--port", "0", "--by", "ada", "--json"]
    environment = {**os.environ, "XDG_CACHE_HOME": cache}
    begin = time.perf_counter()
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    try:
        assert server.stdout is not None
        port = int(json.loads(server.stdout.readline())["url"].rpartition(":")[2].strip("/"))
        listens = time.perf_counter() - begin
        client = Client(port)
        wait_loaded(client)
        told = {"listens": round(listens, 2), "loaded": round(time.perf_counter() - begin, 2)}
        figures = measure(client) if ask else {}
        return {**told, "rss_mb": rss_mb(server.pid), **figures}
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(20)


if __name__ == "__main__":
    main()
