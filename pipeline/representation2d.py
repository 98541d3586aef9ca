"""CrossDiff's 2D feature row of one projected view.

One row a frame, T positions give T-1 rows:
`[root displacement from frame 0, of the NEXT frame 2 | local positions 2(J-1) |
  bone directions (cos, -sin) 2(J-1) | joint velocities 2J | foot contacts 4]`.
The published code names the first field a velocity; its arithmetic is a displacement, kept here.
"""

from collections.abc import Mapping
from itertools import pairwise

import numpy as np

from pipeline.arrays import Float32, Float64
from pipeline.representation3d import foot_contacts
from pipeline.skeletons import Skeleton

ROOT_FIELDS = 2
CONTACT_THRESHOLD = 0.002
"""Squared displacement per frame, in the view's scale."""


def field_slices(skeleton: Skeleton) -> Mapping[str, slice]:
    """Where each group of features lies in a row; the groups also share one std each."""
    j = skeleton.n_joints
    ends = np.cumsum([2, 2 * (j - 1), 2 * (j - 1), 2 * j, 4]).tolist()
    names = ("root", "positions", "rotations", "velocities", "contacts")
    starts = [0, *ends[:-1]]
    return {n: slice(a, b) for n, a, b in zip(names, starts, ends, strict=True)}


def bone_directions(joints: Float64, skeleton: Skeleton) -> Float64:
    """(T, J-1, 2): cos and -sin of each bone's angle relative to the bone before it in its chain.

    A chain's first bone is measured against the x axis.
    """
    angle = np.zeros(joints.shape[:-1])
    relative = np.zeros_like(angle)
    for chain in skeleton.chains:
        before = np.zeros(len(joints))
        for parent, joint in pairwise(chain):
            bone = joints[:, joint] - joints[:, parent]
            angle[:, joint] = np.arctan2(bone[:, 1], bone[:, 0])
            relative[:, joint] = angle[:, joint] - before
            before = angle[:, joint]
    relative = relative[:, 1:]
    return np.stack([np.cos(relative), -np.sin(relative)], axis=-1)


def features_from_view(view: Float32 | Float64, skeleton: Skeleton) -> Float32:
    """(T-1, D2) features of one view's joints (T, J, 2), root-relative to frame 0."""
    joints = np.asarray(view, dtype=np.float64)
    if joints.ndim != 3 or joints.shape[1:] != (skeleton.n_joints, 2) or len(joints) < 2:
        raise ValueError(f"view must be (T >= 2, {skeleton.n_joints}, 2), got {joints.shape}")
    rows = len(joints) - 1
    parts = [
        joints[1:, 0] - joints[0, 0],
        (joints[:-1, 1:] - joints[:-1, :1]).reshape(rows, -1),
        bone_directions(joints[:-1], skeleton).reshape(rows, -1),
        (joints[1:] - joints[:-1]).reshape(rows, -1),
        foot_contacts(joints, skeleton, CONTACT_THRESHOLD),
    ]
    return np.asarray(np.concatenate(parts, axis=-1), dtype=np.float32)


def recover_view(features: Float32 | Float64, skeleton: Skeleton) -> Float32:
    """(T, J, 2) joints of one view from its features (T, D2), root of frame 0 at 0.

    The row holds the NEXT frame's root, so frame 0 is the origin by definition and the last
    row's root field is not needed.
    """
    rows = np.asarray(features, dtype=np.float64)
    where = field_slices(skeleton)
    root = np.concatenate([np.zeros((1, 2)), rows[:-1, where["root"]]])
    local = rows[:, where["positions"]].reshape(len(rows), -1, 2)
    joints = np.concatenate([root[:, None], local + root[:, None]], axis=1)
    return np.asarray(joints, dtype=np.float32)
