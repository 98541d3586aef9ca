"""Left and right exchanged, in views and in feature rows."""

from collections.abc import Mapping
from functools import cache

import numpy as np

from pipeline import representation2d, representation3d
from pipeline.arrays import Float32, Float64, Int64
from pipeline.skeletons import Skeleton

CONTACT_ORDER = (2, 3, 0, 1)
"""Contacts are left ankle, left foot, right ankle, right foot."""
MIRRORED_6D = (1.0, -1.0, -1.0, -1.0, 1.0, 1.0)
"""Signs of a rotation's first two columns when x is negated before and after it."""


def mirror_view(view: Float32, skeleton: Skeleton) -> Float32:
    """(T, J, 2) the same view in a mirror: x negated, left and right joints exchanged."""
    flipped = view[:, list(skeleton.mirror_order)] * np.array([-1.0, 1.0], np.float32)
    return np.asarray(flipped, dtype=np.float32)


@cache
def mirror_columns2d(skeleton: Skeleton) -> Int64:
    """(D2,) index that puts each joint's entries of a 2D row, or of its mask, on the other side.

    For masks: mirroring also changes values, which `features_from_view` of `mirror_view` gives.
    """
    where = representation2d.field_slices(skeleton)
    sizes = {"positions": (1, 2), "rotations": (1, 2), "velocities": (0, 2)}
    return _exchanged(skeleton, where, sizes, skeleton.dim2)


def mirror_features3d(features: Float32 | Float64, skeleton: Skeleton) -> Float32:
    """(T, D3) rows of the mirrored motion.

    Exact for any row, also for one that no motion has: entries change places and signs.

    Args:
        features: (T, D3), not normalised.
        skeleton: The joint tree.
    """
    columns, signs = _mirror3d(skeleton)
    return np.asarray(features[:, columns] * signs, dtype=np.float32)


@cache
def _mirror3d(skeleton: Skeleton) -> tuple[Int64, Float64]:
    """Which entry goes where, and its sign."""
    where = representation3d.field_slices(skeleton)
    sizes = {"positions": (1, 3), "rotations": (1, 6), "velocities": (0, 3)}
    joints = skeleton.n_joints
    signs = np.ones(skeleton.dim3)
    signs[where["yaw"]] = -1.0
    signs[where["root_xz"]] = (-1.0, 1.0)
    signs[where["positions"]] = np.tile((-1.0, 1.0, 1.0), joints - 1)
    signs[where["rotations"]] = np.tile(MIRRORED_6D, joints - 1)
    signs[where["velocities"]] = np.tile((-1.0, 1.0, 1.0), joints)
    return _exchanged(skeleton, where, sizes, skeleton.dim3), signs


def _exchanged(
    skeleton: Skeleton, where: Mapping[str, slice], sizes: dict[str, tuple[int, int]], width: int
) -> Int64:
    """Column order with joints exchanged; `sizes`: a field's first joint and entries a joint."""
    order = np.asarray(skeleton.mirror_order)
    out = np.arange(width)
    for name, (first, size) in sizes.items():
        start = where[name].start
        moved = (order[first:, None] - first) * size + np.arange(size)
        out[where[name]] = start + moved.ravel()
    out[where["contacts"]] = where["contacts"].start + np.asarray(CONTACT_ORDER)
    return out
