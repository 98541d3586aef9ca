"""Batches for training: crops, views, detector-like noise and unseen joints, on the device.

The projection and the 2D row are those of `pipeline.views` and `pipeline.representation2d`, in
torch so that every crop gets its own camera; a test holds the two equal.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from models.training_data import MotionBank
from pipeline.representation2d import CONTACT_THRESHOLD
from pipeline.skeletons import Skeleton
from pipeline.views import VIEW_ANGLE_DEG

_TAN = math.tan(math.radians(VIEW_ANGLE_DEG))


@dataclass(frozen=True)
class CameraAugmentation:
    """How training cameras depart from the paper's four; all zero is the paper."""

    continuous: float = 0.0
    """Share of samples seen from a uniformly random azimuth instead of one of the four."""
    elevation_deg: float = 0.0
    """Largest camera elevation, up or down, of continuous samples."""


@dataclass(frozen=True)
class DetectorNoise:
    """How the 2D input is spoilt to look like a detector's; all zero is the paper."""

    share: float = 0.0
    """Share of samples that are spoilt at all."""
    jitter_m: float = 0.02
    """Largest per-sample standard deviation of joint noise smooth over about 0.2 s, metres."""
    scale: float = 0.08
    """Standard deviation of the log of the body-scale error."""
    proportions: float = 0.06
    """Standard deviation of each bone's length relative to the canonical body's, left = right."""
    drop_share: float = 0.5
    """Share of spoilt samples that also lose joints (a limb, the legs, or scattered spans)."""


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
    pivot = torch.tensor([0.0, 1.0, 0.0], device=joints.device)
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
    feet = [*skeleton.feet_left, *skeleton.feet_right]
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
    bone = view - view[:, :, parent]
    angle = torch.atan2(bone[..., 1], bone[..., 0])
    angle = torch.cat([torch.zeros_like(angle[..., :1]), angle[..., 1:]], dim=-1)
    relative = (angle - angle[..., before])[..., 1:]
    return torch.stack([relative.cos(), -relative.sin()], dim=-1)


def feature_mask(seen: Tensor, skeleton: Skeleton) -> Tensor:
    """Torch twin of `pipeline.feature_masks.feature_mask2d`: (B, T, J) bool -> (B, T-1, D2)."""
    now, both = seen[:, :-1], seen[:, :-1] & seen[:, 1:]
    parent, before = _chain_pairs(skeleton)
    grand = [parent[b] if b else parent[j] for j, b in enumerate(before)]
    bones = now & now[..., parent] & now[..., grand]
    feet = [*skeleton.feet_left, *skeleton.feet_right]
    root = seen[:, 1:, :1] & seen[:, :1, :1]
    parts = [
        root.repeat_interleave(2, -1),
        (now[..., 1:] & now[..., :1]).repeat_interleave(2, -1),
        bones[..., 1:].repeat_interleave(2, -1),
        both.repeat_interleave(2, -1),
        both[..., feet],
    ]
    return torch.cat(parts, dim=-1)


@dataclass(frozen=True)
class Crop:
    """A window of each motion, as if the motion began there."""

    joints: Tensor
    """(B, W + 1, J, 3) metres; the first frame faces +Z at xz = 0. The last frame is held
    beyond a clip's end."""
    x3: Tensor
    """(B, W, D3) not normalised."""
    pad: Tensor
    """(B, W) True beyond a clip's end."""


@dataclass(frozen=True)
class Batch:
    """One training step's input, not normalised."""

    x3: Tensor
    """(B, T, D3)"""
    x2: Tensor
    """(B, T, D2) clean view."""
    input2: Tensor
    """(B, T, D2) the same view as the lifting input sees it (noise, scale)."""
    mask2: Tensor
    """(B, T, D2) False where the input entry is unseen."""
    pad: Tensor
    """(B, T) True beyond a clip's end."""
    text: Tensor
    """(B, text_dim)"""


CROP_UNIT = 4
"""Crops are whole motion units of four frames (Guo et al. 2022)."""
SHORTER_SHARE = 1 / 3
"""Share of crops that are one unit shorter than they could be."""


