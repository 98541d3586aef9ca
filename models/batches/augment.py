"""Batches for training: crops, views, detector-like noise and unseen joints, on the device."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from models.batches.batch import Batch
from models.batches.detector_faults import (
    confidences,
    in_picture,
    measured_offsets,
    not_covered,
    swapped,
)
from models.batches.detector_noise import DetectorNoise, jitter, other_proportions, seen_joints
from models.batches.pose_mix import PoseMix, mix_motions
from models.batches.projection import feature_mask, project, rotation_y, view_features
from models.batches.proportions import SAME_BODY, Proportions, other_bodies, to_judged_size
from models.batches.torch_features import on_ground
from models.data.training_data import MotionBank
from pipeline.skeletons import Skeleton


@dataclass(frozen=True)
class CameraAugmentation:
    """How training cameras depart from the paper's four; all zero is the paper."""

    continuous: float = 0.0
    """Share of samples seen from a uniformly random azimuth instead of one of the four."""
    elevation_deg: float = 0.0
    """Largest camera elevation, up or down, of continuous samples."""
    quarters: int = 4
    """How many of front, left, back and right are drawn from, in this order; 1: front alone."""

    def __post_init__(self) -> None:
        if self.quarters not in range(1, 5):
            raise ValueError(f"quarters must be 1 to 4 cameras, got {self.quarters}")


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

    def join(self, other: "Crop") -> "Crop":
        """Both one after the other."""
        return Crop(
            torch.cat([self.joints, other.joints]),
            torch.cat([self.x3, other.x3]),
            torch.cat([self.pad, other.pad]),
        )


NO_MIX = PoseMix()
CROP_UNIT = 4
"""Crops are whole motion units of four frames (Guo et al. 2022)."""
SHORTER_SHARE = 1 / 3
"""Share of crops that are one unit shorter than they could be."""


def _spans(
    rows: Tensor, window: int, g: torch.Generator | None, *, whole: bool
) -> tuple[Tensor, Tensor]:
    """First and one-past-last row of a crop of each motion."""
    count, device = len(rows), rows.device
    if whole:
        u = torch.rand(count, generator=g, device=device)
        start = torch.minimum((u * (rows - window + 1)).long(), rows - window)
        return start, start + window
    length = crop_lengths(rows, window, g)
    spare = rows - length
    u = torch.rand(count, generator=g, device=device)
    start = torch.minimum((u * (spare + 1)).long(), spare)
    return start, start + length


def crop_lengths(rows: Tensor, window: int, g: torch.Generator | None) -> Tensor:
    """(B,) rows of a crop of motions of `rows` (B,) rows: whole units, at most `window`."""
    length = torch.clamp(rows, max=window) // CROP_UNIT * CROP_UNIT
    shorter = torch.rand(len(rows), generator=g, device=rows.device) < SHORTER_SHARE
    shorter = shorter & (length > CROP_UNIT)
    return length - CROP_UNIT * shorter


def crop_motions(
    bank: MotionBank, index: Tensor, window: int, g: torch.Generator | None, *, whole: bool = False
) -> Crop:
    """Cut a window out of each motion and re-anchor it to its own first frame.

    Args:
        bank: The split.
        index: (B,) motions to crop.
        window: Rows; shorter motions are padded.
        g: On the bank's device; None is the device's own.
        whole: Every motion is at least `window` rows long and fills it: nothing is padded.
    """
    device = bank.joints.device
    start, last = _spans(bank.rows[index], window, g, whole=whole)
    frame = start[:, None] + torch.arange(window + 1, device=device)
    inside = torch.minimum(frame, last[:, None])
    joints = bank.joints[index[:, None], inside]
    root = on_ground(joints[:, :1, :1])
    turn = rotation_y(-bank.yaw[index, start])
    row = inside[:, :-1].clamp(max=bank.features3.shape[1] - 1)
    return Crop(
        joints=(joints - root) @ turn.transpose(1, 2)[:, None],
        x3=bank.features3[index[:, None], row],
        pad=frame[:, :-1] >= last[:, None],
    )


def _retimed(
    bank: MotionBank, index: Tensor, window: int, mix: PoseMix, g: torch.Generator | None
) -> Tensor:
    """(B, window + 1, J, 3) of each motion, played at another speed, from a random start."""
    device, rows = bank.joints.device, bank.rows[index]
    u = torch.rand(2, len(index), generator=g, device=device)
    speed = mix.slowest + u[0] * (mix.fastest - mix.slowest)
    speed = torch.minimum(speed, rows / window)
    start = u[1] * (rows - speed * window)
    frame = start[:, None] + speed[:, None] * torch.arange(window + 1, device=device)
    before = torch.minimum(frame.long(), rows[:, None] - 1)
    share = (frame - before).clamp(0.0, 1.0)[..., None, None]
    pick = index[:, None]
    return (1 - share) * bank.joints[pick, before] + share * bank.joints[pick, before + 1]


def _mixed_crop(
    bank: MotionBank,
    index: Tensor,
    window: int,
    mix: PoseMix,
    skeleton: Skeleton,
    g: torch.Generator | None,
) -> Crop:
    legs = _retimed(bank, index, window, mix, g)
    upper = _retimed(bank, index.roll(1), window, mix, g)
    joints, x3 = mix_motions(legs, upper, mix, skeleton, g)
    pad = torch.zeros(x3.shape[:2], dtype=torch.bool, device=x3.device)
    return Crop(joints, x3, pad)


