"""Torch twins of `pipeline.quaternions`, for features made on the training device."""

import torch
from torch import Tensor


def multiply(a: Tensor, b: Tensor) -> Tensor:
    """Hamilton product of (..., 4): the rotation b, then a."""
    aw, av = a[..., :1], a[..., 1:]
    bw, bv = b[..., :1], b[..., 1:]
    w = aw * bw - (av * bv).sum(-1, keepdim=True)
    return torch.cat([w, aw * bv + bw * av + torch.linalg.cross(av, bv)], dim=-1)


def inverse(q: Tensor) -> Tensor:
    """Inverse of unit quaternions (..., 4)."""
    return torch.cat([q[..., :1], -q[..., 1:]], dim=-1)


def _same_shape(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Both with the leading axes of the other."""
    shape = torch.broadcast_shapes(a.shape, b.shape)  # type: ignore[no-untyped-call]
    return a.expand(shape), b.expand(shape)


def rotate(q: Tensor, v: Tensor) -> Tensor:
    """Rotate vectors (..., 3) by quaternions (..., 4); leading axes broadcast."""
    axis, v = _same_shape(q[..., 1:], v)
    uv = torch.linalg.cross(axis, v)
    turned: Tensor = v + 2.0 * (q[..., :1] * uv + torch.linalg.cross(axis, uv))
    return turned


def between(a: Tensor, b: Tensor) -> Tensor:
    """The shortest rotation taking unit vectors a to b, (..., 3); see the numpy twin."""
    a, b = _same_shape(a, b)
    w = (a.norm(dim=-1) * b.norm(dim=-1) + (a * b).sum(-1))[..., None]
    q = torch.cat([w, torch.linalg.cross(a, b)], dim=-1)
    norm = q.norm(dim=-1, keepdim=True)
    x, y = torch.eye(3, device=a.device, dtype=a.dtype)[:2]
    helper = torch.where(a[..., :1].abs() < 0.9, x, y)
    axis = torch.linalg.cross(a, helper)
    axis = axis / axis.norm(dim=-1, keepdim=True).clamp(min=1e-12)
    half_turn = torch.cat([torch.zeros_like(norm), axis], dim=-1)
    return torch.where(norm > 1e-6, q / norm.clamp(min=1e-12), half_turn)


def to_6d(q: Tensor) -> Tensor:
    """First two columns of the rotation matrix, (..., 6) (Zhou et al. 2019)."""
    x, y = torch.eye(3, device=q.device, dtype=q.dtype)[:2]
    return torch.cat([rotate(q, x), rotate(q, y)], dim=-1)


def about_y(angle: Tensor) -> Tensor:
    """Rotation about the vertical by `angle` radians (...,) -> (..., 4)."""
    half, zero = angle / 2.0, torch.zeros_like(angle)
    return torch.stack([half.cos(), zero, half.sin(), zero], dim=-1)
