"""HumanML3D's 3D feature row: from joint positions and back (Guo et al. 2022).

One row a frame, T positions give T-1 rows:
`[yaw velocity 1 | root xz velocity 2 | root height 1 | local positions 3(J-1) |
  rotations 6D 6(J-1) | joint velocities 3J | foot contacts 4]`.
"""

from collections.abc import Mapping

import numpy as np

from pipeline import quaternions as quat
from pipeline.arrays import Bool, Float32, Float64
from pipeline.canonical import canonicalise
from pipeline.kinematics import inverse_kinematics
from pipeline.skeletons import Skeleton

ROOT_FIELDS = 4
"""Yaw velocity, x and z velocity, height."""


def field_slices(skeleton: Skeleton) -> Mapping[str, slice]:
    """Where each group of features lies in a row; the groups also share one std each."""
    j = skeleton.n_joints
    sizes = {
        "yaw": 1,
        "root_xz": 2,
        "height": 1,
        "positions": 3 * (j - 1),
        "rotations": 6 * (j - 1),
        "velocities": 3 * j,
        "contacts": 4,
    }
    out, start = {}, 0
    for name, size in sizes.items():
        out[name] = slice(start, start + size)
        start += size
    return out


def foot_contacts(joints: Float64, skeleton: Skeleton, threshold: float) -> Bool:
    """(T-1, 4): a foot joint's squared displacement to the next frame is under the threshold.

    Order: left ankle, left foot, right ankle, right foot. Works for 2D and 3D joints.
    """
    feet = [*skeleton.feet_left, *skeleton.feet_right]
    step = joints[1:, feet] - joints[:-1, feet]
    return np.asarray((step**2).sum(-1) < threshold)


def features_from_canonical(joints: Float64, skeleton: Skeleton) -> Float32:
    """(T-1, D3) features of positions (T, J, 3) that are already on the floor, facing +Z."""
    rotations = inverse_kinematics(joints, skeleton, smooth_facing=True)
    heading = rotations[:, 0]
    # Without `shortest` a turn past the back (facing -Z) would count backwards: the published
    # extraction has this slip, and a motion recovered from such a row stays turned away.
    turn = quat.shortest(quat.multiply(heading[1:], quat.inverse(heading[:-1])))
    root_velocity = quat.rotate(heading[1:], joints[1:, 0] - joints[:-1, 0])
    local = joints - joints[:, :1] * np.array([1.0, 0.0, 1.0])
    local = quat.rotate(heading[:, None], local)
    velocity = quat.rotate(heading[:-1, None], joints[1:] - joints[:-1])
    rows = len(joints) - 1
    parts = [
        np.arcsin(np.clip(turn[:, 2:3], -1.0, 1.0)),
        root_velocity[:, [0, 2]],
        local[:-1, 0, 1:2],
        local[:-1, 1:].reshape(rows, -1),
        quat.to_6d(rotations[:-1, 1:]).reshape(rows, -1),
        velocity.reshape(rows, -1),
        foot_contacts(joints, skeleton, skeleton.contact_threshold),
    ]
    return np.asarray(np.concatenate(parts, axis=-1), dtype=np.float32)


def extract_features(
    joints: Float64, skeleton: Skeleton, target_offsets: Float64 | None = None
) -> Float32:
    """Features of raw joint positions: canonicalise, then `features_from_canonical`."""
    return features_from_canonical(canonicalise(joints, skeleton, target_offsets), skeleton)


def recover_root(features: Float64) -> tuple[Float64, Float64]:
    """Integrate the root fields.

    Args:
        features: (T, D3), not normalised.

    Returns:
        Heading quaternions (T, 4) that turn the world to the body's facing, and root
        positions (T, 3). Frame 0 faces +Z at the origin.
    """
    half_yaw = np.concatenate([[0.0], np.cumsum(features[:-1, 0])])
    heading = quat.about_y(2.0 * half_yaw)
    step = np.zeros((len(features), 3))
    step[1:, [0, 2]] = features[:-1, 1:3]
    position = np.cumsum(quat.rotate(quat.inverse(heading), step), axis=0)
    position[:, 1] = features[:, 3]
    return heading, position


def recover_joints(features: Float32 | Float64, skeleton: Skeleton) -> Float32:
    """Global joint positions (T, J, 3) from features (T, D3), not normalised."""
    rows = np.asarray(features, dtype=np.float64)
    if rows.ndim != 2 or rows.shape[1] != skeleton.dim3:
        raise ValueError(f"features must be (T, {skeleton.dim3}), got {rows.shape}")
    heading, root = recover_root(rows)
    local = rows[:, field_slices(skeleton)["positions"]].reshape(len(rows), -1, 3)
    joints = quat.rotate(quat.inverse(heading)[:, None], local)
    joints += root[:, None] * np.array([1.0, 0.0, 1.0])
    return np.asarray(np.concatenate([root[:, None], joints], axis=1), dtype=np.float32)


def recover_metric_joints(features: Float32 | Float64, skeleton: Skeleton) -> Float32:
    """Global joint positions (T, J, 3) in metres from features (T, D3), not normalised."""
    return recover_joints(features, skeleton) * np.float32(skeleton.metres_per_unit)


def recover_all_joints(features: Float32 | Float64, skeleton: Skeleton) -> Float32:
    """Global joint positions (T+1, J, 3) from features (T, D3): also the frame after the last row.

    The last frame follows from the last row's velocities, so T+1 positions give T rows and back.
    """
    joints = recover_joints(features, skeleton)
    last = np.asarray(features[-1:], dtype=np.float64)
    heading, _ = recover_root(np.asarray(features, dtype=np.float64))
    velocity = last[:, field_slices(skeleton)["velocities"]].reshape(1, -1, 3)
    step = quat.rotate(quat.inverse(heading[-1:])[:, None], velocity)
    return np.concatenate([joints, (joints[-1:] + step).astype(np.float32)])
