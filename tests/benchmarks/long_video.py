"""Does memory grow with a video's length? Peak memory of every stage of an ingest, by minutes.

    OMP_NUM_THREADS=1 python tests/benchmarks/long_video.py CLIP [--minutes 1 10] [--preset paper]

A real clip is played forwards and backwards until the film is long enough (no cut, no jump, one
motion without a break: the worst case), at 320x240 and 25 fps. Each length is ingested in a process
of its own; before each stage the process's peak is reset (`/proc/self/clear_refs`, Linux).
"""

import argparse
import ctypes
import itertools
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from flows.engines import checkpoint_for
from flows.ingest_plan import PlannedClip
from flows.ingest_rows import motion_rows, track_rows, video_row
from flows.options import IngestOptions
from flows.recipe import estimator_for, recipe_for
from flows.report import write_report
from models.checkpoint_id import SHIPPED
from models.lifting.label_config import LabelConfig, preset_config
from models.lifting.labelling import ClipResult, label_people
from models.lifting.observing import observe_clip
from pipeline.video import content_hash, find_videos, read_frames
from storage.catalog import get_motion, list_motions
from storage.lineage import make_lineage
from storage.recipes import register_recipe
from storage.rows import ShardRows
from storage.shards import commit_shard
from storage.store import create_store, open_store

SIZE = (320, 240)
FPS = 25.0
KB_PER_MIB = 1024
DATASET = "long"
T = TypeVar("T")


@dataclass(frozen=True)
class Stage:
    """What a stage took."""

    name: str
    seconds: float
    peak_mib: float
    """Of this process, while the stage ran."""
    decoder_mib: float
    """Of the decoding process, so far."""


def back_and_forth(frames: list[NDArray[np.uint8]]) -> Iterator[NDArray[np.uint8]]:
    """Frames forwards, backwards, forwards, ... without end."""
    return itertools.cycle([*frames, *frames[-2:0:-1]])


def write_long(clip: Path, minutes: float, out: Path) -> Path:
    """A film of `minutes` made of a clip."""
    with read_frames(clip, FPS) as stream:
        frames = [cv2.resize(f[..., ::-1], SIZE) for batch in stream for f in batch.frames]
    film = cv2.VideoWriter(str(out), cv2.VideoWriter.fourcc(*"mp4v"), FPS, SIZE)
    for frame in itertools.islice(back_and_forth(frames), int(minutes * 60 * FPS)):
        film.write(frame)
    film.release()
    return out


def peak_mib(process: str = "self") -> float:
    """Peak memory of a process since it began, or since `reset_peak`."""
    status = Path(f"/proc/{process}/status").read_text(encoding="ascii")
    line = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / KB_PER_MIB


def reset_peak() -> None:
    """Give back what is not used any more, and forget this process's peak so far."""
    ctypes.CDLL(None).malloc_trim(0)
    pa.default_memory_pool().release_unused()
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def decoder_mib() -> float:
    """Of all children together."""
    pids = Path(f"/proc/self/task/{os.getpid()}/children").read_text(encoding="ascii").split()
    return sum(peak_mib(pid) for pid in pids)


def measured(name: str, stages: list[Stage], work: Callable[[], T]) -> T:
    """Do a stage and note what it took."""
    reset_peak()
    began = time.perf_counter()
    out = work()
    stages.append(Stage(name, time.perf_counter() - began, peak_mib(), decoder_mib()))
    return out


def ingest_stages(film: Path, label: LabelConfig, folder: Path) -> tuple[list[Stage], ClipResult]:
    """Ingest one film as a shard does, stage by stage."""
    stages: list[Stage] = []
    options = IngestOptions("", DATASET, str(folder / "store"), SHIPPED, label=label)
    estimator, checkpoint = estimator_for(options.pose), checkpoint_for(SHIPPED, "cpu")
    recipe = recipe_for(options)
    store = create_store(options.out)
    register_recipe(store, DATASET, recipe)
    (source,) = find_videos(film)
    clip = PlannedClip(source, content_hash(film))
    measured("start", stages, lambda: None)
    seen = measured("decode, pose", stages, lambda: observe_clip(film, estimator, label))
    bare = replace(label, only_2d=True) if label == LabelConfig() else label
    if bare != label:
        measured("normalise", stages, lambda: label_people(seen, None, bare))
    result = measured("normalise, lift", stages, lambda: label_people(seen, checkpoint, label))
    lineage = make_lineage(recipe, options)
    rows = measured(
        "rows",
        stages,
        lambda: ShardRows(
            DATASET, "long", recipe.recipe_id,
            [video_row(clip, result, DATASET, lineage)],
            track_rows(clip, result, DATASET, lineage),
            motion_rows(clip, result, DATASET, lineage),
        ),
    )  # fmt: skip
    measured("commit", stages, lambda: commit_shard(store, rows))
    measured("report", stages, lambda: write_report(options.out, folder / "report.html"))
    motions = list_motions(open_store(options.out)).to_pylist()
    names = [row["motion_id"] for row in motions]
    measured("read back", stages, lambda: [get_motion(open_store(options.out), n) for n in names])
    return stages, result


def report(minutes: float, stages: list[Stage], result: ClipResult) -> None:
    """Print a length's figures."""
    frames = [len(motion.seen) for motion in result.motions]
    print(f"{minutes:g} min: {len(frames)} motions of {frames} frames, {result.reason or 'ok'}")
    for stage in stages:
        print(
            f"  {stage.name:<16} {stage.seconds:8.1f} s   peak {stage.peak_mib:7.0f} MiB"
            f"   decoder {stage.decoder_mib:5.0f} MiB"
        )
    sys.stdout.flush()


def main() -> None:
    """Measure each length in a fresh process."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("clip", type=Path)
    parser.add_argument("--minutes", type=float, nargs="+", default=[1.0, 10.0])
    parser.add_argument("--preset", choices=("paper", "wild"), default="paper")
    parser.add_argument("--alone", action="store_true", help="measure in this process")
    given = parser.parse_args()
    if not given.alone:
        for minutes in given.minutes:
            command = [sys.executable, __file__, str(given.clip), "--alone"]
            command += ["--minutes", str(minutes), "--preset", given.preset]
            subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
        return
    with tempfile.TemporaryDirectory() as folder:
        film = write_long(given.clip, given.minutes[0], Path(folder) / "v_Long_g01_c01.avi")
        label = preset_config(given.preset, {})
        report(given.minutes[0], *ingest_stages(film, label, Path(folder)))


if __name__ == "__main__":
    main()
