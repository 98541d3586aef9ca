"""Motions that were never captured: one's legs under another's upper body, turned and retimed.

A few hundred clips hold few combinations of poses; a lift that has seen only those confuses pose
with habit. Mixed motions have no caption. Not in the paper; off by default.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from models.batches.device_constants import index_on
from models.batches.projection import rotation_y
from models.batches.torch_features import (
    facing_angle,
    features_from_joints,
    on_ground,
    smoothed_facing,
)
from pipeline.skeletons import Skeleton


@dataclass(frozen=True)
class PoseMix:
    """How much of a batch is mixed, and how far; all zero is the paper."""

    share: float = 0.0
    """Share of each batch that is made from two motions."""
    swap: float = 0.6
    """Share of mixed samples that take another motion's upper body."""
    reverse: float = 0.3
    """Share of mixed samples played backwards."""
    bend_deg: float = 8.0
    """Standard deviation of a constant turn of the upper body about the pelvis."""
    arm_deg: float = 15.0
    """Standard deviation of a constant turn of each arm about its shoulder."""
    slowest: float = 0.7
    fastest: float = 1.4
    """Range of the playing speed."""


def descendants(skeleton: Skeleton, root: int) -> list[int]:
    """The joint and all that hang from it."""
    out = [root]
    for joint in range(skeleton.n_joints):
        parent = joint
        while parent >= 0 and parent != root:
            parent = skeleton.parents[parent]
        if parent == root and joint != root:
            out.append(joint)
    return out


def _arms(skeleton: Skeleton) -> tuple[int, int]:
    """Right and left shoulder."""
    return skeleton.facing[2], skeleton.facing[3]


def _spine(skeleton: Skeleton) -> int:
    """The joint above the pelvis that leads to the shoulders."""
    joint = _arms(skeleton)[0]
    while skeleton.parents[joint] > 0:
        joint = skeleton.parents[joint]
    return joint


def small_turns(
    count: int, std_deg: float, g: torch.Generator | None, device: torch.device
) -> Tensor:
    """(count, 3, 3) rotations about random axes by normally distributed angles."""
    vector = torch.randn(count, 3, generator=g, device=device) * math.radians(std_deg / 3**0.5)
    zero = torch.zeros_like(vector[:, 0])
    x, y, z = vector.unbind(-1)
    skew = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], -1).reshape(-1, 3, 3)
    angle = vector.norm(dim=-1).clamp(min=1e-8)[:, None, None]
    # Rodrigues' formula.
    sine, versine = angle.sin() / angle, (1 - angle.cos()) / angle**2
    turn: Tensor = torch.eye(3, device=device) + sine * skew + versine * (skew @ skew)
    return turn


def _turn_part(joints: Tensor, part: list[int], turn: Tensor, heading: Tensor) -> Tensor:
    """Turn the joints of `part` about its first joint, in the body's frame."""
    which = index_on(joints.device, tuple(part))
    pivot, moving = joints[:, :, part[0], None], joints[:, :, which]
    to_world = rotation_y(heading.flatten()).reshape(*heading.shape, 3, 3)
    full = to_world @ turn[:, None] @ to_world.transpose(-1, -2)
    turned = pivot + torch.einsum("btxy,btjy->btjx", full, moving - pivot)
    return joints.index_copy(2, which, turned)


def mix_motions(
    a: Tensor, b: Tensor, mix: PoseMix, skeleton: Skeleton, g: torch.Generator | None
) -> tuple[Tensor, Tensor]:
    """New motions from pairs of crops.

    Args:
        a: (B, T, J, 3) metres: gives the legs and the root's path.
        b: (B, T, J, 3) gives, in a share of the samples, everything above the pelvis.
        mix: How far to go.
        skeleton: The joint tree.
        g: On the device; None is the device's own.

    Returns:
        Joints (B, T, J, 3), frame 0 at xz = 0 facing +Z, and their features (B, T-1, D3).
    """
    batch, device = len(a), a.device
    backwards = torch.rand(batch, generator=g, device=device) < mix.reverse
    a = torch.where(backwards[:, None, None, None], a.flip(1), a)
    heading = facing_angle(smoothed_facing(a, skeleton))
    turn = heading - facing_angle(smoothed_facing(b, skeleton))
    world = rotation_y(turn.flatten()).reshape(*turn.shape, 3, 3)
    upper = descendants(skeleton, _spine(skeleton))
    which = index_on(device, tuple(upper))
    other = torch.einsum("btxy,btjy->btjx", world, b[:, :, which] - b[:, :, :1]) + a[:, :, :1]
    swap = torch.rand(batch, generator=g, device=device) < mix.swap
    above = torch.where(swap[:, None, None, None], other, a[:, :, which])
    out = a.index_copy(2, which, above)
    bend = small_turns(batch, mix.bend_deg, g, device)
    out = _turn_part(out, [0, *upper], bend, heading)
    for shoulder in _arms(skeleton):
        arm = descendants(skeleton, shoulder)
        out = _turn_part(out, arm, small_turns(batch, mix.arm_deg, g, device), heading)
    out = _anchor(out, skeleton)
    return out, features_from_joints(out / skeleton.metres_per_unit, skeleton)


def _anchor(joints: Tensor, skeleton: Skeleton) -> Tensor:
    """Move frame 0 to xz = 0 and turn it, by its smoothed facing, to +Z."""
    angle = facing_angle(smoothed_facing(joints, skeleton)[:, 0])
    return (joints - on_ground(joints[:, :1, :1])) @ rotation_y(-angle).transpose(1, 2)[:, None]
