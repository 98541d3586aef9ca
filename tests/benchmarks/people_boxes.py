"""Who is found: recall and identity switches against boxes that humans drew, cuts respected or not.

    OMP_NUM_THREADS=1 python tests/benchmarks/people_boxes.py --shared ../shared

The boxes are UCF24's (the person or people who perform, not bystanders: what is found beside them
counts as nothing). A person's box is made out of joints by `pipeline.person_outline`, whose rule
comes from body proportions and saw none of these clips. The drawn boxes are looser than bodies: the
columns `loose` grow each box by one margin more, the best of a few over all clips (`all`), or over
the other clips (`others`: no clip is judged by a margin that it helped to choose).
"""

import argparse
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from pipeline.carriers import FrameBatch
from pipeline.person_outline import outline_boxes
from pipeline.pose import PeopleSettings, PersonTrack, PoseEstimator, make_estimator
from pipeline.shots import ShotSettings, split_shots
from pipeline.tracking import box_iou
from pipeline.video import read_frames

LEAST_IOU = 0.5
MARGINS = (0.0, 0.05, 0.1, 0.15, 0.2, 0.25)
"""By how much a body's outline may grow on each side, shares of its longer side."""
NEAR_IOU = 0.3
DRAWN_AT = (320, 240)
"""The picture size that the boxes were drawn in; boxes are scaled to the file's own size."""


@dataclass(frozen=True)
class Found:
    """All that one clip gave."""

    size: tuple[int, int]
    frames: int
    tracks: list[PersonTrack]
    starts: list[int]
    """Index, in the clip's frames, of each track's shot's first frame."""
    cpu_s: float

    @property
    def person_frames(self) -> int:
        """Persons seen, summed over frames."""
        return sum(int(track.seen.sum()) for track in self.tracks)


@dataclass
class Tally:
    """Of one or several annotated persons."""

    wanted: int = 0
    hit: int = 0
    near: int = 0
    """Boxes with somebody at IoU 0.3: the drawn ones are loose, some twice the body's area."""
    switches: int = 0
    ids: set[int] = field(default_factory=set)


def find(path: Path, estimator: PoseEstimator, *, shots: bool) -> Found:
    """Run an estimator over every frame of a file."""
    counted: list[int] = []
    with read_frames(path, None) as stream:
        batches = _counted(stream, counted)
        first = next(batches)
        size = (first.frames.shape[2], first.frames.shape[1])
        begun = time.process_time()
        tracks, starts = _tracks(_with(first, batches), estimator, size, shots=shots)
        cpu_s = time.process_time() - begun
    return Found(size, sum(counted), tracks, starts, cpu_s)


def _tracks(
    batches: Iterator[FrameBatch], estimator: PoseEstimator, size: tuple[int, int], *, shots: bool
) -> tuple[list[PersonTrack], list[int]]:
    if not shots:
        tracks = estimator.estimate(batches, size)
        return tracks, [0] * len(tracks)
    everyone: list[PersonTrack] = []
    starts: list[int] = []
    for shot in split_shots(batches, ShotSettings()):
        tracks = estimator.estimate(shot.batches, size)
        everyone += tracks
        starts += [shot.first_frame] * len(tracks)
    return everyone, starts


def _with(first: FrameBatch, rest: Iterator[FrameBatch]) -> Iterator[FrameBatch]:
    yield first
    yield from rest


def _counted(stream: Iterator[FrameBatch], counted: list[int]) -> Iterator[FrameBatch]:
    for batch in stream:
        counted.append(len(batch.times))
        yield batch


def judge(found: Found, tubes: list[dict], margin: float = 0.0) -> Tally:
    """Match found people to drawn boxes, frame by frame (a found person counts for one box).

    A switch is a frame whose matched track differs from the one matched last.
    """
    tally, last = Tally(), {}
    for frame in range(found.frames):
        drawn = [(i, _drawn(tube, frame, found.size)) for i, tube in enumerate(tubes)]
        drawn = [(i, box) for i, box in drawn if box is not None]
        if not drawn:
            continue
        tally.wanted += len(drawn)
        who, boxes = _people(found, frame, margin)
        if not who:
            continue
        overlap = box_iou(np.stack([box for _, box in drawn]), boxes)
        tally.near += int((overlap.max(axis=1) >= NEAR_IOU).sum())
        while overlap.size and overlap.max() >= LEAST_IOU:
            i, j = np.unravel_index(int(overlap.argmax()), overlap.shape)
            tube = drawn[int(i)][0]
            tally.hit += 1
            tally.switches += tube in last and last[tube] != who[int(j)]
            last[tube] = who[int(j)]
            tally.ids.add(who[int(j)])
            overlap[i], overlap[:, j] = 0, 0
    return tally


def _drawn(tube: dict, frame: int, size: tuple[int, int]) -> np.ndarray | None:
    if not tube["start"] <= frame < tube["start"] + len(tube["boxes"]):
        return None
    x, y, w, h = tube["boxes"][frame - tube["start"]]
    return np.float32([x, y, x + w, y + h]) * np.tile(np.divide(size, DRAWN_AT), 2)


