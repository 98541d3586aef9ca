"""Speed of the whole ingest beside the bare pose backend on the same frames; memory by clip count.

    OMP_NUM_THREADS=1 python tests/benchmarks/throughput.py VIDEOS [--passes 3] [--clips 12]
        [--variants paper camera wild ...]

The bare backend gets decoded frames from memory; with `people=all` it is the one for several
people. The whole reads, estimates, projects, lifts and commits, with one option beyond the
published method, or all (`wild`). Both run in one process, in turns, so that a noisy machine hits
both alike; CPU time says what a machine with nothing else to do would need.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass

from flows.engines import checkpoint_for
from flows.ingest_plan import PlannedClip
from flows.options import IngestOptions
from flows.recipe import estimator_for, recipe_for
from flows.shard import process_shard
from models.checkpoint_id import SHIPPED
from models.lifting.label_config import Preset, preset_config
from pipeline.carriers import FrameBatch
from pipeline.video import SourceClip, content_hash, find_videos, read_frames
from storage.recipes import register_recipe
from storage.store import create_store

CLIPS = 5
MEMORY_CLIPS = (5, 30)


VARIANTS: dict[str, tuple[Preset, dict[str, str]]] = {
    "paper": ("paper", {}),
    "people": ("paper", {"people": "all"}),
    "shots": ("paper", {"shots": "on"}),
    "camera": ("paper", {"camera": "on"}),
    "half_bodies": ("paper", {"half_bodies": "on"}),
    "flip": ("paper", {"ensemble": "flip"}),
    "many": ("paper", {"ensemble": "many"}),
    "refine": ("paper", {"refine": "on"}),
    "clean_up": ("paper", {"clean_up": "on"}),
    "score": ("paper", {"score": "on"}),
    "wild": ("wild", {}),
}
"""Name -> preset and what is changed in it."""


@dataclass(frozen=True)
class Decoded:
    """A clip's sampled frames."""

    clip: SourceClip
    batches: list[FrameBatch]

    @property
    def size(self) -> tuple[int, int]:
        """(width, height)."""
        height, width = self.batches[0].frames.shape[1:3]
        return width, height

    @property
    def frames(self) -> int:
        """How many."""
        return sum(len(batch.times) for batch in self.batches)


def options_for(out: str, variant: str = "paper") -> IngestOptions:
    """An ingest into a fresh store."""
    label = preset_config(*VARIANTS[variant])
    options = IngestOptions(videos="", dataset="bench", out=out, checkpoint=SHIPPED, label=label)
    register_recipe(create_store(out), "bench", recipe_for(options))
    return options


def decoded(clip: SourceClip) -> Decoded:
    """All sampled frames of a clip."""
    with read_frames(clip.path) as stream:
        return Decoded(clip, list(stream))


def clips_of(videos: str, count: int) -> list[SourceClip]:
    """Clips evenly over a folder, UCF101's and Kinetics' where there are some."""
    found = find_videos(videos)
    usual = [c for c in found if c.name.startswith(("ucf101", "kinetics"))] or found
    return usual[:: max(1, len(usual) // count)][:count]


def compare(clips: list[Decoded], variant: str, passes: int) -> None:
    """Print the speed of both, per pass, with where the whole's time went."""
    with tempfile.TemporaryDirectory() as folder:
        options = options_for(folder, variant)
        estimator = estimator_for(options.pose, options.label.people)
        estimator.estimate(iter(clips[0].batches[:1]), frame_size=clips[0].size)
        checkpoint_for(options.checkpoint, options.pose.device)
        for turn in range(passes):
            bare = whole = Took()
            stages: Counter[str] = Counter()
            for i, each in enumerate(clips):
                began = Took.so_far()
                estimator.estimate(iter(each.batches), frame_size=each.size)
                bare = bare.plus(began.since())
                planned = PlannedClip(each.clip, f"{turn:032d}{i:032d}")
                began = Took.so_far()
                counts = process_shard(options, f"s{turn}-{i}", (planned,))
                whole = whole.plus(began.since())
                stages.update(counts.seconds)
            report(variant, sum(each.frames for each in clips), bare, whole, stages)


@dataclass(frozen=True)
class Took:
    """Time of a piece of work."""

    wall_s: float = 0.0
    cpu_s: float = 0.0
    """Of this process: what it would take with the decoder, and all else, on other cores."""

    @classmethod
    def so_far(cls) -> "Took":
        """The clocks now."""
        return cls(time.perf_counter(), time.process_time())

    def since(self) -> "Took":
        """From then until now."""
        now = self.so_far()
        return Took(now.wall_s - self.wall_s, now.cpu_s - self.cpu_s)

    def plus(self, more: "Took") -> "Took":
        """Both together."""
        return Took(self.wall_s + more.wall_s, self.cpu_s + more.cpu_s)


def report(variant: str, frames: int, bare: Took, whole: Took, stages: Counter[str]) -> None:
    """One pass of one variant."""
    spent = ", ".join(f"{name} {1000 * s / frames:.1f}" for name, s in stages.items())
    print(
        f"{variant:<12} {frames} frames; wall: bare {frames / bare.wall_s:.1f} fps, whole "
        f"{frames / whole.wall_s:.1f} fps, ratio {bare.wall_s / whole.wall_s:.3f}; "
        f"CPU: bare {frames / bare.cpu_s:.1f} fps, whole {frames / whole.cpu_s:.1f} fps, "
        f"ratio {bare.cpu_s / whole.cpu_s:.3f}; wall ms a frame: {spent}",
        flush=True,
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
    """Compare speeds by variant, then memory in fresh processes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("videos")
    parser.add_argument("--passes", type=int, default=3)
    parser.add_argument("--clips", type=int, default=12)
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=list(VARIANTS))
    parser.add_argument("--memory", type=int, help="only measure memory over this many clips")
    parser.add_argument("--no-memory", action="store_true", help="only compare speeds")
    given = parser.parse_args()
    if given.memory:
        peak_memory(given.videos, given.memory)
        return
    clips = [decoded(clip) for clip in clips_of(given.videos, given.clips)]
    for variant in given.variants:
        compare(clips, variant, given.passes)
    for count in () if given.no_memory else MEMORY_CLIPS:
        command = [sys.executable, __file__, given.videos, "--memory", str(count)]
        subprocess.run(command, check=True, stderr=subprocess.DEVNULL)


if __name__ == "__main__":
    main()