def _spans(rows: Tensor, window: int, g: torch.Generator, *, whole: bool) -> tuple[Tensor, Tensor]:
    """First and one-past-last row of a crop of each motion."""
    count, device = len(rows), rows.device
    if whole:
        u = torch.rand(count, generator=g).to(device)
        start = torch.minimum((u * (rows - window + 1)).long(), rows - window)
        return start, start + window
    length = torch.clamp(rows, max=window) // CROP_UNIT * CROP_UNIT
    shorter = (torch.rand(count, generator=g) < SHORTER_SHARE).to(device) & (length > CROP_UNIT)
    length = length - CROP_UNIT * shorter
    spare = rows - length
    u = torch.rand(count, generator=g).to(device)
    start = torch.minimum((u * (spare + 1)).long(), spare)
    return start, start + length


def crop_motions(
    bank: MotionBank, index: Tensor, window: int, g: torch.Generator, *, whole: bool = False
) -> Crop:
    """Cut a window out of each motion and re-anchor it to its own first frame.

    Args:
        bank: The split.
        index: (B,) motions to crop.
        window: Rows; shorter motions are padded.
        g: CPU generator.
        whole: Every motion is at least `window` rows long and fills it: nothing is padded.
    """
    device = bank.joints.device
    start, last = _spans(bank.rows[index], window, g, whole=whole)
    frame = start[:, None] + torch.arange(window + 1, device=device)
    inside = torch.minimum(frame, last[:, None])
    joints = bank.joints[index[:, None], inside]
    root = joints[:, :1, :1] * torch.tensor([1.0, 0.0, 1.0], device=device)
    turn = rotation_y(-bank.yaw[index, start])
    row = inside[:, :-1].clamp(max=bank.features3.shape[1] - 1)
    return Crop(
        joints=(joints - root) @ turn.transpose(1, 2)[:, None],
        x3=bank.features3[index[:, None], row],
        pad=frame[:, :-1] >= last[:, None],
    )


def make_batch(
    bank: MotionBank,
    index: Tensor,
    window: int,
    skeleton: Skeleton,
    *,
    camera: CameraAugmentation,
    noise: DetectorNoise,
    generator: torch.Generator,
    whole: bool = False,
) -> Batch:
    """Crops of `window` rows with their views, clean and as a detector would give them.

    Args:
        bank: The split.
        index: (B,) motions to crop.
        window: Rows; shorter motions are padded.
        skeleton: The joint tree.
        camera: Camera augmentation.
        noise: Detector noise.
        generator: On the CPU; the batch is a function of its state (on one kind of device).
        whole: Every motion is at least `window` rows long and fills it: nothing is padded.
    """
    g, device, batch = generator, bank.joints.device, len(index)
    crop = crop_motions(bank, index, window, g, whole=whole)
    azimuth, elevation = _cameras(batch, camera, g, device)
    view = project(crop.joints, azimuth, elevation)
    hit = torch.rand(batch, generator=g) < noise.share
    body = _other_proportions(crop.joints, hit.to(device) * noise.proportions, skeleton, g)
    spoilt = _jitter(project(body, azimuth, elevation), hit, noise, g)
    lost = hit & (torch.rand(batch, generator=g) < noise.drop_share)
    seen = _seen(lost, window + 1, skeleton, g).to(device)
    keep = (~crop.pad)[..., None]
    return Batch(
        x3=crop.x3 * keep,
        x2=view_features(view, skeleton) * keep,
        input2=view_features(spoilt, skeleton) * keep,
        mask2=feature_mask(seen, skeleton),
        pad=crop.pad,
        text=_texts(bank, index, g),
    )


def _cameras(
    batch: int, camera: CameraAugmentation, g: torch.Generator, device: torch.device
) -> tuple[Tensor, Tensor]:
    quarter = torch.randint(0, 4, (batch,), generator=g) * (math.pi / 2)
    anywhere = torch.rand(batch, generator=g) * (2 * math.pi)
    free = torch.rand(batch, generator=g) < camera.continuous
    tilt = (torch.rand(batch, generator=g) * 2 - 1) * math.radians(camera.elevation_deg)
    azimuth = torch.where(free, anywhere, quarter)
    return azimuth.to(device), torch.where(free, tilt, torch.zeros_like(tilt)).to(device)


