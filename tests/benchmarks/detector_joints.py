"""Fit the weights of `pipeline.body_definition` on rendered clips of the TRAINING split.

    OMP_NUM_THREADS=1 python -m tests.benchmarks.detector_joints --clips TRAIN_CLIPS --seen FOLDER

Prints the rules as they stand in the code, and what they do to 2D they were not fitted on: clips
are left out in four turns. `--labels` also labels these clips with and without the rules.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from models.checkpoint import SHIPPED, load_checkpoint
from models.evaluation.synthetic import SyntheticPlan, look
from models.evaluation.synthetic_measures import measure_labels
from models.evaluation.synthetic_truth import TruthClip, find_truth_clips
from models.evaluation.synthetic_variants import variants_of
from models.lifting.labelling import label_people
from models.lifting.observing import ObservedClip
from pipeline.arrays import Float64
from pipeline.body_definition import MEDIAPIPE33, PartRule, joint_of, weights_of, with_body_joints
from pipeline.pose import make_estimator
from pipeline.pose.joint_sets import JOINT_SETS
from pipeline.skeletons import HUMANML3D

NAMES = JOINT_SETS["mediapipe33"].joints
LIMBS = [f"{side}_{part}" for part in MEDIAPIPE33 for side in ("left", "right")]
IN_DETECTOR = [NAMES.index(name) for name in LIMBS]
IN_TRUTH = [HUMANML3D.joint_names.index(name) for name in LIMBS]
LEAST_SURE = 0.3
MISTAKEN = 0.5
"""Frames with a larger mean error, in body sizes, show somebody else or nobody."""
OUTLIER = 0.08
"""Body sizes from which on a joint pulls with constant force."""
ROUNDS, RIDGE, TURNS, DIGITS = 5, 1e-4, 4, 3
VARIANTS = ("wild", "wild-without-second-opinion")


@dataclass(frozen=True)
class Pairs:
    """One clip's frames in which all limbs are seen; both in body sizes, about one middle."""

    told: Float64
    """(T, 33, 2) by the detector."""
    true: Float64
    """(T, 12, 2)"""

    @property
    def error(self) -> Float64:
        """(T, 12)"""
        return np.asarray(np.linalg.norm(self.told[:, IN_DETECTOR] - self.true, axis=-1))


def pairs_of(clip: TruthClip, seen: ObservedClip) -> Pairs:
    """A clip's frames and their mirror images, so that left and right are treated alike."""
    pose = next(person for person in seen.people if person.wanted).track.pose
    told, true = pose.joints.astype(np.float64), clip.pixels_at(pose.times)[:, IN_TRUTH]
    sure = pose.confidence[:, IN_DETECTOR].min(axis=1) > LEAST_SURE
    told, true = told[sure], true[sure]
    middle = told[:, IN_DETECTOR].mean(axis=1, keepdims=True)
    about = true - true.mean(axis=1, keepdims=True)
    size = np.linalg.norm(about, axis=-1).mean(axis=1)[:, None, None]
    found = Pairs((told - middle) / size, (true - middle) / size)
    right = found.error.mean(axis=1) < MISTAKEN
    told, true = found.told[right], found.true[right]
    flip = np.array([-1.0, 1.0])
    return Pairs(
        np.concatenate([told, (told * flip)[:, _mirrored(NAMES)]]),
        np.concatenate([true, (true * flip)[:, _mirrored(LIMBS)]]),
    )


def _mirrored(names: Sequence[str]) -> list[int]:
    other = {"left": "right", "right": "left"}
    turned = [
        n.replace(n.split("_")[0], other.get(n.split("_")[0], n.split("_")[0])) for n in names
    ]
    # MediaPipe names mouth_left, not left_mouth: such joints are in no rule.
    return [list(names).index(n) if n in names else i for i, n in enumerate(turned)]


def fitted(pairs: Sequence[Pairs]) -> dict[str, PartRule]:
    """Rules over the joints of `MEDIAPIPE33`; every clip counts alike."""
    return {part: _rule(part, list(rule), pairs) for part, rule in MEDIAPIPE33.items()}


