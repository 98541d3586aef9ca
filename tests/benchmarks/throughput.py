"""Speed of the whole ingest beside the bare pose backend on the same frames; memory by clip count.

    OMP_NUM_THREADS=1 python -m tests.benchmarks.throughput VIDEOS [--passes 3] [--clips 12]
        [--shard 8] [--variants paper camera wild ...]

The bare backend gets decoded frames from memory; with `people=all` it is the one for several
people. The whole reads, estimates, projects, lifts and commits every `--shard` clips, as an ingest
does, with one option beyond the published method, or all (`wild`). Both run in one process, in
turns, so that a noisy machine hits both alike; CPU time says what a machine with nothing else to do
would need. `backend's share` is the least noisy: the backend's own CPU time within the whole.
"""

import argparse
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass

import flows.shard
import models.lifting.observing
from flows.engines import checkpoint_for
from flows.ingest_plan import PlannedClip
from flows.options import IngestOptions
from flows.recipe import estimator_for, recipe_for
from flows.shard import process_shard
from flows.shard_size import LOCAL
from models.checkpoint_id import SHIPPED
from models.lifting.label_config import Preset, preset_config
from pipeline.carriers import FrameBatch
from pipeline.pose.protocol import PersonTrack, PoseEstimator
from pipeline.read_ahead import read_ahead
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


class Watched:
    """A pose backend that tells the CPU time it took itself, without that of its frames."""

    def __init__(self, estimator: PoseEstimator) -> None:
        self.estimator_id, self.joint_set = estimator.estimator_id, estimator.joint_set
        self.cpu_s = 0.0
        self._estimator = estimator
        self._beside_s = 0.0
        setattr(models.lifting.observing, "read_ahead", self._read_ahead)  # noqa: B010

    def estimate(
        self, batches: Iterable[FrameBatch], frame_size: tuple[int, int]
    ) -> list[PersonTrack]:
        """As the backend does."""
        began, beside = time.process_time(), self._beside_s + labelling_cpu_s()
        tracks = self._estimator.estimate(self._waited(batches), frame_size)
        beside = self._beside_s + labelling_cpu_s() - beside
        self.cpu_s += time.process_time() - began - beside
        return tracks

    def _waited(self, batches: Iterable[FrameBatch]) -> Iterator[FrameBatch]:
        for batch, took in _timed(batches):
            self.cpu_s -= took
            yield batch

    def _read_ahead(self, batches: Iterable[FrameBatch]) -> Generator[FrameBatch, None, None]:
        """As an ingest does, but the thread's CPU time is counted."""
        return read_ahead(self._counted(batches))

    def _counted(self, batches: Iterable[FrameBatch]) -> Iterator[FrameBatch]:
        for batch, took in _timed(batches):
            self._beside_s += took
            yield batch


def labelling_cpu_s() -> float:
    """CPU seconds of the thread that labels the clip before, so far."""
    alive = [t.ident for t in threading.enumerate() if t.name.startswith("label") and t.ident]
    return sum(time.clock_gettime(time.pthread_getcpuclockid(ident)) for ident in alive)


def _timed(batches: Iterable[FrameBatch]) -> Iterator[tuple[FrameBatch, float]]:
    """Each batch with the CPU seconds that this thread took to get it."""
    frames = iter(batches)
    while True:
        began = time.thread_time()
        batch = next(frames, None)
        if batch is None:
            return
        yield batch, time.thread_time() - began


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


def compare(clips: list[Decoded], variant: str, passes: int, size: int) -> None:
    """Print the speed of both, per pass, with where the whole's time went."""
    with tempfile.TemporaryDirectory() as folder:
        options = options_for(folder, variant)
        estimator = Watched(estimator_for(options.pose, options.label.people))
        setattr(flows.shard, "estimator_for", lambda *_: estimator)  # noqa: B010 - its own is cached
        estimator.estimate(iter(clips[0].batches[:1]), frame_size=clips[0].size)
        checkpoint_for(options.checkpoint, options.pose.device)
        ratios: list[tuple[float, float]] = []
        for turn in range(passes):
            bare = whole = Took()
            own = 0.0
            stages: Counter[str] = Counter()
            for first in range(0, len(clips), size):
                shard = clips[first : first + size]
                began = Took.so_far()
                for each in shard:
                    estimator.estimate(iter(each.batches), frame_size=each.size)
                bare = bare.plus(began.since())
                names = [f"{turn:08d}{i:08d}{0:048d}" for i in range(first, first + len(shard))]
                planned = tuple(map(PlannedClip, (each.clip for each in shard), names))
                began = Took.so_far()
                before = estimator.cpu_s
                counts = process_shard(options, f"s{turn}-{first}", planned)
                own += estimator.cpu_s - before
                whole = whole.plus(began.since())
                stages.update(counts.seconds)
            frames = sum(each.frames for each in clips)
            report(variant, frames, bare, whole, own / whole.cpu_s, stages)
            ratios.append((bare.wall_s / whole.wall_s, own / whole.cpu_s))
        wall, share = (statistics.median(each) for each in zip(*ratios, strict=True))
        print(
            f"{variant:<12} medians: wall ratio {wall:.3f}, backend's share {share:.3f}", flush=True
        )


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


def report(
    variant: str, frames: int, bare: Took, whole: Took, share: float, stages: Counter[str]
) -> None:
    """One pass of one variant."""
    spent = ", ".join(f"{name} {1000 * s / frames:.1f}" for name, s in stages.items())
    print(
        f"{variant:<12} {frames} frames; wall: bare {frames / bare.wall_s:.1f} fps, whole "
        f"{frames / whole.wall_s:.1f} fps, ratio {bare.wall_s / whole.wall_s:.3f}; "
        f"CPU: bare {frames / bare.cpu_s:.1f} fps, whole {frames / whole.cpu_s:.1f} fps, "
        f"ratio {bare.cpu_s / whole.cpu_s:.3f}, backend's share {share:.3f}; "
        f"wall ms a frame: {spent}",
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
    parser.add_argument("--shard", type=int, default=LOCAL, help="clips of a commit")
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=list(VARIANTS))
    parser.add_argument("--memory", type=int, help="only measure memory over this many clips")
    parser.add_argument("--no-memory", action="store_true", help="only compare speeds")
    given = parser.parse_args()
    if given.memory:
        peak_memory(given.videos, given.memory)
        return
    clips = [decoded(clip) for clip in clips_of(given.videos, given.clips)]
    for variant in given.variants:
        compare(clips, variant, given.passes, given.shard)
    for count in () if given.no_memory else MEMORY_CLIPS:
        command = [sys.executable, __file__, given.videos, "--memory", str(count)]
        subprocess.run(command, check=True, stderr=subprocess.DEVNULL)


if __name__ == "__main__":
    main()
