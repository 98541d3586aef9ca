"""How fast the catalog answers with many motions: a script, not a test.

    python tests/benchmarks/storage_catalog.py --motions 100000 --shard-size 32
    python tests/benchmarks/storage_catalog.py --motions 1000000 --bare

Makes a synthetic store (every motion has its own names, hashes and labels; arrays are random and
shared), written by the store's own writer but put in the log in few commits, since committing is
measured apart. Prints one JSON object: seconds and bytes read per query, and the tables' bytes.

`--bare` is for a million: arrays of two frames (the query does not read them, and real ones would
be 180 GB), in files of as many rows as merged files of real motions have. It asks for the motions
per class with quality above a bound alone.
"""

import argparse
import hashlib
import json
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
from deltalake import CommitProperties
from deltalake.transaction import AddAction

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
import storage_shards as samples

from storage.arrow_rows import to_arrow
from storage.catalog import connect, count_rows, get_motion, list_motions, list_videos
from storage.columns import TableSpec
from storage.compaction import compact
from storage.datafiles import write_data_file
from storage.plain_motions import QualityBounds, motions_per_class
from storage.recipes import register_recipe
from storage.rows import Row, motion_id
from storage.schemas import MOTIONS, TRACKS, VIDEOS
from storage.shards import commit_shard, known_hashes
from storage.store import Store, create_store, open_store, open_table

ACTIONS = 101
COMMITS = 20
QUALITY = ("quality_reprojection_error", "quality_mean_confidence")
BARE_ROWS = 700
"""Rows of a merged file of 128 MB, at 180 KB a motion."""
MAX_REPROJECTION_M, MIN_CONFIDENCE = 0.02, 0.6
PER_CLASS = """
SELECT action, count(*) AS motions FROM motions
WHERE quality_reprojection_error < $most AND quality_mean_confidence > $least
GROUP BY action ORDER BY motions DESC
"""


def bytes_read() -> int:
    """Bytes this process has read so far, from the page cache or the disk."""
    lines = Path("/proc/self/io").read_text().splitlines()
    return int(dict(line.split(": ") for line in lines)["rchar"])


def random_quality(name: str, numbers: range) -> np.ndarray:
    """Between 0 and 0.05 m for errors, 0 and 1 for shares; a function of the motions' numbers."""
    error = name == "quality_reprojection_error"
    return np.random.default_rng([numbers.start, error]).uniform(
        0, 0.05 if error else 1, len(numbers)
    )


def shard_tables(first: int, size: int, template: dict[str, pa.Table]) -> dict[str, pa.Table]:
    """One shard's rows: the template's arrays under names of their own."""
    numbers = range(first, first + size)
    hashes = [hashlib.sha256(str(n).encode()).hexdigest() for n in numbers]
    new = {
        "video_hash": hashes,
        "source_hash": hashes,
        "motion_id": [motion_id("demo", h, 0, 0) for h in hashes],
        "action": [f"action{n % ACTIONS:03d}" for n in numbers],
        "name": [f"action{n % ACTIONS:03d}/clip{n:07d}.avi" for n in numbers],
        "split": ["test" if n % 10 == 0 else "train" for n in numbers],
        **{q: random_quality(q, numbers) for q in QUALITY},
    }
    out = {}
    for name, table in template.items():
        rows = table.slice(0, size)
        for column in set(new) & set(rows.column_names):
            index = rows.column_names.index(column)
            field = rows.schema.field(index)
            rows = rows.set_column(index, field, pa.array(new[column], field.type))
        out[name] = rows
    return out


def template(size: int, bare: bool) -> dict[str, pa.Table]:
    numbers = [2 * n for n in range(3 * size) if not samples.is_failed(2 * n)][:size]
    made = {
        VIDEOS.name: ([samples.video_row(n) for n in numbers], VIDEOS),
        TRACKS.name: ([samples.track_row(n, 0) for n in numbers], TRACKS),
        MOTIONS.name: ([samples.motion_row(n) for n in numbers], MOTIONS),
    }
    if bare:
        made = {
            name: ([two_frames(row) for row in rows], spec) for name, (rows, spec) in made.items()
        }
    return {name: to_arrow(rows, spec) for name, (rows, spec) in made.items()}


def two_frames(row: Row) -> Row:
    """The row with arrays of two frames, features thus of one."""
    values = {f.name: getattr(row, f.name) for f in fields(row)}
    arrays = {name: v for name, v in values.items() if isinstance(v, np.ndarray)}
    frames = max((len(v) for v in arrays.values()), default=0)
    return replace(row, **{name: v[: 2 + len(v) - frames] for name, v in arrays.items()})