def _people(found: Found, frame: int, margin: float) -> tuple[list[int], np.ndarray]:
    """Numbers and outline boxes (clipped to the picture) of the people seen in a frame."""
    who, boxes = [], []
    for number, (track, start) in enumerate(zip(found.tracks, found.starts, strict=True)):
        row = frame - start - track.first_frame
        if 0 <= row < len(track.seen) and track.seen[row]:
            pose = track.pose
            box = outline_boxes(pose.joints[row], pose.confidence[row], pose.joint_set)
            grow = margin * (box[2:] - box[:2]).max()
            box = np.concatenate([box[:2] - grow, box[2:] + grow])
            boxes.append(np.clip(box, 0, np.tile(found.size, 2)))
            who.append(number)
    return who, np.array(boxes, np.float32).reshape(-1, 4)


def boxes_table(shared: Path, estimators: dict[str, PoseEstimator], cuts: list[bool]) -> None:
    """Print one line a clip and estimator, and the sum."""
    annotated = json.loads((shared / "pose_gt/ucf24_boxes.json").read_text())
    print(HEADER)
    for name, estimator in estimators.items():
        for shots in cuts:
            whole, clips, looser = Tally(), [], []
            for clip, truth in annotated.items():
                path = next((shared / "videos/ucf101").glob(f"*/{clip}.*"))
                found = find(path, estimator, shots=shots)
                tally = judge(found, truth["tubes"])
                looser.append([judge(found, truth["tubes"], m).hit for m in MARGINS])
                whole.wanted, whole.hit = whole.wanted + tally.wanted, whole.hit + tally.hit
                whole.near, whole.switches = (
                    whole.near + tally.near,
                    whole.switches + tally.switches,
                )
                clips.append(tally.hit / tally.wanted)
                cost = f"{len(found.tracks):6d} {1e3 * found.cpu_s / found.frames:8.1f}"
                print(_line(clip, name, tally, shots=shots) + cost, flush=True)
            mean = f" mean over clips {np.mean(clips):.2f}"
            print(_line("all boxes", name, whole, shots=shots) + mean, flush=True)
            print(_loose(np.array(looser), whole.wanted), flush=True)


def _loose(hits: np.ndarray, wanted: int) -> str:
    """What boxes as loose as the drawn ones would hit; hits is (clips, margins)."""
    best = int(hits.sum(axis=0).argmax())
    others = (hits.sum(axis=0)[None] - hits).argmax(axis=1)
    apart = hits[np.arange(len(hits)), others].sum()
    by_clip = " ".join(str(hit) for hit in hits[:, best])
    return (
        f"  loose: margin {MARGINS[best]:.2f} fitted on all {hits[:, best].sum() / wanted:.3f}, "
        f"on the others {apart / wanted:.3f}; hits by clip {by_clip}"
    )


HEADER = (
    f"{'clip':28} {'people':>6} {'shots':>5} {'boxes':>5} {'recall':>6} {'at 0.3':>6} "
    f"{'switches':>8} {'tracks':>6} {'ms/frame':>8}"
)


def _line(clip: str, name: str, tally: Tally, *, shots: bool) -> str:
    return (
        f"{clip:28} {name:>6} {shots!s:>5} {tally.wanted:5d} {tally.hit / tally.wanted:6.2f} "
        f"{tally.near / tally.wanted:6.2f} {tally.switches:8d} "
    )


def coverage_table(shared: Path, estimators: dict[str, PoseEstimator]) -> None:
    """Print how many persons each estimator sees in every clip that decodes."""
    for path in sorted((shared / "videos").rglob("*.*")):
        if path.suffix not in {".avi", ".mp4", ".mov"}:
            continue
        try:
            got = {name: find(path, e, shots=True) for name, e in estimators.items()}
        except Exception as error:  # noqa: BLE001 - broken files are part of the folder
            print(f"{path.name}: {str(error).splitlines()[0]}")
            continue
        told = "  ".join(
            f"{name}: {f.person_frames} person-frames, {len(f.tracks)} tracks, "
            f"{1e3 * f.cpu_s / f.frames:.0f} ms/frame"
            for name, f in got.items()
        )
        print(
            f"{path.name[:44]:44} {next(iter(got.values())).frames:4d} frames  {told}", flush=True
        )


WAYS: dict[str, Callable[[], PoseEstimator]] = {
    "one": lambda: make_estimator("packaged"),
    "blaze": lambda: make_estimator(
        "packaged", people="all", everybody=PeopleSettings(detector="blazepose")
    ),
    "all": lambda: make_estimator("packaged", people="all"),
}
"""`all` looks for people with MoveNet, `blaze` with BlazePose's own detector."""


def main() -> None:
    """Print the tables asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shared", type=Path, required=True, help="folder with videos, pose_gt")
    parser.add_argument("--people", nargs="+", default=list(WAYS), choices=list(WAYS))
    parser.add_argument("--cuts", nargs="+", default=["without", "with"])
    parser.add_argument("--coverage", action="store_true", help="all videos, without boxes")
    given = parser.parse_args()
    estimators = {way: WAYS[way]() for way in given.people}
    if given.coverage:
        coverage_table(given.shared, estimators)
    else:
        boxes_table(given.shared, estimators, [word == "with" for word in given.cuts])


if __name__ == "__main__":
    main()