def _rule(part: str, sources: list[str], pairs: Sequence[Pairs]) -> PartRule:
    own = NAMES.index(f"left_{part}")
    others = [source for source in sources if source != part]
    index = [NAMES.index(joint_of(source, "left")) for source in others]
    limb = LIMBS.index(f"left_{part}")
    rows, wanted, share = [], [], []
    for each in (p for p in pairs if len(p.told)):
        rows.append(
            (each.told[:, index] - each.told[:, [own]]).swapaxes(1, 2).reshape(-1, len(index))
        )
        wanted.append((each.true[:, limb] - each.told[:, own]).ravel())
        share.append(np.full(len(wanted[-1]), 1.0 / len(each.told)))
    x, y, weight = np.concatenate(rows), np.concatenate(wanted), np.concatenate(share)
    pull = np.ones_like(y)
    for _ in range(ROUNDS):
        square = (x * (weight * pull)[:, None]).T @ x
        held = RIDGE * np.trace(square) / len(square) * np.eye(len(square))
        found = np.linalg.solve(square + held, (x * (weight * pull)[:, None]).T @ y)
        pull = 1.0 / np.maximum(1.0, np.abs(y - x @ found) / OUTLIER)
    rounded = dict(zip(others, np.round(found, DIGITS).tolist(), strict=True))
    return {part: round(1.0 - sum(rounded.values()), DIGITS), **rounded}


def left_out(pairs: Sequence[Pairs]) -> tuple[float, float]:
    """Mean 2D error in body sizes, before and after, of clips that were not fitted on."""
    before, after = [], []
    for turn in range(TURNS):
        rules = fitted([p for i, p in enumerate(pairs) if i % TURNS != turn])
        for each in (p for p in pairs[turn::TURNS] if len(p.told)):
            before.append(float(each.error.mean()))
            moved = np.einsum("jk,tkd->tjd", weights_of(rules, NAMES), each.told)
            after.append(float(Pairs(moved, each.true).error.mean()))
    return float(np.mean(before)), float(np.mean(after))


def labels(clips: Sequence[TruthClip], seen: Sequence[ObservedClip]) -> Mapping[str, float]:
    """Mean PA-MPJPE of the limbs with the rules of the code and without, mm."""
    checkpoint, out = load_checkpoint(SHIPPED), {}
    for name, config in variants_of(VARIANTS).items():
        for how, shown in (("plain", seen), ("body joints", [_with_body(s) for s in seen])):
            found = [
                measure_labels(clip, label_people(each, checkpoint, config), each).figures
                for clip, each in zip(clips, shown, strict=True)
            ]
            out[f"{name}, {how}"] = float(np.mean([f["pa_12"] for f in found if f]))
    return out


def _with_body(seen: ObservedClip) -> ObservedClip:
    people = [replace(person, track=with_body_joints(person.track)) for person in seen.people]
    return replace(seen, people=people)


def main() -> None:
    """Print the rules and what they do."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=Path, required=True)
    parser.add_argument("--seen", type=Path, required=True, help="folder for the 2D, reused")
    parser.add_argument("--labels", action="store_true")
    asked = parser.parse_args()
    asked.seen.mkdir(parents=True, exist_ok=True)
    clips = find_truth_clips(asked.clips)
    plan = SyntheticPlan(("packaged",), variants_of(["wild"]), asked.seen)
    estimator = make_estimator("packaged")
    seen = [look(clip, estimator, plan, ["wild"]) for clip in clips]
    pairs = [pairs_of(clip, each) for clip, each in zip(clips, seen, strict=True)]
    print(json.dumps(fitted(pairs), indent=1))
    before, after = left_out(pairs)
    print(f"2D error of {len(pairs)} clips, left out in turn: {before:.4f}, {after:.4f} body sizes")
    if asked.labels:
        for name, error in labels(clips, seen).items():
            print(f"{name}: {error:.2f} mm")


if __name__ == "__main__":
    main()
