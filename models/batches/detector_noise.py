"""2D as a detector would give it: other bodies, wrong scale, jitter, joints that were not seen."""

import math
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from models.batches.device_constants import index_on
from pipeline.skeletons import Skeleton


@dataclass(frozen=True)
class DetectorNoise:
    """How the 2D input is spoilt to look like a detector's; all zero is the paper."""

    share: float = 0.0
    """Share of samples that are spoilt at all."""
    jitter_m: float = 0.02
    """Largest per-sample standard deviation of joint noise, in the view's scale: 0.02 are 37 mm."""
    white_share: float = 0.0
    """Share of spoilt samples whose joint noise is new in every frame; the others' is smooth over
    about 0.2 s."""
    scale: float = 0.08
    """Standard deviation of the log of the body-scale error."""
    proportions: float = 0.06
    """Standard deviation of each bone's length relative to the canonical body's, left = right."""
    drop_share: float = 0.5
    """Share of spoilt samples that also lose joints (a limb, the legs, or scattered spans)."""
    flicker_share: float = 0.0
    """Share of spoilt samples that lose single joints in single frames instead."""
    constant_m: tuple[float, ...] = ()
    """Standard deviation of each joint's offset that stays over a crop, metres; () for none."""
    moving_m: tuple[float, ...] = ()
    """The same of each joint's smooth movement about it."""
    moving_frames: int = 7
    """Frames over which that movement is averaged."""
    level_spread: float = 0.0
    """Standard deviation of the log of a sample's factor on both."""
    failure_share: float = 0.0
    """Share of spoilt samples in which a limb is somewhere else for up to 1.2 s."""
    failure_m: float = 0.0
    """Standard deviation of where, metres."""
    swap_share: float = 0.0
    """Share of spoilt samples in which left and right limbs are exchanged for up to a second."""
    drift_m: float = 0.0
    """Standard deviation of a slow movement of the whole picture, metres."""
    frame_share: float = 0.0
    """Share of spoilt samples of which a part is out of the picture."""
    burst_share: float = 0.0
    """Share of spoilt samples in which all but the root is covered for up to 0.6 s."""
    confidence_at_1m: float = 0.0
    """Logit of the confidence of a joint that is a metre off."""
    confidence_slope: float = 0.0
    """By how much it grows with the log of the error; negative."""
    confidence_spread: float = 0.0
    """Standard deviation about that line. With slope and spread 0, confidences are 0 and 1."""

    def __post_init__(self) -> None:
        for name in ("constant_m", "moving_m"):  # a file gives lists
            object.__setattr__(self, name, tuple(float(v) for v in getattr(self, name)))
        wrong = [
            n for n in vars(self) if n.endswith("share") and not 0.0 <= getattr(self, n) <= 1.0
        ]
        if wrong:
            raise ValueError(f"detector noise: {', '.join(wrong)} must lie in 0..1")
        if self.moving_frames < 1:
            raise ValueError(
                f"detector noise: moving_frames {self.moving_frames} must be 1 or more"
            )

    @property
    def moves(self) -> bool:
        """Whether joints are moved in other ways than by jitter and scale."""
        sizes = (self.failure_share, self.swap_share, self.drift_m)
        return bool(self.constant_m or self.moving_m or any(sizes))

    @property
    def tells(self) -> bool:
        """Whether confidences say more than what was seen."""
        return bool(self.confidence_slope or self.confidence_spread)


SMOOTHING_FRAMES = 5
"""Frames over which smooth joint noise is averaged: 0.25 s."""
SCATTERED_SHARE = 0.15
"""Share of joints lost when a sample loses scattered joints instead of a limb."""
LARGEST_FLICKER = 0.2
"""Largest share of joints that flicker away, frame by frame."""


@lru_cache(maxsize=8)
def ancestor_matrix(skeleton: Skeleton, device: torch.device) -> Tensor:
    """(J, J) with 1 where the column's bone lies on the row joint's way to the root."""
    out = torch.eye(skeleton.n_joints)
    for joint in range(1, skeleton.n_joints):
        parent = joint
        while (parent := skeleton.parents[parent]) >= 0:
            out[joint, parent] = 1.0
    return out.to(device)


