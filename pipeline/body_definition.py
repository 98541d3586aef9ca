"""A detector's joints brought to where the joints of a body are.

A pose estimator was taught by people who clicked on pictures: its hips lie low, its shoulders
high, its ankles above the ankle. Held against rendered bodies the
greater part of its error stays the same over a whole clip (67 of 77 mm). Each limb joint is
therefore made a weighted sum of a few neighbouring joints. The weights add up to 1 and are the same
left and right, so they hold wherever a person stands and however large they are, in the picture and
in the estimator's own 3D. They are no part of the published method.
"""

from collections.abc import Mapping
from dataclasses import replace
from functools import cache

import numpy as np

from pipeline.arrays import AnyFloat, Float64
from pipeline.pose.joint_sets import JOINT_SETS
from pipeline.pose.protocol import PersonTrack

OTHER_SIDE = "other "
"""Marks a joint of the other side in a rule."""
PartRule = Mapping[str, float]
"""Joint name without its side -> weight, for the joint of one side."""

MEDIAPIPE33: Mapping[str, PartRule] = {
    "hip": {"hip": 0.922, "other hip": 0.056, "shoulder": 0.074, "other shoulder": -0.052},
    "knee": {"knee": 1.011, "hip": -0.011},
    "ankle": {"ankle": 1.078, "knee": -0.078},
    "shoulder": {"shoulder": 0.923, "other shoulder": 0.014, "hip": 0.1, "other hip": -0.037},
    "elbow": {"elbow": 1.056, "shoulder": -0.056},
    "wrist": {"wrist": 0.982, "elbow": 0.018},
}
"""Fitted on 40 rendered clips of the training split (`tests/benchmarks/detector_joints.py`)."""
MEASURED: Mapping[str, Mapping[str, PartRule]] = {"mediapipe33": MEDIAPIPE33}
"""By joint set; others were not measured."""
FOLLOW_THE_ANKLE = ("heel", "foot_index")
"""What keeps its place beside the ankle."""
SIDES = ("left", "right")


def joint_of(part: str, side: str) -> str:
    """The joint that a rule's name means on one side."""
    if part.startswith(OTHER_SIDE):
        return f"{SIDES[1 - SIDES.index(side)]}_{part.removeprefix(OTHER_SIDE)}"
    return f"{side}_{part}"


def weights_of(rules: Mapping[str, PartRule], names: tuple[str, ...]) -> Float64:
    """(J, J) weights over all joints of a set; a joint without a rule stays where it is."""
    out = np.eye(len(names))
    for side in SIDES:
        for part, rule in rules.items():
            row = names.index(f"{side}_{part}")
            out[row] = 0.0
            for source, weight in rule.items():
                out[row, names.index(joint_of(source, side))] += weight
        for part in FOLLOW_THE_ANKLE:
            if f"{side}_{part}" in names and "ankle" in rules:
                ankle = names.index(f"{side}_ankle")
                out[names.index(f"{side}_{part}")] += out[ankle] - np.eye(len(names))[ankle]
    return out


@cache
def _measured_weights(joint_set: str) -> Float64:
    return weights_of(MEASURED[joint_set], JOINT_SETS[joint_set].joints)


def with_body_joints(track: PersonTrack) -> PersonTrack:
    """The person with joints where a body has them, in the picture and in the estimator's 3D.

    Confidences stay. A joint whose neighbours have no place stays where it is.

    Raises:
        ValueError: Nobody measured where this joint set's joints lie.
    """
    joint_set = track.pose.joint_set
    if joint_set not in MEASURED:
        raise ValueError(
            f"where the joints of {joint_set} lie in a body was not measured, only of "
            f"{', '.join(MEASURED)}: label it without body joints"
        )
    weights = _measured_weights(joint_set)
    joints = _moved(track.pose.joints, weights).astype(track.pose.joints.dtype)
    pose = replace(track.pose, joints=joints)
    if track.world is None:
        return replace(track, pose=pose)
    world = _moved(track.world, weights).astype(track.world.dtype)
    return replace(track, pose=pose, world=world)


def where_measured(track: PersonTrack) -> PersonTrack:
    """`with_body_joints` of a joint set that was measured; others stay: an ingest warns of it."""
    return with_body_joints(track) if track.pose.joint_set in MEASURED else track


def _moved(places: AnyFloat, weights: Float64) -> Float64:
    """(T, J, D) weighted sums; as they were where a source is unknown."""
    known = np.where(np.isfinite(places), places, 0.0).astype(np.float64)
    sums = np.einsum("jk,tkd->tjd", weights, known)
    missing = (~np.isfinite(places)).any(axis=-1).astype(np.float64)
    unsure = missing @ (weights != 0.0).T > 0
    return np.where(unsure[..., None], places, sums)
