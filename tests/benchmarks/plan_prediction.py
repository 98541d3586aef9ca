"""Does `crossdiff plan` predict? Measure 5 clips, plan 30 others, ingest those, compare the times.

    OMP_NUM_THREADS=1 python tests/benchmarks/plan_prediction.py VIDEOS [--measured 5] [--asked 30]

The clips are made from the videos of a folder, by other crops and speeds, 2.5 to 5 s long. One
worker in one process, in turns: one of the measured, then some of the asked, so that whatever else
the machine does hits both alike. The start of a run is not in it.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path

from clip_variants import make_variants, sources_in

from flows.ingest_plan import PlannedClip
from flows.options import IngestOptions
from flows.recipe import recipe_for
from flows.shard import process_shard
from models.checkpoint_id import SHIPPED
from pipeline.planning import PlanQuestion, make_plan
from pipeline.splits import shards
from pipeline.video import content_hash, find_videos
from storage.recipes import register_recipe
from storage.stage_costs import stage_costs
from storage.store import create_store, open_store

LENGTHS_S = (2.5, 5.0)


def options_for(out: Path) -> IngestOptions:
    """An ingest into a fresh store."""
    options = IngestOptions(videos="", dataset="clips", out=str(out), checkpoint=SHIPPED)
    register_recipe(create_store(str(out)), "clips", recipe_for(options))
    return options


def planned(clips: list[Path]) -> list[PlannedClip]:
    found = {clip.path: clip for clip in find_videos(str(clips[0].parent))}
    return [PlannedClip(found[path], content_hash(path)) for path in clips]


def ingest(options: IngestOptions, name: str, clips: list[PlannedClip]) -> float:
    """Seconds that a shard takes, commit included."""
    began = time.perf_counter()
    process_shard(options, name, tuple(clips))
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("videos", type=Path)
    parser.add_argument("--measured", type=int, default=5)
    parser.add_argument("--asked", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sources = sources_in(given.videos, LENGTHS_S[1] * 1.25)
        # Other seeds, or the first clips of both would be the same.
        few = make_variants(sources, folder / "few", given.measured, LENGTHS_S, 3 * given.seed)
        many = make_variants(sources, folder / "many", given.asked, LENGTHS_S, 3 * given.seed + 1)
        warm = make_variants(sources, folder / "warm", 1, LENGTHS_S, 3 * given.seed + 2)
        ingest(options_for(folder / "s0"), "warm", planned(warm))
        few_options, many_options = options_for(folder / "s1"), options_for(folder / "s2")
        size = -(-given.asked // given.measured)
        real = 0.0
        turns = zip(planned(few), shards(planned(many), size), strict=True)
        for number, (one, others) in enumerate(turns):
            ingest(few_options, f"few{number}", [one])
            real += ingest(many_options, f"many{number}", list(others))
        measured = stage_costs(open_store(few_options.out))
        taken = stage_costs(open_store(many_options.out))
    length = float(taken.duration_s.mean())
    plan = make_plan(measured, PlanQuestion(given.asked, 1, length, shard_size=size))
    figures = {
        "measured_clips": measured.videos,
        "their_seconds_of_video": round(float(measured.duration_s.sum()), 1),
        "asked_clips": taken.videos,
        "their_mean_length_s": round(length, 2),
        "predicted_s": round(plan.timing.work_s, 1),
        "interval_s": [round(s, 1) for s in plan.work_interval_s or ()],
        "real_s": round(real, 1),
        "error": round(plan.timing.work_s / real - 1, 3),
        "predicted_by_stage": {s.stage: round(s.core_h * 3600, 2) for s in plan.timing.stages},
        "real_by_stage": {
            stage: round(given.asked * seconds, 2)
            for stage, seconds in taken.seconds_per_video().items()
        },
    }
    print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