def fill(store: Store, motions: int, shard_size: int, bare: bool) -> None:
    made = template(shard_size, bare)
    adds: dict[str, list[AddAction]] = {name: [] for name in made}
    specs: dict[str, TableSpec] = {spec.name: spec for spec in (VIDEOS, TRACKS, MOTIONS)}
    for first in range(0, motions, shard_size):
        size = min(shard_size, motions - first)
        for name, rows in shard_tables(first, size, made).items():
            adds[name].append(write_data_file(store.location, specs[name], rows, f"s{first}"))
    for name, actions in adds.items():
        step = -(-len(actions) // COMMITS)
        for start in range(0, len(actions), step):
            table = open_table(store, name)
            table.create_write_transaction(
                actions[start : start + step],
                "append",
                table.schema(),
                ["dataset"],
                commit_properties=CommitProperties(max_commit_retries=0),
            )


def measure(work: Callable[[], object]) -> dict[str, float]:
    before, start = bytes_read(), time.perf_counter()
    work()
    seconds = time.perf_counter() - start
    return {"seconds": round(seconds, 3), "read_mb": round((bytes_read() - before) / 1e6, 1)}


def per_class(url: str) -> dict[str, int]:
    """Motions per class with quality above a bound, as `crossdiff classes` counts them."""
    bounds = QualityBounds(max_reprojection_m=MAX_REPROJECTION_M, min_confidence=MIN_CONFIDENCE)
    rows = motions_per_class(open_store(url), bounds).to_pylist()
    return {row["action"]: row["motions"] for row in rows}


def per_class_directly(url: str) -> dict[str, int]:
    """The same from the tables themselves, row group by row group."""
    with connect(open_store(url)) as connection:
        bounds = {"most": MAX_REPROJECTION_M, "least": MIN_CONFIDENCE}
        return dict(connection.execute(PER_CLASS, bounds).fetchall())


def queries(store: Store) -> dict[str, object]:
    """Each query as a new process would make it: nothing learnt before."""
    url = store.location.root
    one = motion_id("demo", hashlib.sha256(b"77").hexdigest(), 0, 0)
    tables = {name: store.snapshot(name).files.values() for name in ("videos", "tracks", "motions")}
    return {
        "files": {name: len(files) for name, files in tables.items()},
        "mb": {name: round(sum(f.size for f in files) / 1e6) for name, files in tables.items()},
        "list_all": measure(lambda: list_motions(open_store(url))),
        "list_action_split": measure(
            lambda: list_motions(open_store(url), action="action007", split="train")
        ),
        "list_first_50": measure(lambda: list_motions(open_store(url), limit=50)),
        "list_videos_failed": measure(lambda: list_videos(open_store(url), status="failed")),
        "counts": measure(lambda: count_rows(open_store(url))),
        "per_class_above_quality": measure(lambda: per_class(url)),
        "get_motion": measure(lambda: get_motion(open_store(url), one)),
        "known_hashes": measure(lambda: known_hashes(open_store(url), "demo")),
    }


def bare_queries(store: Store) -> dict[str, object]:
    """The question per class: the first time, again, after a commit, and without the copy."""
    url = store.location.root
    out: dict[str, object] = {"files": len(store.snapshot(MOTIONS.name).files)}
    out["first"] = measure(lambda: per_class(url))
    out["again"] = [measure(lambda: per_class(url)) for _ in range(5)]
    commit_shard(store, samples.shard(range(32)))
    out["after_a_commit"] = measure(lambda: per_class(url))
    out["again_then"] = measure(lambda: per_class(url))
    out["directly"] = measure(lambda: per_class_directly(url))
    answer = per_class(url)
    assert answer == per_class_directly(url)
    return out | {"classes": len(answer), "motions_found": sum(answer.values())}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--motions", type=int, default=100_000)
    parser.add_argument("--shard-size", type=int, default=None)
    parser.add_argument("--bare", action="store_true", help="two frames a motion, one query")
    args = parser.parse_args()
    shard_size = args.shard_size or (BARE_ROWS if args.bare else 32)
    with tempfile.TemporaryDirectory() as folder:
        store = create_store(folder)
        register_recipe(store, "demo", samples.RECIPE)
        fill(store, args.motions, shard_size, args.bare)
        result: dict[str, object] = {"motions": args.motions}
        if args.bare:
            result |= bare_queries(store)
        else:
            result["as_ingested"] = queries(store)
            result["merging"] = measure(lambda: compact(store, "demo"))
            result["merged"] = queries(store)
            result["first_commit"] = measure(lambda: commit_shard(store, samples.shard(range(32))))
            more = samples.shard(range(40, 72))
            result["next_commit"] = measure(lambda: commit_shard(store, more))
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
