"""What a real detector does wrong beyond jitter, and how sure it says it is.

Each fault is drawn on the device and costs no random number where it is not asked for, so that a
training without it stays what it was. Lengths are metres; views are smaller by `UNITS_PER_METRE`.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from models.batches.detector_noise import DetectorNoise
from models.batches.device_constants import index_on, rows_on
from pipeline.joint_mapping import COCO17_RULES
from pipeline.skeletons import HUMANML3D, Skeleton
from pipeline.views import UNITS_PER_METRE

LONGEST_FAILURE, LONGEST_SWAP, LONGEST_BURST = 24, 20, 12
"""Frames; lengths are drawn evenly from two frames on."""
DRIFT_FRAMES = 41
"""Frames over which a slow drift is smoothed: two seconds."""
SOLID_ALONG_LIMB = (0.3, 0.6, 1.0, 1.0)
"""How much of a limb's failure its joints take, from the body outwards."""
LOWEST_SEEN = 0.3
"""Less sure joints count as not seen (`pipeline.joint_mapping.CONFIDENCE_THRESHOLD`)."""
SMALLEST_ERROR_M = 0.005
"""Below this, confidence says nothing about the error."""


def smooth(
    shape: tuple[int, int, int], window: int, g: torch.Generator | None, at: Tensor
) -> Tensor:
    """(B, T, C) standard normal, averaged over `window` frames and scaled back to deviation 1."""
    batch, frames, channels = shape
    draw = torch.randn(batch, channels, frames + window - 1, generator=g, device=at.device)
    even = torch.nn.functional.avg_pool1d(draw, window, 1) * math.sqrt(window)
    return even.transpose(1, 2)


def span(hit: Tensor, frames: int, longest: int, g: torch.Generator | None) -> Tensor:
    """(B, frames) True over one stretch of 2 to `longest` frames of each sample in `hit` (B,)."""
    u = torch.rand(2, len(hit), generator=g, device=hit.device)
    length = 2 + (u[0] * (min(longest, frames) - 1)).long()
    first = (u[1] * (frames - length + 1)).long()
    time = torch.arange(frames, device=hit.device)
    return (time >= first[:, None]) & (time < (first + length)[:, None]) & hit[:, None]


def _some(hit: Tensor, share: float, g: torch.Generator | None) -> Tensor:
    return hit & (torch.rand(len(hit), generator=g, device=hit.device) < share)


def joint_rules(skeleton: Skeleton, device: torch.device) -> Tensor:
    """(J, J) how a joint is made of those that a detector finds: trunk joints are mapped."""
    if skeleton != HUMANML3D:
        return torch.eye(skeleton.n_joints, device=device)
    names = skeleton.joint_names
    rows = [[float(i == j) for j in range(len(names))] for i in range(len(names))]
    for joint, name in enumerate(names):
        rule = COCO17_RULES.get(name, ({name: 1.0},))[0]
        if len(rule) > 1 and name != "head":
            rows[joint] = [0.0] * len(names)
            for source, weight in rule.items():
                place = names.index("head" if source.endswith("_ear") else source)
                rows[joint][place] += weight
    return rows_on(device, torch.float32, tuple(map(tuple, rows)))


def _levels(values: Sequence[float], view: Tensor) -> Tensor:
    """(J, 1) in the view's scale.

    Raises:
        ValueError: Measured on another skeleton.
    """
    if len(values) != view.shape[2]:
        raise ValueError(
            f"the noise was measured on {len(values)} joints and the motions have "
            f"{view.shape[2]}: choose --noise base or none"
        )
    scaled = tuple((value * UNITS_PER_METRE,) for value in values)
    return rows_on(view.device, view.dtype, scaled)


def measured_offsets(
    view: Tensor, hit: Tensor, noise: DetectorNoise, skeleton: Skeleton, g: torch.Generator | None
) -> Tensor:
    """(B, T, J, 2) offsets of joints: some kept over the crop, some moving, limbs that fail."""
    batch, frames, joints = view.shape[:3]
    out = torch.zeros_like(view)
    level = torch.exp(torch.randn(batch, generator=g, device=view.device) * noise.level_spread)
    level = (level * hit)[:, None, None, None]
    if noise.constant_m:
        kept = torch.randn(batch, 1, joints, 2, generator=g, device=view.device)
        out = out + kept * level * _levels(noise.constant_m, view)
    if noise.moving_m:
        moved = smooth((batch, frames, joints * 2), noise.moving_frames, g, view)
        moved = moved.reshape(batch, frames, joints, 2) * _levels(noise.moving_m, view)
        out = out + torch.einsum("jk,btkd->btjd", joint_rules(skeleton, view.device), moved * level)
    if noise.failure_share:
        out = out + _failures(view, hit, noise, skeleton, g)
    if noise.drift_m:
        drawn = smooth((batch, frames, 2), DRIFT_FRAMES, g, view) * noise.drift_m * UNITS_PER_METRE
        out = out + (drawn * hit[:, None, None])[:, :, None]
    return out


def _limbs(skeleton: Skeleton) -> list[tuple[int, ...]]:
    """Legs, then arms without collars, each from the body outwards."""
    paired = {joint for pair in skeleton.mirror_pairs for joint in pair}
    chains = [chain for chain in skeleton.chains if chain[-1] in paired]
    legs = [chain[1:] for chain in chains if chain[0] == 0]
    return [*legs, *(chain[-3:] for chain in chains if chain[0] != 0)]


