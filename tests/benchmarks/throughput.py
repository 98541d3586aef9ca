"""Speed of the whole ingest beside the bare pose backend on the same frames; memory by clip count.

    OMP_NUM_THREADS=1 python tests/benchmarks/throughput.py VIDEOS [--passes 3]

The bare backend gets decoded frames from memory. The whole reads, estimates, projects, lifts and
commits. Both run in one process, in turns, so that a noisy machine hits both alike.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from flows.ingest_plan import PlannedClip
from flows.options import IngestOptions
from flows.recipe import estimator_for, recipe_for
from flows.shard import process_shard
from models.checkpoint_id import SHIPPED
from pipeline.video import content_hash, find_videos, read_frames
from storage.recipes import register_recipe
from storage.store import create_store

CLIPS = 5
MEMORY_CLIPS = (5, 30)


def options_for(out: str) -> IngestOptions:
    """An ingest into a fresh store."""
    options = IngestOptions(videos="", dataset="bench", out=out, checkpoint=SHIPPED)
    register_recipe(create_store(out), "bench", recipe_for(options))
    return options


def frames_in(path: Path) -> tuple[list, tuple[int, int], int]:
    """All sampled frames of a clip, decoded."""
    with read_frames(path) as stream:
        batches = list(stream)
    height, width = batches[0].frames.shape[1:3]
    return batches, (width, height), sum(len(b.times) for b in batches)


def compare(videos: str, passes: int) -> None:
    """Print frames a second of both, and their ratio, per pass."""
    clips = [c for c in find_videos(videos) if c.name.startswith(("ucf101", "kinetics"))][:12]
    clips = clips or find_videos(videos)
    decoded = [frames_in(c.path) for c in clips]
    total = sum(n for _, _, n in decoded)
    with tempfile.TemporaryDirectory() as folder:
        options = options_for(folder)
        estimator = estimator_for(options.pose)
        estimator.estimate(iter(decoded[0][0]), frame_size=decoded[0][1])
        for number in range(passes):
            bare = whole = 0.0
            for i, (clip, (batches, size, _)) in enumerate(zip(clips, decoded, strict=True)):
                began = time.perf_counter()
                estimator.estimate(iter(batches), frame_size=size)
                bare += time.perf_counter() - began
                planned = PlannedClip(clip, f"{number:032d}{i:032d}")
                began = time.perf_counter()
                process_shard(options, f"s{number}-{i}", (planned,))
                whole += time.perf_counter() - began
            print(
                f"pass {number}: {total} frames; bare {total / bare:.1f} fps, "
                f"whole {total / whole:.1f} fps, ratio {bare / whole:.3f}"
            )


def peak_memory(videos: str, count: int) -> None:
    """Process `count` clips in one shard each and print the peak, MiB (own, largest child)."""
    clips = find_videos(videos)[:CLIPS]
    repeated = [clips[i % len(clips)] for i in range(count)]
    with tempfile.TemporaryDirectory() as folder:
        options = options_for(folder)
        for i, clip in enumerate(repeated):
            digest = f"{i:02d}" + content_hash(clip.path)[2:]
            process_shard(options, f"m{i}", (PlannedClip(clip, digest),))
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    child = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    print(f"{count} clips: peak {own:.0f} MiB, decoder {child:.0f} MiB", flush=True)


def main() -> None:
    """Compare speeds, then memory in fresh processes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("videos")
    parser.add_argument("--passes", type=int, default=3)
    parser.add_argument("--memory", type=int, help="only measure memory over this many clips")
    given = parser.parse_args()
    if given.memory:
        peak_memory(given.videos, given.memory)
        return
    compare(given.videos, given.passes)
    for count in MEMORY_CLIPS:
        command = [sys.executable, __file__, given.videos, "--memory", str(count)]
        subprocess.run(command, check=True, stderr=subprocess.DEVNULL)


if __name__ == "__main__":
    main()
