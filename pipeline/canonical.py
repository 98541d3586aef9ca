"""Bring raw joint positions to the data set's common ground: skeleton, floor, origin, facing."""

import numpy as np

from pipeline import quaternions as quat
from pipeline.arrays import Float64
from pipeline.kinematics import (
    bone_offsets,
    facing_direction,
    forward_kinematics,
    inverse_kinematics,
)
from pipeline.skeletons import Skeleton


def retarget(
    joints: Float64,
    target_offsets: Float64,
    skeleton: Skeleton,
    *,
    root_scale: float | None = None,
) -> Float64:
    """Give a motion the target's bone lengths; the leg-length ratio scales the root path.

    Args:
        joints: (T, J, 3) source positions.
        target_offsets: (J, 3) bone vectors of the target in its rest pose.
        skeleton: Shared topology.
        root_scale: Scales the root path instead of the ratio: 1 for a body of the target's size.
    """
    ratio = root_scale
    if ratio is None:
        source = bone_offsets(joints[0], skeleton)
        legs = list(skeleton.leg_bones)
        ratio = np.abs(target_offsets[legs]).max(-1).sum() / np.abs(source[legs]).max(-1).sum()
    rotations = inverse_kinematics(joints, skeleton)
    return forward_kinematics(rotations, joints[:, 0] * ratio, target_offsets, skeleton)


def place_on_floor(joints: Float64) -> Float64:
    """Shift so that the lowest joint of the whole clip touches y = 0."""
    return np.asarray(joints - np.array([0.0, joints[..., 1].min(), 0.0]))


def face_forward(joints: Float64, skeleton: Skeleton) -> Float64:
    """Move the first root to xz = 0 and turn the first frame to face +Z."""
    moved = joints - joints[0, 0] * np.array([1.0, 0.0, 1.0])
    forward = facing_direction(moved[:1], skeleton)
    return quat.rotate(quat.between(forward, np.array([0.0, 0.0, 1.0])), moved)


def canonicalise(
    joints: Float64, skeleton: Skeleton, target_offsets: Float64 | None = None
) -> Float64:
    """The whole chain: retarget (when a target is given), floor, origin, facing.

    Args:
        joints: (T, J, 3) raw positions, Y up.
        skeleton: Topology and conventions.
        target_offsets: (J, 3), or None to keep the source's own bones.

    Raises:
        ValueError: Fewer than two frames, or values that are not finite.
    """
    if joints.ndim != 3 or joints.shape[1:] != (skeleton.n_joints, 3):
        raise ValueError(f"joints must be (T, {skeleton.n_joints}, 3), got {joints.shape}")
    if len(joints) < 2 or not np.isfinite(joints).all():
        raise ValueError("a motion needs at least two frames of finite positions")
    joints = np.asarray(joints, dtype=np.float64)
    if target_offsets is not None:
        joints = retarget(joints, target_offsets, skeleton)
    return face_forward(place_on_floor(joints), skeleton)


def mirror(joints: Float64, skeleton: Skeleton) -> Float64:
    """The same motion in a mirror: x negated, left and right joints swapped."""
    return np.asarray(joints[:, list(skeleton.mirror_order)] * np.array([-1.0, 1.0, 1.0]))