def _failures(
    view: Tensor, hit: Tensor, noise: DetectorNoise, skeleton: Skeleton, g: torch.Generator | None
) -> Tensor:
    """A limb that is somewhere else for a while: on the other one, on the background."""
    batch, frames, joints = view.shape[:3]
    limbs = _limbs(skeleton)
    weight = torch.zeros(len(limbs), joints)
    for row, limb in zip(weight, limbs, strict=True):
        for place, joint in enumerate(limb):
            row[joint] = SOLID_ALONG_LIMB[min(place, len(SOLID_ALONG_LIMB) - 1)]
    table = rows_on(view.device, view.dtype, tuple(tuple(r) for r in weight.tolist()))
    which = torch.randint(0, len(limbs), (batch,), generator=g, device=view.device)
    when = span(_some(hit, noise.failure_share, g), frames, LONGEST_FAILURE, g)
    off = torch.randn(batch, 1, 1, 2, generator=g, device=view.device)
    size = noise.failure_m * UNITS_PER_METRE
    return off * size * table[which][:, None, :, None] * when[:, :, None, None]


def swapped(
    view: Tensor, hit: Tensor, noise: DetectorNoise, skeleton: Skeleton, g: torch.Generator | None
) -> Tensor:
    """The view with legs, arms or both taken for each other's over a stretch."""
    batch, frames, joints = view.shape[:3]
    limbs = _limbs(skeleton)
    legs = {joint for limb in limbs[:2] for joint in limb}
    arms = {joint for limb in limbs[2:] for joint in limb}
    rows = tuple(
        tuple(float(j in part) for j in range(joints)) for part in (legs, arms, legs | arms)
    )
    of_part = rows_on(view.device, torch.float32, rows) > 0
    part = torch.randint(0, len(rows), (batch,), generator=g, device=view.device)
    when = span(_some(hit, noise.swap_share, g), frames, LONGEST_SWAP, g)
    other = view[:, :, index_on(view.device, skeleton.mirror_order)]
    return torch.where((when[:, :, None] & of_part[part][:, None])[..., None], other, view)


def in_picture(view: Tensor, hit: Tensor, share: float, g: torch.Generator | None) -> Tensor:
    """(B, T, J) False beyond an edge of the picture: legs mostly, or the head, or one side.

    Half of the pictures stand still, half follow the person. The root stays in sight: a video is
    cut where the hips are lost.
    """
    batch = len(view)
    u = torch.rand(4, batch, generator=g, device=view.device)
    cut, still = _some(hit, share, g), u[0] < 0.5
    root = view[:, :, :1]
    middle = torch.where(still[:, None, None, None], root.mean(1, keepdim=True), root)
    x, y = ((view - middle) / UNITS_PER_METRE).unbind(-1)
    line = u[1][:, None, None]
    below, above = y < -0.9 * line, y > 0.3 + 0.6 * line
    edge = 0.1 + 0.5 * line
    side = torch.where((u[3] < 0.5)[:, None, None], x, -x) > edge
    kind = u[2][:, None, None]
    out = torch.where(kind < 0.6, below, torch.where(kind < 0.7, above, side))
    seen = ~(out & cut[:, None, None])
    return torch.cat([torch.ones_like(seen[..., :1]), seen[..., 1:]], dim=-1)


def not_covered(like: Tensor, hit: Tensor, share: float, g: torch.Generator | None) -> Tensor:
    """(B, T, J) as `like`, False where somebody walks past: all but the root, for some frames."""
    _, frames, joints = like.shape
    covered = span(_some(hit, share, g), frames, LONGEST_BURST, g)
    seen = ~covered[..., None].expand(-1, -1, joints)
    return torch.cat([torch.ones_like(seen[..., :1]), seen[..., 1:]], dim=-1)


def confidences(
    error: Tensor, seen: Tensor, hit: Tensor, noise: DetectorNoise, g: torch.Generator | None
) -> Tensor:
    """(B, T, J) in [0, 1]: how sure a detector says it is of joints that are off by `error`.

    Its logit falls along a line over the log of the error, and scatters about it: half of the
    scatter's variance is a joint's own over the crop, half moves. What is not seen is 0, and what
    is not spoilt is 1.

    Args:
        error: (B, T, J) distance to where the joint is, in the view's scale.
        seen: (B, T, J)
        hit: (B,) samples that are spoilt.
        noise: Its `confidence_` figures; without them confidences are `seen`.
        g: On the device.
    """
    known = seen.to(error.dtype)
    if not noise.tells:
        return known
    batch, frames, joints = error.shape
    own = torch.randn(batch, 1, joints, generator=g, device=error.device)
    moving = smooth((batch, frames, joints), noise.moving_frames, g, error)
    scatter = (own + moving) * (noise.confidence_spread / math.sqrt(2.0))
    size = (error / UNITS_PER_METRE).clamp(min=SMALLEST_ERROR_M)
    logit = noise.confidence_at_1m + noise.confidence_slope * size.log() + scatter
    told = logit.sigmoid().clamp(min=LOWEST_SEEN)
    return torch.where(hit[:, None, None], told, torch.ones_like(told)) * known
