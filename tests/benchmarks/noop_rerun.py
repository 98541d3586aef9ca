"""How long does a run take that finds nothing new, over ten thousand files? It says by part.

python tests/benchmarks/noop_rerun.py [--files 10000] [--bytes 2000]
The files are small, as a run that reads none of them does not care; the store holds a row and, for
nine in ten, a track and a motion of each.
"""

import argparse
import hashlib
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
import storage_shards as samples

from flows.ingest_plan import plan_ingest
from flows.options import IngestOptions
from flows.recipe import recipe_for
from models.checkpoint_id import SHIPPED
from pipeline.video import find_videos
from pipeline.video.hash_cache import user_hash_cache
from storage.catalog import count_rows
from storage.recipes import register_recipe
from storage.rows import ShardRows, motion_id
from storage.shards import commit_shard, known_hashes
from storage.store import create_store, open_store

DATASET = "many"
ROWS_PER_SHARD = 500
BACKDATED_S = 3600.0
T = TypeVar("T")


def make_files(folder: Path, count: int, size: int) -> list[tuple[Path, str]]:
    made = []
    past = time.time() - BACKDATED_S
    for number in range(count):
        path = (
            folder / f"class{number % 100:03d}" / f"v_class{number % 100:03d}_g{number:05d}_c01.avi"
        )
        path.parent.mkdir(parents=True, exist_ok=True)
        content = os.urandom(size)
        path.write_bytes(content)
        os.utime(path, (past, past))
        made.append((path, hashlib.sha256(content).hexdigest()))
    return made


def fill_store(out: Path, files: list[tuple[Path, str]], options: IngestOptions) -> None:
    store, recipe = create_store(out), recipe_for(options)
    register_recipe(store, DATASET, recipe)
    for start in range(0, len(files), ROWS_PER_SHARD):
        videos, tracks, motions = [], [], []
        for number, (path, digest) in enumerate(files[start : start + ROWS_PER_SHARD], start):
            keys = {"dataset": DATASET, "video_hash": digest}
            line = samples.lineage(digest, recipe)
            row = replace(samples.video_row(number), path=str(path), lineage=line, **keys)
            videos.append(row)
            if row.status == "ok":
                tracks.append(replace(samples.track_row(number, 0), lineage=line, **keys))
                named = motion_id(DATASET, digest, 0, 0)
                motions.append(
                    replace(samples.motion_row(number), motion_id=named, lineage=line, **keys)
                )
        name = f"shard{start}"
        commit_shard(store, ShardRows(DATASET, name, recipe.recipe_id, videos, tracks, motions))


def timed(what: str, act: Callable[[], T]) -> T:
    began = time.perf_counter()
    out = act()
    print(f"{what:45s} {time.perf_counter() - began:7.2f} s", flush=True)
    return out


def run(out: Path, videos: Path) -> None:
    command = [str(Path(sys.executable).with_name("crossdiff")), "ingest", str(videos)]
    command += ["--dataset", DATASET, "--out", str(out)]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    said = timed("crossdiff ingest, nothing new", lambda: subprocess.run(
        command, check=True, capture_output=True, text=True)).stdout  # fmt: skip
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(f"{'  of it CPU':45s} {cpu_s:7.2f} s\n  {said.splitlines()[0]}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--bytes", type=int, default=2_000)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["XDG_CACHE_HOME"] = f"{folder}/cache"
        videos, out = Path(folder, "videos"), Path(folder, "store")
        options = IngestOptions(str(videos), DATASET, str(out), SHIPPED)
        files = timed("make the files", lambda: make_files(videos, args.files, args.bytes))
        timed("fill the store", lambda: fill_store(out, files, options))
        time.sleep(2.5)  # files touched within two seconds are not remembered
        sources = timed("find the files", lambda: find_videos(videos))
        known = timed("ask the store what is known", lambda: known_hashes(open_store(out), DATASET))
        timed("plan, reading every file", lambda: plan_ingest(sources, known, user_hash_cache()))
        plan = timed("plan, reading none", lambda: plan_ingest(sources, known, user_hash_cache()))
        timed("count the rows of the summary", lambda: count_rows(open_store(out), DATASET))
        assert (plan.known, plan.pending) == (args.files, ())
        run(out, videos)
        run(out, videos)


if __name__ == "__main__":
    main()
