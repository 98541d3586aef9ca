"""Two-bone inverse kinematics: bring an ankle to a place, hip fixed, bones and bend kept."""

import numpy as np

from pipeline.arrays import Float64
from pipeline.skeletons import Skeleton

FULL_REACH = 0.9995
"""A leg is never stretched further than this share of its bones: straight knees jump."""


def leg_of(ankle: int, skeleton: Skeleton) -> tuple[int, int]:
    """Hip and knee over an ankle."""
    knee = skeleton.parents[ankle]
    return skeleton.parents[knee], knee


def move_foot(joints: Float64, ankle: int, toe: int, shift: Float64, skeleton: Skeleton) -> Float64:
    """The motion with one foot shifted as far as its leg reaches; the foot keeps its direction.

    Args:
        joints: (T, J, 3).
        ankle: Ankle joint.
        toe: Foot joint, moved with the ankle.
        shift: (T, 3) wanted.
        skeleton: Names hip and knee.
    """
    hip, knee = leg_of(ankle, skeleton)
    start, bend, end = joints[:, hip], joints[:, knee], joints[:, ankle]
    thigh = np.linalg.norm(bend - start, axis=-1)
    shin = np.linalg.norm(end - bend, axis=-1)
    target = _within_reach(start, end, end + shift, thigh, shin)
    out = joints.copy()
    out[:, ankle] = target
    out[:, toe] = joints[:, toe] + (target - end)
    out[:, knee] = _knee(start, bend, end, target, thigh, shin)
    return out


def _within_reach(
    hip: Float64, before: Float64, target: Float64, thigh: Float64, shin: Float64
) -> Float64:
    """(T, 3) the target, drawn to the hip where the leg is too short for it, or pushed off."""
    line = target - hip
    length = np.maximum(np.linalg.norm(line, axis=-1), 1e-9)
    # Who stands with a straight leg may go on doing so.
    longest = np.maximum(FULL_REACH * (thigh + shin), np.linalg.norm(before - hip, axis=-1))
    shortest = np.abs(thigh - shin) + (1.0 - FULL_REACH) * (thigh + shin)
    allowed = np.clip(length, np.minimum(shortest, longest), longest)
    return np.asarray(hip + line * (allowed / length)[:, None])


def _knee(
    hip: Float64, knee: Float64, ankle: Float64, target: Float64, thigh: Float64, shin: Float64
) -> Float64:
    """(T, 3) the knee on the circle that both bones allow, bent to the side to which it was."""
    line = target - hip
    length = np.maximum(np.linalg.norm(line, axis=-1, keepdims=True), 1e-9)
    axis = line / length
    along = (length[:, 0] ** 2 + thigh**2 - shin**2) / (2.0 * length[:, 0])
    aside = np.sqrt(np.maximum(thigh**2 - along**2, 0.0))
    side = _turned(knee - hip, ankle - hip, axis)
    return np.asarray(hip + along[:, None] * axis + aside[:, None] * side)


def _turned(knee: Float64, old: Float64, axis: Float64) -> Float64:
    """(T, 3) unit vectors across `axis` in the leg's plane, the leg swung with its old line.

    Args:
        knee: (T, 3) from the hip.
        old: (T, 3) ankle from the hip, before.
        axis: (T, 3) unit direction of the ankle from the hip, after.
    """
    before = old / np.maximum(np.linalg.norm(old, axis=-1, keepdims=True), 1e-9)
    side = knee - (knee * before).sum(-1, keepdims=True) * before
    # The smallest turn that takes the old line to the new one (Rodrigues), applied to the side.
    cross = np.cross(before, axis)
    cosine = (before * axis).sum(-1, keepdims=True)
    turned = side * cosine + np.cross(cross, side)
    turned += cross * (cross * side).sum(-1, keepdims=True) / np.maximum(1.0 + cosine, 1e-6)
    turned -= (turned * axis).sum(-1, keepdims=True) * axis
    return np.asarray(turned / np.maximum(np.linalg.norm(turned, axis=-1, keepdims=True), 1e-12))
