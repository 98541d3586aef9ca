"""Fit, or judge, what a label's score is made with: `label_score.json` beside the weights.

    OMP_NUM_THREADS=1 python -m tests.benchmarks.label_calibration --data STORE --work DIR \
        --fit-clips DIR --test-clips DIR --out models/weights/crossdiff-base/label_score.json

Labels with truth are made of motion capture (filmed and detected badly, see
`models.label_calibration.rough_video`) and of rendered clips (through the real 2D estimator, cut
into windows of 2 s). Fitted is on the training split and `--fit-clips` alone; the reliability is
told on the test split and `--test-clips`. What was made lies in `--work`: a rerun goes on there.
The weights of the figures come from both sources alike, the curve to metres from rendered clips
where there are 30 or more: labels of videos rest on the same detector.
"""

import argparse
import random
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from flows.progress import progress
from flows.training_sets import open_training_set
from models.checkpoint import SHIPPED, Checkpoint, load_checkpoint
from models.data.motion import Motion
from models.label_calibration.clip_views import SYNTHETIC, clip_views
from models.label_calibration.fitting import fit_calibration
from models.label_calibration.known_labels import KnownLabel, append_labels, read_labels
from models.label_calibration.known_views import KnownView, label_known_view
from models.label_calibration.mocap_views import MOCAP, mocap_views
from models.label_calibration.reliability import reliability, reliability_lines
from models.lifting.calibration_file import CALIBRATION_FILE, read_calibrations, write_calibrations
from models.lifting.label_config import LabelConfig
from models.lifting.label_score import FIGURES, JOINT_FIGURES
from pipeline.pose import make_estimator
from storage.lineage import code_commit, code_version

TRAIN, TEST = "train", "test"
FRONT = LabelConfig(camera=True, guesses=True)
"""How the 2D of clips is made: one person, the camera's motion taken out; guesses beside what was
seen, for the ways that use them."""
WAYS = ("plain", "flip", "many", "many+refine", "many+refine+second-opinion",
        "many+refine+guesses", "many+refine+guesses+second-opinion")  # fmt: skip


def main() -> None:
    """Make labels, fit where `--fit` is given, judge."""
    asked = _arguments()
    torch.set_num_threads(1)
    checkpoint = load_checkpoint(asked.checkpoint)
    fitted_on = _labels(asked, checkpoint, TRAIN, asked.motions, asked.fit_clips)
    judged_on = _labels(asked, checkpoint, TEST, asked.test_motions, asked.test_clips)
    if asked.fit:
        _fit(asked, checkpoint, fitted_on)
    for way, calibration in read_calibrations(asked.out).by_way.items():
        for source in (MOCAP, SYNTHETIC):
            own = [label for label in judged_on if (label.source, label.way) == (source, way)]
            if len(own) >= asked.fewest:
                lines = reliability_lines(reliability(own, calibration))
                print("\n".join(["", f"{source}, {TEST} split", *lines]))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", required=True, help="store of motion capture")
    parser.add_argument("--datasets", nargs="*", default=["cmu", "hdm05"])
    parser.add_argument("--work", type=Path, required=True, help="folder of what was made")
    parser.add_argument("--ways", nargs="*", default=list(WAYS))
    parser.add_argument("--body-joints", action="store_true", help="of clips, for ways named so")
    parser.add_argument("--fit-clips", type=Path, help="rendered clips of the training split")
    parser.add_argument("--test-clips", type=Path, help="rendered clips of the test split")
    parser.add_argument("--checkpoint", type=Path, default=SHIPPED)
    parser.add_argument("--motions", type=int, default=400)
    parser.add_argument("--test-motions", type=int, default=150)
    parser.add_argument("--draws", type=int, default=1, help="views a motion to fit on")
    parser.add_argument("--test-draws", type=int, default=3, help="views a motion to judge by")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--fewest", type=int, default=20, help="labels worth judging by")
    parser.add_argument("--fit", action="store_true", help="write --out anew")
    parser.add_argument("--out", type=Path, default=SHIPPED / CALIBRATION_FILE)
    return parser.parse_args()


def _labels(
    asked: argparse.Namespace, checkpoint: Checkpoint, split: str, motions: int, clips: Path | None
) -> list[KnownLabel]:
    """What lies in the work folder, and what was missing of it."""
    draws = asked.draws if split == TRAIN else asked.test_draws
    shown = progress(_motions(asked, split, motions), f"{split}, motion capture", "motion")
    views = mocap_views(shown, checkpoint.skeleton, seed=asked.seed, draws=draws)
    found = _labelled(asked, checkpoint, views, asked.work / f"mocap_{split}.jsonl")
    if clips is None:
        return found
    videos = progress(sorted(clips.glob("*/*.avi")), f"{split}, clips", "clip")
    front = replace(FRONT, body_joints=asked.body_joints)
    seen = clip_views(videos, make_estimator("packaged"), front, asked.work / "seen" / split)
    return [*found, *_labelled(asked, checkpoint, seen, asked.work / f"clips_{split}.jsonl")]


def _labelled(
    asked: argparse.Namespace, checkpoint: Checkpoint, views: Iterable[KnownView], file: Path
) -> list[KnownLabel]:
    done = {label.key for label in read_labels(file)} if file.is_file() else set()
    new = (
        label
        for view in views
        for label in label_known_view(
            view, [way for way in asked.ways if (view.name, way) not in done], checkpoint
        )
    )
    for _ in append_labels(file, new):
        pass
    return list(read_labels(file))


def _motions(asked: argparse.Namespace, split: str, count: int) -> list[Motion]:
    opened = open_training_set(asked.data, (split,), tuple(asked.datasets))
    whole = [m for m in opened.motions[split] if not m.mirrored and m.has_3d and m.view is None]
    whole.sort(key=lambda motion: motion.motion_id)
    random.Random(asked.seed).shuffle(whole)
    return whole[:count]


def _fit(asked: argparse.Namespace, checkpoint: Checkpoint, labels: Sequence[KnownLabel]) -> None:
    calibrations = []
    for way in asked.ways:
        own = [label for label in labels if label.way == way]
        figures, joints = _known(own, FIGURES), _known(own, JOINT_FIGURES)
        calibrations.append(
            fit_calibration(own, checkpoint.checkpoint_id, figures, joints, SYNTHETIC)
        )
        for term in (*calibrations[-1].terms, *calibrations[-1].joint_terms):
            print(f"{way}: {term.figure} {term.weight:.3f}")
    write_calibrations(asked.out, calibrations, _lineage(asked, labels))


def _known(labels: Sequence[KnownLabel], figures: Iterable[str]) -> list[str]:
    """Figures that every label has."""
    return [
        name
        for name in figures
        if all(getattr(label.evidence, name) is not None for label in labels)
    ]


def _lineage(asked: argparse.Namespace, labels: Sequence[KnownLabel]) -> dict[str, Any]:
    counted = {
        source: {
            "views": len({label.name for label in labels if label.source == source}),
            "motions": len({label.group for label in labels if label.source == source}),
        }
        for source in sorted({label.source for label in labels})
    }
    return {
        "fitted_on": counted,
        "split": TRAIN,
        "datasets": list(asked.datasets),
        "seed": asked.seed,
        "draws": asked.draws,
        "code_version": code_version(),
        "code_commit": code_commit(),
        "fitted_at": datetime.now(UTC).isoformat(timespec="seconds"),
    }


if __name__ == "__main__":
    main()
