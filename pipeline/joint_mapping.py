"""Detector joints to HumanML3D's 22: every rule written down, nothing invented.

A rule is a weighted sum of detector joints. Weighted sums survive projection, so the weights,
fitted on motion capture in 3D, hold in any view. A joint is known only where every joint of its
rule was detected; a joint without a rule is masked.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from pipeline.arrays import Bool, Float32, Float64
from pipeline.carriers import Pose2D
from pipeline.skeletons import HUMANML3D

Rule = Mapping[str, float]
"""Detector joint name -> weight; the weights add up to 1."""

CONFIDENCE_THRESHOLD = 0.3
"""Detector confidence from which a joint counts as seen."""

# How far each trunk joint lies on the line from the hips' middle (0) to the shoulders' middle (1),
# least squares over the canonical CMU and HDM05 training motions.
TRUNK_FRACTIONS = {"pelvis": 0.103, "spine1": 0.361, "spine2": 0.641, "spine3": 0.753}
COLLAR_NEAR, COLLAR_FAR = 0.694, 0.241
"""Weights of the near and the far shoulder for a collar joint; the rest is the hips' middle."""
NECK_TO_HEAD = 0.494
"""The neck's place on the line from the shoulders' middle to the head."""
NECK_FRACTION = 1.177
"""The neck on the hips-shoulders line, for when the head is not seen."""
ANKLE_TO_TOE = 0.8
"""The SMPL foot joint is the ball of the foot: its place on the line from ankle to big toe."""


def _trunk(fraction: float) -> Rule:
    hips, shoulders = (1.0 - fraction) / 2, fraction / 2
    return {
        "left_hip": hips,
        "right_hip": hips,
        "left_shoulder": shoulders,
        "right_shoulder": shoulders,
    }


def _collar(near: str, far: str) -> Rule:
    rest = (1.0 - COLLAR_NEAR - COLLAR_FAR) / 2
    return {f"{near}_shoulder": COLLAR_NEAR, f"{far}_shoulder": COLLAR_FAR,
            "left_hip": rest, "right_hip": rest}  # fmt: skip


def _body_rules() -> dict[str, tuple[Rule, ...]]:
    """Alternatives per joint in order of preference, for sets with ears, limbs and no neck."""
    limbs = ("hip", "knee", "ankle", "shoulder", "elbow", "wrist")
    rules: dict[str, tuple[Rule, ...]] = {
        f"{side}_{part}": ({f"{side}_{part}": 1.0},) for side in ("left", "right") for part in limbs
    }
    rules |= {name: (_trunk(fraction),) for name, fraction in TRUNK_FRACTIONS.items()}
    ears: Rule = {"left_ear": 0.5, "right_ear": 0.5}
    shoulder = (1.0 - NECK_TO_HEAD) / 2
    ear = NECK_TO_HEAD / 2
    rules["head"] = (ears,)
    rules["neck"] = (
        {"left_shoulder": shoulder, "right_shoulder": shoulder, "left_ear": ear, "right_ear": ear},
        _trunk(NECK_FRACTION),
    )
    rules["left_collar"] = (_collar("left", "right"),)
    rules["right_collar"] = (_collar("right", "left"),)
    return rules


def _foot(side: str, toe: str) -> tuple[Rule, ...]:
    return ({f"{side}_ankle": 1.0 - ANKLE_TO_TOE, f"{side}_{toe}": ANKLE_TO_TOE},)


COCO17_RULES = _body_rules()
"""COCO has no feet: both foot joints stay masked."""
MEDIAPIPE33_RULES = COCO17_RULES | {
    f"{side}_foot": _foot(side, "foot_index") for side in ("left", "right")
}
HALPE26_RULES = COCO17_RULES | {
    f"{side}_foot": _foot(side, "big_toe") for side in ("left", "right")
}
RULES: Mapping[str, Mapping[str, tuple[Rule, ...]]] = {
    "coco17": COCO17_RULES,
    "mediapipe33": MEDIAPIPE33_RULES,
    "halpe26": HALPE26_RULES,
}


@dataclass(frozen=True)
class MappedPose:
    """The 22 joints at the detector's own frame times."""

    joints: Float64
    """(T, 22, 2) pixels, square ones; NaN where unknown."""
    seen: Bool
    """(T, 22) every joint of the rule was detected with enough confidence."""
    confidence: Float32
    """(T, 22) lowest confidence among the rule's joints; 0 where unknown."""
    times: Float64
    """(T,) seconds."""


def map_joints(
    pose: Pose2D,
    names: tuple[str, ...],
    *,
    threshold: float = CONFIDENCE_THRESHOLD,
    pixel_aspect: float = 1.0,
) -> MappedPose:
    """Apply the rules of the pose's joint set.

    Args:
        pose: One tracked person.
        names: The joint set's joint names, in the order of `pose.joints`.
        threshold: Confidence from which a detector joint counts as seen.
        pixel_aspect: Width of a pixel over its height; x is multiplied by it.

    Raises:
        ValueError: No rules are known for the joint set.
    """
    if pose.joint_set not in RULES:
        known = ", ".join(sorted(RULES))
        raise ValueError(f"no rules map joint set {pose.joint_set} to 22 joints; known: {known}")
    rules = RULES[pose.joint_set]
    frames, joints = len(pose.times), HUMANML3D.n_joints
    out = np.full((frames, joints, 2), np.nan)
    confidence = np.zeros((frames, joints), np.float32)
    source = pose.joints.astype(np.float64) * np.array([pixel_aspect, 1.0])
    for joint, name in enumerate(HUMANML3D.joint_names):
        for rule in rules.get(name, ()):
            index = [names.index(n) for n in rule]
            lowest = pose.confidence[:, index].min(axis=1)
            usable = (lowest >= threshold) & (confidence[:, joint] == 0)
            place = np.einsum("k,tkd->td", np.array(list(rule.values())), source[:, index])
            usable &= np.isfinite(place).all(axis=-1)
            out[usable, joint] = place[usable]
            confidence[usable, joint] = lowest[usable]
    return MappedPose(out, confidence > 0, confidence, pose.times)
