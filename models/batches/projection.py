"""Torch twins of `pipeline.views`, `representation2d` and `feature_masks`, on the device.

In torch so that every crop of a batch gets its own camera; tests hold each equal to its twin.
"""

import math

import torch
from torch import Tensor

from models.batches.device_constants import index_on
from pipeline.representation2d import CONTACT_THRESHOLD
from pipeline.skeletons import Skeleton
from pipeline.views import VIEW_ANGLE_DEG

_TAN = math.tan(math.radians(VIEW_ANGLE_DEG))


def rotation_y(angle: Tensor) -> Tensor:
    """(B,) radians -> (B, 3, 3)."""
    c, s, zero, one = angle.cos(), angle.sin(), torch.zeros_like(angle), torch.ones_like(angle)
    return torch.stack([c, zero, s, zero, one, zero, -s, zero, c], -1).reshape(-1, 3, 3)


def rotation_x(angle: Tensor) -> Tensor:
    """(B,) radians -> (B, 3, 3)."""
    c, s, zero, one = angle.cos(), angle.sin(), torch.zeros_like(angle), torch.ones_like(angle)
    return torch.stack([one, zero, zero, zero, c, -s, zero, s, c], -1).reshape(-1, 3, 3)


def project(joints: Tensor, azimuth: Tensor, elevation: Tensor) -> Tensor:
    """Torch twin of `pipeline.views.project_view`, one camera a sample.

    Args:
        joints: (B, T, J, 3).
        azimuth: (B,) radians.
        elevation: (B,) radians, about the hips' height; 0 is the paper's level camera.

    Returns:
        (B, T, J, 2), root of frame 0 at 0.
    """
    pivot = torch.eye(3, device=joints.device)[1]  # a metre above the origin
    turn = rotation_x(elevation) @ rotation_y(azimuth)
    p = (joints - pivot) @ turn.transpose(1, 2)[:, None]
    depth = p[..., 2:] - 1.0 / _TAN - 10.0
    uv = -p[..., :2] / (depth * _TAN)
    return uv - uv[:, :1, :1]


def view_features(view: Tensor, skeleton: Skeleton) -> Tensor:
    """Torch twin of `features_from_view`: (B, T, J, 2) -> (B, T-1, D2)."""
    batch, frames = view.shape[:2]
    rows = frames - 1
    step = view[:, 1:] - view[:, :-1]
    feet = index_on(view.device, (*skeleton.feet_left, *skeleton.feet_right))
    contact = ((step[:, :, feet] ** 2).sum(-1) < CONTACT_THRESHOLD).to(view.dtype)
    parts = [
        view[:, 1:, 0] - view[:, :1, 0],
        (view[:, :-1, 1:] - view[:, :-1, :1]).reshape(batch, rows, -1),
        _bone_directions(view[:, :-1], skeleton).reshape(batch, rows, -1),
        step.reshape(batch, rows, -1),
        contact,
    ]
    return torch.cat(parts, dim=-1)


def _chain_pairs(skeleton: Skeleton) -> tuple[list[int], list[int]]:
    """Per joint: its parent, and the joint whose bone it is measured against (0: the x axis)."""
    parent, before = [0] * skeleton.n_joints, [0] * skeleton.n_joints
    for chain in skeleton.chains:
        for i in range(1, len(chain)):
            parent[chain[i]] = chain[i - 1]
            before[chain[i]] = chain[i - 1] if i > 1 else 0
    return parent, before


def _bone_directions(view: Tensor, skeleton: Skeleton) -> Tensor:
    parent, before = _chain_pairs(skeleton)
    bone = view - view[:, :, index_on(view.device, tuple(parent))]
    angle = torch.atan2(bone[..., 1], bone[..., 0])
    angle = torch.cat([torch.zeros_like(angle[..., :1]), angle[..., 1:]], dim=-1)
    relative = (angle - angle[..., index_on(view.device, tuple(before))])[..., 1:]
    return torch.stack([relative.cos(), -relative.sin()], dim=-1)


def feature_mask(seen: Tensor, skeleton: Skeleton) -> Tensor:
    """Torch twin of `pipeline.feature_masks.feature_mask2d`: (B, T, J) bool -> (B, T-1, D2)."""
    now, both = seen[:, :-1], seen[:, :-1] & seen[:, 1:]
    parent, before = _chain_pairs(skeleton)
    grand = [parent[b] if b else parent[j] for j, b in enumerate(before)]
    device = seen.device
    bones = now & now[..., index_on(device, tuple(parent))]
    bones = bones & now[..., index_on(device, tuple(grand))]
    feet = index_on(device, (*skeleton.feet_left, *skeleton.feet_right))
    root = seen[:, 1:, :1] & seen[:, :1, :1]
    parts = [
        root.repeat_interleave(2, -1),
        (now[..., 1:] & now[..., :1]).repeat_interleave(2, -1),
        bones[..., 1:].repeat_interleave(2, -1),
        both.repeat_interleave(2, -1),
        both[..., feet],
    ]
    return torch.cat(parts, dim=-1)


def seen_of_mask(mask: Tensor, joints: int) -> Tensor:
    """(B, T, J) which joints each row of a `feature_mask` (B, T, D2) was made of.

    A place is told from the root: where no place is known, the root was not seen either.
    """
    places = mask[..., 2 : 2 + 2 * (joints - 1) : 2]
    return torch.cat([places.any(-1, keepdim=True), places], dim=-1)