def _texts(bank: MotionBank, index: Tensor, g: torch.Generator) -> Tensor:
    u = torch.rand(len(index), generator=g).to(index.device)
    count = bank.captions[index]
    which = (u * count.clamp(min=1)).long().clamp(max=bank.text.shape[1] - 1)
    return bank.text[index, which] * (count > 0)[:, None]


def ancestor_matrix(skeleton: Skeleton) -> Tensor:
    """(J, J) with 1 where the column's bone lies on the row joint's way to the root."""
    out = torch.eye(skeleton.n_joints)
    for joint in range(1, skeleton.n_joints):
        parent = joint
        while (parent := skeleton.parents[parent]) >= 0:
            out[joint, parent] = 1.0
    return out


def _other_proportions(
    joints: Tensor, spread: Tensor, skeleton: Skeleton, g: torch.Generator
) -> Tensor:
    """The same poses on a body with other bone lengths; `spread` (B,) is the relative std."""
    batch, device = len(joints), joints.device
    parents = [max(p, 0) for p in skeleton.parents]
    same = torch.minimum(torch.tensor(skeleton.mirror_order), torch.arange(skeleton.n_joints))
    draw = torch.randn(batch, skeleton.n_joints, generator=g)[:, same].to(device)
    factor = (1.0 + draw.clamp(-2, 2) * spread[:, None])[:, None, :, None]
    bones = joints - joints[:, :, parents]
    bones = torch.cat([joints[:, :, :1], bones[:, :, 1:] * factor[:, :, 1:]], dim=2)
    chain = ancestor_matrix(skeleton).to(device)
    return torch.einsum("jk,btkd->btjd", chain, bones)


def device_generator(g: torch.Generator, device: torch.device) -> torch.Generator:
    """A generator on the batch's device, seeded from `g`: large draws on a GPU are made there."""
    if device.type == "cpu":
        return g
    seed = int(torch.randint(0, 2**62, (1,), generator=g))
    return torch.Generator(device).manual_seed(seed)


def _jitter(view: Tensor, hit: Tensor, noise: DetectorNoise, g: torch.Generator) -> Tensor:
    """Wrong body scale, and joint noise smooth over five frames, on the samples in `hit`."""
    batch, frames, joints = view.shape[:3]
    device = view.device
    sigma = (torch.rand(batch, generator=g) * noise.jitter_m * hit).to(device)
    scale = torch.exp(torch.randn(batch, generator=g) * noise.scale * hit).to(device)
    local = device_generator(g, device)
    white = torch.randn(batch, joints * 2, frames + 4, generator=local, device=device)
    smooth = torch.nn.functional.avg_pool1d(white, 5, 1) * math.sqrt(5.0)
    jitter = smooth.transpose(1, 2).reshape(batch, frames, joints, 2)
    spoilt = view * scale[:, None, None, None] + jitter * sigma[:, None, None, None]
    return spoilt - spoilt[:, :1, :1]


SCATTERED_SHARE = 0.15
"""Share of joints lost when a sample loses scattered joints instead of a limb."""


def _seen(lost: Tensor, frames: int, skeleton: Skeleton, g: torch.Generator) -> Tensor:
    """(B, frames, J) False where a sample in `lost` (B,) loses a limb, the legs, or single joints.

    Joints are lost over a span of frames; a limb, half the time, over the whole crop. The root
    is always seen.
    """
    batch = len(lost)
    seen = torch.ones(batch, frames, skeleton.n_joints, dtype=torch.bool)
    limbs = [list(chain[2:]) for chain in skeleton.chains if len(chain) >= 5]
    # The two leg chains come first: a body seen from the waist up loses both from the knees.
    groups = [*limbs, limbs[0] + limbs[1]]
    kind = torch.randint(0, len(groups) + 2, (batch,), generator=g).tolist()
    spans = torch.rand(batch, 2, generator=g)
    scattered = torch.rand(batch, skeleton.n_joints, generator=g) < SCATTERED_SHARE
    for i in torch.nonzero(lost).flatten().tolist():
        a, b = sorted((spans[i] * frames).long().tolist())
        if kind[i] < len(groups):
            whole = bool(spans[i, 0] < 0.5)
            seen[i, 0 if whole else a : frames if whole else b + 1, groups[kind[i]]] = False
        else:
            which = scattered[i].nonzero().flatten()
            seen[i, a : b + 1, which[which > 0]] = False
    return seen