def other_proportions(
    joints: Tensor, spread: Tensor, skeleton: Skeleton, g: torch.Generator | None
) -> Tensor:
    """The same poses (B, T, J, 3) on a body with other bone lengths.

    Args:
        joints: Canonical body.
        spread: (B,) relative standard deviation of the bone lengths.
        skeleton: The joint tree.
        g: On the joints' device; None is the device's own.
    """
    batch, device = len(joints), joints.device
    parents = index_on(device, tuple(max(p, 0) for p in skeleton.parents))
    left = tuple(min(joint, other) for joint, other in enumerate(skeleton.mirror_order))
    draw = torch.randn(batch, skeleton.n_joints, generator=g, device=device)
    draw = draw[:, index_on(device, left)]
    factor = (1.0 + draw.clamp(-2, 2) * spread[:, None])[:, None, :, None]
    bones = joints - joints[:, :, parents]
    bones = torch.cat([joints[:, :, :1], bones[:, :, 1:] * factor[:, :, 1:]], dim=2)
    chain = ancestor_matrix(skeleton, device)
    return torch.einsum("jk,btkd->btjd", chain, bones)


def jitter(
    view: Tensor, hit: Tensor, noise: DetectorNoise, g: torch.Generator | None
) -> tuple[Tensor, Tensor]:
    """Wrong body scale and joint noise on the samples in `hit` (B,) of views (B, T, J, 2).

    Returns:
        The view with both, and the view with the scale alone: their distance is the joints' error.
    """
    batch, frames, joints = view.shape[:3]
    device = view.device
    sigma = torch.rand(batch, generator=g, device=device) * noise.jitter_m * hit
    scale = torch.exp(torch.randn(batch, generator=g, device=device) * noise.scale * hit)
    white = torch.rand(batch, generator=g, device=device) < noise.white_share
    shape = (batch, joints * 2, frames + SMOOTHING_FRAMES - 1)
    draw = torch.randn(shape, generator=g, device=device)
    smooth = torch.nn.functional.avg_pool1d(draw, SMOOTHING_FRAMES, 1) * math.sqrt(SMOOTHING_FRAMES)
    moved = torch.where(white[:, None, None], draw[..., :frames], smooth)
    moved = moved.transpose(1, 2).reshape(batch, frames, joints, 2)
    scaled = view * scale[:, None, None, None]
    spoilt = scaled + moved * sigma[:, None, None, None]
    return spoilt - spoilt[:, :1, :1], scaled


@lru_cache(maxsize=8)
def _groups(skeleton: Skeleton, device: torch.device) -> Tensor:
    """(G, J) the groups of joints that are lost together: limbs, both legs, or single joints."""
    limbs = [list(chain[2:]) for chain in skeleton.chains if len(chain) >= 5]
    # The two leg chains come first: a body seen from the waist up loses both from the knees.
    groups = [*limbs, limbs[0] + limbs[1]]
    out = torch.zeros(len(groups), skeleton.n_joints, dtype=torch.bool)
    for row, group in zip(out, groups, strict=True):
        row[group] = True
    return out.to(device)


def seen_joints(
    lost: Tensor,
    frames: int,
    skeleton: Skeleton,
    g: torch.Generator | None,
    flicker_share: float = 0.0,
) -> Tensor:
    """(B, frames, J) False where a sample in `lost` (B,) loses a limb, the legs, or single joints.

    Joints are lost over a span of frames; a limb, half the time, over the whole crop; or, in a
    share of the samples, single joints in single frames. The root is always seen.
    """
    batch, device, groups = len(lost), lost.device, _groups(skeleton, lost.device)
    kind = torch.randint(0, len(groups) + 2, (batch,), generator=g, device=device)
    spans = torch.rand(batch, 2, generator=g, device=device)
    single = torch.rand(batch, skeleton.n_joints, generator=g, device=device) < SCATTERED_SHARE
    of_group = kind < len(groups)
    hidden = torch.where(of_group[:, None], groups[kind.clamp(max=len(groups) - 1)], single)
    first, last = (spans.amin(1) * frames).long(), (spans.amax(1) * frames).long()
    whole = of_group & (spans[:, 0] < 0.5)
    time = torch.arange(frames, device=device)
    inside = (time >= first[:, None]) & (time <= last[:, None]) | whole[:, None]
    hidden = inside[:, :, None] & hidden[:, None]
    rate = torch.rand(batch, generator=g, device=device) * LARGEST_FLICKER
    draw = torch.rand(batch, frames, skeleton.n_joints, generator=g, device=device)
    flickers = torch.rand(batch, generator=g, device=device) < flicker_share
    hidden = torch.where(flickers[:, None, None], draw < rate[:, None, None], hidden)
    seen = ~(hidden & lost[:, None, None])
    return torch.cat([torch.ones_like(seen[..., :1]), seen[..., 1:]], dim=-1)
