"""Which entries of a feature row belong to which joint: for masking joints that nobody saw."""

import numpy as np

from pipeline.arrays import Bool
from pipeline.representation2d import field_slices as slices2d
from pipeline.representation3d import field_slices as slices3d
from pipeline.skeletons import Skeleton


def _contact_joints(skeleton: Skeleton) -> list[int]:
    return [*skeleton.feet_left, *skeleton.feet_right]


def ownership3d(skeleton: Skeleton) -> Bool:
    """(J, D3): entry is True where the feature belongs to the joint.

    The root owns the root fields and its own velocity; joint i owns its position, rotation and
    the velocity entries 193 + 3i .. 195 + 3i (J = 22); contacts go with the four foot joints.
    """
    where, own = slices3d(skeleton), np.zeros((skeleton.n_joints, skeleton.dim3), dtype=np.bool_)
    own[0, :4] = True
    for joint in range(skeleton.n_joints):
        if joint:
            start = where["positions"].start + 3 * (joint - 1)
            own[joint, start : start + 3] = True
            start = where["rotations"].start + 6 * (joint - 1)
            own[joint, start : start + 6] = True
        start = where["velocities"].start + 3 * joint
        own[joint, start : start + 3] = True
    own[_contact_joints(skeleton), range(where["contacts"].start, where["contacts"].stop)] = True
    return own


def ownership2d(skeleton: Skeleton) -> Bool:
    """(J, D2): as `ownership3d`, for the row of a projected view."""
    where, own = slices2d(skeleton), np.zeros((skeleton.n_joints, skeleton.dim2), dtype=np.bool_)
    own[0, where["root"]] = True
    for joint in range(skeleton.n_joints):
        if joint:
            for group in ("positions", "rotations"):
                start = where[group].start + 2 * (joint - 1)
                own[joint, start : start + 2] = True
        start = where["velocities"].start + 2 * joint
        own[joint, start : start + 2] = True
    own[_contact_joints(skeleton), range(where["contacts"].start, where["contacts"].stop)] = True
    return own


def feature_mask2d(seen: Bool, skeleton: Skeleton) -> Bool:
    """(T-1, D2) mask of usable 2D features from per-frame joint visibility.

    A row mixes frames t and t+1 (root displacement, velocities, contacts) and a bone's direction
    mixes two or three joints. An entry is usable when every joint and frame it is computed from
    was seen.

    Args:
        seen: (T, J) joint was seen (or filled over a short gap).
        skeleton: The joint tree.
    """
    where = slices2d(skeleton)
    now, both = seen[:-1], seen[:-1] & seen[1:]
    mask = np.ones((len(now), skeleton.dim2), dtype=np.bool_)
    mask[:, where["root"]] = (seen[1:, :1] & seen[:1, :1]).repeat(2, axis=1)
    mask[:, where["positions"]] = (now[:, 1:] & now[:, :1]).repeat(2, axis=1)
    mask[:, where["rotations"]] = _bones_seen(now, skeleton)[:, 1:].repeat(2, axis=1)
    mask[:, where["velocities"]] = both.repeat(2, axis=1)
    mask[:, where["contacts"]] = both[:, _contact_joints(skeleton)]
    return mask


def feature_mask3d(seen: Bool, skeleton: Skeleton) -> Bool:
    """(T-1, D3) entries of the 3D row whose joint was seen in the 2D input.

    The rest is the network's guess at joints that nobody saw: marked, not passed off as truth.

    Args:
        seen: (T, J).
        skeleton: The joint tree.
    """
    now = seen[:-1] & seen[1:]
    return np.asarray(now.astype(np.uint8) @ ownership3d(skeleton).astype(np.uint8) > 0)


def _bones_seen(now: Bool, skeleton: Skeleton) -> Bool:
    """(T, J): the joint, its parent, and the start of the bone before it in its chain are seen."""
    usable = now.copy()
    for chain in skeleton.chains:
        for i in range(1, len(chain)):
            usable[:, chain[i]] = now[:, list(chain[max(0, i - 2) : i + 1])].all(axis=1)
    return usable
