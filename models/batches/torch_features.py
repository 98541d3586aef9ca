"""Torch twin of `pipeline.representation3d`: 3D feature rows of whole batches, on the device.

Augmentation makes motions that no table holds, so their features are computed as they are drawn.
"""

from functools import lru_cache
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from models.batches import torch_quaternions as quat
from models.batches.device_constants import index_on, rows_on
from pipeline.kinematics import FACING_SMOOTHING_FRAMES, gaussian_over_time
from pipeline.skeletons import Skeleton


def smoothed_facing(joints: Tensor, skeleton: Skeleton) -> Tensor:
    """Horizontal unit vector (B, T, 3) that the body faces, smoothed in time.

    Args:
        joints: (B, T, J, 3), Y up.
        skeleton: Names the hips and shoulders.
    """
    r_hip, l_hip, r_shoulder, l_shoulder = skeleton.facing
    across = joints[:, :, r_hip] - joints[:, :, l_hip]
    across = across + joints[:, :, r_shoulder] - joints[:, :, l_shoulder]
    across = across / across.norm(dim=-1, keepdim=True).clamp(min=1e-9)
    zero = torch.zeros_like(across[..., 0])
    forward = torch.stack([across[..., 2], zero, -across[..., 0]], dim=-1)  # up x across
    forward = _smoothing_matrix(forward.shape[1], forward.device, forward.dtype) @ forward
    norm = forward.norm(dim=-1, keepdim=True)
    ahead = torch.eye(3, device=joints.device, dtype=joints.dtype)[2]
    return torch.where(norm > 1e-6, forward / norm.clamp(min=1e-9), ahead)


@lru_cache(maxsize=64)
def _smoothing_matrix(frames: int, device: torch.device, dtype: torch.dtype) -> Tensor:
    """(T, T) that smooths (T, D) in time: the Gaussian filter is linear."""
    smooth = gaussian_over_time(np.eye(frames), FACING_SMOOTHING_FRAMES)
    return torch.from_numpy(smooth).to(device, dtype)


def on_ground(points: Tensor) -> Tensor:
    """Points (..., 3) with their height set to zero."""
    return torch.stack([points[..., 0], torch.zeros_like(points[..., 1]), points[..., 2]], dim=-1)


def facing_angle(forward: Tensor) -> Tensor:
    """(..., 3) horizontal directions -> (...,) radians about Y from +Z."""
    return torch.atan2(forward[..., 0], forward[..., 2])


def _local_rotations(joints: Tensor, heading: Tensor, skeleton: Skeleton) -> list[Tensor]:
    """Per joint the (B, T, 4) rotation relative to its parent; `heading` stands for the root."""
    rest = rows_on(joints.device, joints.dtype, skeleton.raw_offsets)
    out = [heading] * skeleton.n_joints
    for chain in skeleton.chains:
        world = heading
        for parent, joint in pairwise(chain):
            bone = joints[:, :, joint] - joints[:, :, parent]
            bone = bone / bone.norm(dim=-1, keepdim=True).clamp(min=1e-9)
            local = quat.multiply(quat.inverse(world), quat.between(rest[joint], bone))
            out[joint] = local
            world = quat.multiply(world, local)
    return out


def features_from_joints(joints: Tensor, skeleton: Skeleton) -> Tensor:
    """(B, T, J, 3) on the floor, frame 0 facing +Z -> (B, T-1, D3), not normalised.

    Equal to `pipeline.representation3d.features_from_canonical`, clip by clip.
    """
    batch, frames = joints.shape[:2]
    rows = frames - 1
    forward = smoothed_facing(joints, skeleton)
    ahead = torch.eye(3, device=joints.device, dtype=joints.dtype)[2]
    heading = quat.between(forward, ahead)
    # Frame 0 faces +Z by definition.
    first = torch.eye(4, device=joints.device, dtype=joints.dtype)[0].expand(batch, 1, 4)
    heading = torch.cat([first, heading[:, 1:]], dim=1)
    turn = quat.multiply(heading[:, 1:], quat.inverse(heading[:, :-1]))
    turn = torch.where(turn[..., :1] < 0.0, -turn, turn)
    step = joints[:, 1:] - joints[:, :-1]
    root_velocity = quat.rotate(heading[:, 1:], step[:, :, 0])
    local = quat.rotate(heading[:, :, None], joints - on_ground(joints[:, :, :1]))
    rotations = torch.stack(_local_rotations(joints, heading, skeleton)[1:], dim=2)
    feet = index_on(joints.device, (*skeleton.feet_left, *skeleton.feet_right))
    contact = (step[:, :, feet] ** 2).sum(-1) < skeleton.contact_threshold
    parts = [
        torch.asin(turn[..., 2:3].clamp(-1.0, 1.0)),
        root_velocity[..., ::2],
        local[:, :-1, 0, 1:2],
        local[:, :-1, 1:].reshape(batch, rows, -1),
        quat.to_6d(rotations[:, :-1]).reshape(batch, rows, -1),
        quat.rotate(heading[:, :-1, None], step).reshape(batch, rows, -1),
        contact.to(joints.dtype),
    ]
    return torch.cat(parts, dim=-1)