def make_batch(
    bank: MotionBank,
    index: Tensor,
    window: int,
    skeleton: Skeleton,
    *,
    camera: CameraAugmentation,
    noise: DetectorNoise,
    generator: torch.Generator | None,
    whole: bool = False,
    mix: PoseMix = NO_MIX,
    proportions: Proportions = SAME_BODY,
) -> Batch:
    """Crops of `window` rows with their views, clean and as a detector would give them.

    Args:
        bank: The split.
        index: (B,) motions to crop.
        window: Rows; shorter motions are padded.
        skeleton: The joint tree.
        camera: Camera augmentation.
        noise: Detector noise.
        generator: On the bank's device; the batch is a function of its state. None draws from the
            device's own generator.
        whole: Every motion is at least `window` rows long and fills it: nothing is padded.
        mix: How much of the batch is mixed from two motions; needs `whole`.
        proportions: Which bodies the lifting input shows; the targets are the canonical one's.

    Raises:
        ValueError: Mixing was asked for together with padding.
    """
    g, device, batch = generator, bank.joints.device, len(index)
    mixed = int(batch * mix.share)
    if mixed and not whole:
        raise ValueError("mixing motions needs bucketed windows: they leave nothing padded")
    crop = crop_motions(bank, index[mixed:], window, g, whole=whole)
    text = caption_texts(bank, index, g)
    if mixed:
        made = _mixed_crop(bank, index[:mixed], window, mix, skeleton, g)
        crop = made.join(crop)
        text = text * (torch.arange(batch, device=device) >= mixed)[:, None]
    azimuth, elevation = _cameras(batch, camera, g, device)
    view = project(crop.joints, azimuth, elevation)
    hit = torch.rand(batch, generator=g, device=device) < noise.share
    body = other_proportions(crop.joints, hit * noise.proportions, skeleton, g)
    shown = _shown(body, azimuth, elevation, proportions, skeleton, g)
    spoilt, exact = jitter(shown, hit, noise, g)
    lost = hit & (torch.rand(batch, generator=g, device=device) < noise.drop_share)
    seen = seen_joints(lost, window + 1, skeleton, g, noise.flicker_share)
    spoilt, seen = _with_faults(spoilt, seen, hit, noise, skeleton, g)
    error = (_about_root(spoilt) - _about_root(exact)).norm(dim=-1)
    sure = confidences(error, seen, hit, noise, g)
    keep = (~crop.pad)[..., None]
    return Batch(
        x3=crop.x3 * keep,
        x2=view_features(view, skeleton) * keep,
        input2=view_features(spoilt, skeleton) * keep,
        mask2=feature_mask(seen, skeleton),
        pad=crop.pad,
        text=text,
        confidence=sure[:, :-1],
    )


def _shown(
    body: Tensor,
    azimuth: Tensor,
    elevation: Tensor,
    proportions: Proportions,
    skeleton: Skeleton,
    g: torch.Generator | None,
) -> Tensor:
    """(B, T, J, 2) the view that is lifted, of the canonical body or of others."""
    if not proportions.share:
        return project(body, azimuth, elevation)
    others, changed = other_bodies(body, proportions, skeleton, g)
    return to_judged_size(project(others, azimuth, elevation), changed)


def _about_root(view: Tensor) -> Tensor:
    return view - view[:, :, :1]


def _with_faults(
    view: Tensor,
    seen: Tensor,
    hit: Tensor,
    noise: DetectorNoise,
    skeleton: Skeleton,
    g: torch.Generator | None,
) -> tuple[Tensor, Tensor]:
    """The faults that were asked for, on views (B, T, J, 2) and what is seen of them (B, T, J)."""
    if noise.moves:
        view = view + measured_offsets(view, hit, noise, skeleton, g)
        if noise.swap_share:
            view = swapped(view, hit, noise, skeleton, g)
        view = view - view[:, :1, :1]
    if noise.frame_share:
        seen = seen & in_picture(view, hit, noise.frame_share, g)
    if noise.burst_share:
        seen = seen & not_covered(seen, hit, noise.burst_share, g)
    return view, seen


def _cameras(
    batch: int, camera: CameraAugmentation, g: torch.Generator | None, device: torch.device
) -> tuple[Tensor, Tensor]:
    quarter = torch.randint(0, camera.quarters, (batch,), generator=g, device=device) * (
        math.pi / 2
    )
    draw = torch.rand(3, batch, generator=g, device=device)
    free = draw[0] < camera.continuous
    azimuth = torch.where(free, draw[1] * (2 * math.pi), quarter)
    tilt = (draw[2] * 2 - 1) * math.radians(camera.elevation_deg)
    return azimuth, torch.where(free, tilt, torch.zeros_like(tilt))


def caption_texts(bank: MotionBank, index: Tensor, g: torch.Generator | None) -> Tensor:
    """(B, text_dim) one of each motion's captions, zeros where it has none."""
    u = torch.rand(len(index), generator=g, device=bank.text.device)
    count = bank.captions[index]
    which = (u * count.clamp(min=1)).long().clamp(max=bank.text.shape[1] - 1)
    return bank.text[index, which] * (count > 0)[:, None]
