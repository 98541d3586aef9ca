"""Joint positions to rotations and back along the kinematic chains (HumanML3D's convention)."""

from itertools import pairwise

import numpy as np

from pipeline import quaternions as quat
from pipeline.arrays import Float64
from pipeline.skeletons import Skeleton

FACING_SMOOTHING_FRAMES = 20.0
"""Sigma of the Gaussian over time that keeps the facing direction from jittering."""
GAUSSIAN_TRUNCATE = 4.0
"""Sigmas after which the Gaussian is cut off."""


def gaussian_over_time(signal: Float64, sigma: float) -> Float64:
    """Smooth (T, D) along time, the nearest edge value standing in beyond the ends.

    Equal to `scipy.ndimage.gaussian_filter1d(signal, sigma, axis=0, mode="nearest")`, written out
    because training and lifting run on machines that have no scipy.
    """
    radius = int(GAUSSIAN_TRUNCATE * sigma + 0.5)
    weights = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    padded = np.pad(signal, ((radius, radius), (0, 0)), mode="edge")
    columns = [np.convolve(c, weights / weights.sum(), "valid") for c in padded.T]
    return np.stack(columns, axis=-1)


def facing_direction(joints: Float64, skeleton: Skeleton, *, smooth: bool = False) -> Float64:
    """Horizontal unit vector that the body faces.

    Args:
        joints: (T, J, 3), Y up.
        skeleton: Names the hips and shoulders.
        smooth: Smooth the direction in time as the published extraction does.

    Returns:
        (T, 3): up x (hips across + shoulders across), normalised.
    """
    r_hip, l_hip, r_shoulder, l_shoulder = skeleton.facing
    across = (joints[:, r_hip] - joints[:, l_hip]) + (joints[:, r_shoulder] - joints[:, l_shoulder])
    across = across / np.maximum(np.linalg.norm(across, axis=-1, keepdims=True), 1e-9)
    forward = np.cross(np.array([0.0, 1.0, 0.0]), across)
    if smooth:
        forward = gaussian_over_time(forward, FACING_SMOOTHING_FRAMES)
    norm = np.linalg.norm(forward, axis=-1, keepdims=True)
    # A body lying on its side has no horizontal facing: +Z stands in, as at the first frame.
    return np.where(norm > 1e-6, forward / np.maximum(norm, 1e-9), np.array([0.0, 0.0, 1.0]))


def inverse_kinematics(
    joints: Float64, skeleton: Skeleton, *, smooth_facing: bool = False
) -> Float64:
    """Local rotation of every joint relative to its parent, root first.

    Each bone's rotation is the shortest one from its rest direction, so twist about a bone is
    zero by convention. The root turns the facing direction to +Z and is identity at frame 0.

    Args:
        joints: (T, J, 3).
        skeleton: Chains and rest directions.
        smooth_facing: Passed to `facing_direction`.

    Returns:
        (T, J, 4) unit quaternions.
    """
    forward = facing_direction(joints, skeleton, smooth=smooth_facing)
    root = quat.between(forward, np.array([0.0, 0.0, 1.0]))
    root[0] = (1.0, 0.0, 0.0, 0.0)
    rest = skeleton.raw_offset_array
    out = np.zeros((*joints.shape[:-1], 4))
    out[:, 0] = root
    for chain in skeleton.chains:
        world = root
        for parent, joint in pairwise(chain):
            bone = joints[:, joint] - joints[:, parent]
            bone = bone / np.maximum(np.linalg.norm(bone, axis=-1, keepdims=True), 1e-9)
            local = quat.multiply(quat.inverse(world), quat.between(rest[joint], bone))
            out[:, joint] = local
            world = quat.multiply(world, local)
    return out


def forward_kinematics(
    rotations: Float64, root_positions: Float64, offsets: Float64, skeleton: Skeleton
) -> Float64:
    """Joint positions from local rotations.

    Args:
        rotations: (T, J, 4) from `inverse_kinematics`.
        root_positions: (T, 3).
        offsets: (J, 3) bone vectors in the rest pose (direction times length).
        skeleton: The chains.

    Returns:
        (T, J, 3).
    """
    joints = np.zeros((*rotations.shape[:-1], 3))
    joints[:, 0] = root_positions
    for chain in skeleton.chains:
        world = rotations[:, 0]
        for parent, joint in pairwise(chain):
            world = quat.multiply(world, rotations[:, joint])
            joints[:, joint] = joints[:, parent] + quat.rotate(world, offsets[joint])
    return joints


def bone_offsets(joints: Float64, skeleton: Skeleton) -> Float64:
    """(J, 3) rest offsets with the bone lengths of one frame (J, 3)."""
    offsets = skeleton.raw_offset_array
    for parent, joint in skeleton.bones:
        offsets[joint] *= np.linalg.norm(joints[joint] - joints[parent])
    return offsets


def canonical_offsets(skeleton: Skeleton) -> Float64:
    """(J, 3) rest offsets of the data set's target skeleton, in its length unit.

    Raises:
        ValueError: The skeleton has no known target lengths.
    """
    if skeleton.canonical_lengths is None:
        raise ValueError(f"skeleton {skeleton.name} has no canonical bone lengths")
    lengths = np.asarray(skeleton.canonical_lengths, dtype=np.float64)
    return np.asarray(skeleton.raw_offset_array * lengths[:, None])
