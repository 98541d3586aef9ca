"""Bones of constant length, directions kept."""

from itertools import pairwise

import numpy as np

from pipeline.arrays import Float64
from pipeline.skeletons import Skeleton

ROUNDS = 5
"""More change a lift by under a millimetre."""
SHORTEST = 1e-6
"""Under this a bone has no direction."""


def bone_lengths(joints: Float64, skeleton: Skeleton) -> Float64:
    """(J,) median length over time of the bone to each joint's parent; 0 for the root.

    Args:
        joints: (T, J, 3), any unit.
        skeleton: Names the bones.
    """
    out = np.zeros(skeleton.n_joints)
    for parent, joint in skeleton.bones:
        bone = joints[:, joint] - joints[:, parent]
        out[joint] = np.median(np.linalg.norm(bone, axis=-1))
    return out


def canonical_lengths(skeleton: Skeleton) -> Float64:
    """(J,) metres of the data set's own skeleton.

    Raises:
        ValueError: The skeleton has no known lengths.
    """
    if skeleton.canonical_lengths is None:
        raise ValueError(
            f"skeleton {skeleton.name} has no canonical bone lengths: take each clip's median"
        )
    return np.asarray(skeleton.canonical_lengths, np.float64) * skeleton.metres_per_unit


def with_lengths(joints: Float64, lengths: Float64, skeleton: Skeleton) -> Float64:
    """The motion with bones of given lengths, every joint near its own place.

    Both ends of a bone share what it lacks, round after round (position-based dynamics, Mueller et
    al. 2007); a last walk from the root makes the lengths exact. That walk alone would hand the
    trunk's errors down to hands and feet.

    Args:
        joints: (T, J, 3).
        lengths: (J,), the same unit.
        skeleton: Chains; parents come before their children in them.
    """
    near = joints.copy()
    for _ in range(ROUNDS):
        for parent, joint in skeleton.bones:
            bone = near[:, joint] - near[:, parent]
            length = np.linalg.norm(bone, axis=-1, keepdims=True)
            half = 0.5 * bone * (1.0 - lengths[joint] / np.maximum(length, SHORTEST))
            near[:, parent] += half
            near[:, joint] -= half
    return _from_the_root(near, lengths, skeleton)


def _from_the_root(joints: Float64, lengths: Float64, skeleton: Skeleton) -> Float64:
    """Each bone with its length along its own direction, parents before children."""
    out = joints.copy()
    for parent, joint in (pair for chain in skeleton.chains for pair in pairwise(chain)):
        bone = joints[:, joint] - joints[:, parent]
        length = np.linalg.norm(bone, axis=-1, keepdims=True)
        # A bone without a direction takes the rest pose's.
        rest = skeleton.raw_offset_array[joint]
        along = np.where(length > SHORTEST, bone / np.maximum(length, SHORTEST), rest)
        out[:, joint] = out[:, parent] + along * lengths[joint]
    return out
