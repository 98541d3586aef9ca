"""Does ingesting ten times the clips cost ten times as much? At most 10.5 times is the promise.

    OMP_NUM_THREADS=1 python tests/benchmarks/scale.py VIDEOS [--few 20] [--many 200] [--workers 1]

The clips (2.5 to 3 s) are made from the videos of a folder, by other crops and speeds. Each ingest
is a process of its own, start and stop included; CPU seconds are those of the process and of all
that it waited for (decoders, Prefect's local server, workers). Then both again with nothing new.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from clip_variants import make_variants, sources_in

LENGTHS_S = (2.5, 3.0)


def cpu_seconds() -> float:
    """Of all children that have ended, and of theirs."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def ingest(clips: Path, store: Path, workers: int) -> dict[str, float]:
    command = [sys.executable, "-m", "flows.cli", "ingest", str(clips), "--dataset", "clips"]
    command += ["--out", str(store), "--workers", str(workers), "--json"]
    cpu, began = cpu_seconds(), time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    wall = time.perf_counter() - began
    run = json.loads(done.stdout)
    return {
        "clips": run["processed"],
        "motions": run["motions"],
        "wall_s": round(wall, 2),
        "cpu_s": round(cpu_seconds() - cpu, 2),
        **{f"{stage}_s": round(s, 2) for stage, s in run["seconds_by_stage"].items()},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("videos", type=Path)
    parser.add_argument("--few", type=int, default=20)
    parser.add_argument("--many", type=int, default=200)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["PREFECT_HOME"] = str(folder / "prefect")
        sources = sources_in(given.videos, LENGTHS_S[1] * 1.25)
        result = {}
        for part, count in (("few", given.few), ("many", given.many)):
            clips = make_variants(sources, folder / part, count, LENGTHS_S, given.seed)
            print(f"{len(clips)} clips made", file=sys.stderr, flush=True)
        # Prefect's database is made once an installation, and by nobody's first clips.
        ingest(make_variants(sources, folder / "one", 1, LENGTHS_S, 99)[0], folder / "s1", 1)
        for part in ("few", "many"):
            result[part] = ingest(folder / part, folder / f"store-{part}", given.workers)
            print(json.dumps({part: result[part]}), file=sys.stderr, flush=True)
        for part in ("few", "many"):
            again = ingest(folder / part, folder / f"store-{part}", given.workers)
            result[f"{part}_again"] = {k: again[k] for k in ("clips", "wall_s", "cpu_s")}
    for kind in ("wall_s", "cpu_s"):
        result[f"{kind[:-2]}_ratio"] = round(result["many"][kind] / result["few"][kind], 2)
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
