"""G_2D->3D as a labeller: projected-view features in, 3D motion out, one pass (t = 0, no text)."""

from dataclasses import dataclass

import numpy as np
import torch

from models.checkpoint import Checkpoint
from pipeline.arrays import Bool, Float32
from pipeline.representation2d import ROOT_FIELDS
from pipeline.representation3d import recover_joints

WINDOW_OVERLAP = 48
"""Frames that neighbouring windows of a long clip share and blend over."""
WINDOWS_TOGETHER = 64
"""Most windows of several clips that go through the network at once: what bounds the memory."""
WINDOWS_AT_ONCE = 16
"""Windows in one pass of the network: two minutes of motion; ten would take 400 MiB at once."""


@dataclass(frozen=True)
class LiftedMotion:
    """A pseudo-3D label."""

    features: Float32
    """(T, D3), not normalised."""
    joints: Float32
    """(T, J, 3) metres, Y up; frame 0 faces +Z at xz = 0."""
    windows: int
    """How many network windows were blended."""


def window_starts(frames: int, window: int, overlap: int = WINDOW_OVERLAP) -> list[int]:
    """First frames of windows that cover a clip, evenly spread.

    Neighbours overlap by at least `overlap` frames, or half a window where that is less.
    """
    if frames <= window:
        return [0]
    overlap = min(overlap, window // 2)
    count = int(np.ceil((frames - overlap) / (window - overlap)))
    return [round(i * (frames - window) / (count - 1)) for i in range(count)]


def blend_weights(start: int, length: int, frames: int, overlap: int = WINDOW_OVERLAP) -> Float32:
    """(length,) weight of a window: ramps where a neighbour overlaps, one elsewhere."""
    overlap = min(overlap, length // 2)
    weight = np.ones(length, np.float32)
    ramp = (np.arange(overlap, dtype=np.float32) + 1) / (overlap + 1)
    if start > 0:
        weight[:overlap] = ramp
    if start + length < frames:
        weight[length - overlap :] = ramp[::-1]
    return weight


def _root_path(features: Float32, seen: Bool) -> Float32:
    """(T, 2) root displacement of each row's next frame, linear between the rows that were seen."""
    usable = np.flatnonzero(seen[:, :ROOT_FIELDS].all(axis=1))
    if len(usable) == 0:
        return np.zeros((len(features), ROOT_FIELDS), np.float32)
    rows = np.arange(len(features))
    columns = [np.interp(rows, usable, features[usable, c]) for c in range(ROOT_FIELDS)]
    return np.stack(columns, axis=-1).astype(np.float32)


def _reanchored(features: Float32, root: Float32, start: int, stop: int) -> Float32:
    """A window's rows with the root displacement counted from the window's own first frame.

    A row holds the next frame's root, so the window's frame 0 lies in the row before it.
    """
    rows = features[start:stop].copy()
    if start > 0:
        rows[:, :ROOT_FIELDS] -= root[start - 1]
    return rows


def _sureness(mask: Bool, confidence: Float32 | None, joints: int) -> Float32:
    """(T, J) what a network with `confidence_input` is told: 0 where a joint was not seen.

    A row's mask tells of every joint but the root whether it was seen: its place is known. The root
    was, where any place is, as places are told from it.
    """
    places = mask[:, ROOT_FIELDS : ROOT_FIELDS + 2 * (joints - 1) : 2]
    seen: Bool = np.concatenate([places.any(axis=1, keepdims=True), places], axis=1)
    if confidence is None:
        return seen.astype(np.float32)
    return np.where(seen, confidence.clip(0.0, 1.0), 0.0).astype(np.float32)


@torch.inference_mode()
def lift(
    checkpoint: Checkpoint,
    features: Float32,
    mask: Bool | None = None,
    confidence: Float32 | None = None,
) -> LiftedMotion:
    """Lift one clip.

    Args:
        checkpoint: Trained network with its statistics.
        features: (T, D2) of one projected view, not normalised.
        mask: (T, D2) True where an entry was seen; unseen entries enter as zero. None: all seen.
        confidence: (T, J) of the joints at each row's own frame, as the detector gave it. Only a
            network with `confidence_input` is told; None then tells it the mask, as 0 and 1.

    Returns:
        The label. Windows are blended in feature space, where rows are relative to the body, so
        no seam in position or heading can arise.

    Raises:
        ValueError: Wrong width, or values that are not finite where the mask is True; confidences
            of another shape or not finite.
    """
    d2 = checkpoint.skeleton.dim2
    if features.ndim != 2 or features.shape[1] != d2 or len(features) == 0:
        raise ValueError(f"features must be (T >= 1, {d2}), got {features.shape}")
    seen = np.ones(features.shape, dtype=np.bool_) if mask is None else mask
    if not np.isfinite(features[seen]).all():
        raise ValueError("2D features hold values that are not finite")
    joints = checkpoint.skeleton.n_joints
    wanted = (len(features), joints)
    if confidence is not None and (confidence.shape != wanted or not np.isfinite(confidence).all()):
        raise ValueError(f"confidence must be {wanted} and finite, got {confidence.shape}")
    clean = np.where(seen, features, 0.0).astype(np.float32)
    takes = checkpoint.network.config.confidence_input
    sure = _sureness(seen, confidence, joints) if takes else None
    lifted, windows = _lift_windows(checkpoint, clean, seen, sure)
    return LiftedMotion(lifted, recover_joints(lifted, checkpoint.skeleton), windows)


def _lift_windows(
    checkpoint: Checkpoint, clean: Float32, seen: Bool, sure: Float32 | None
) -> tuple[Float32, int]:
    """(T, D3) lifted features, and how many windows they were blended from."""
    told = None if sure is None else sure[None]
    lifted, windows = _lift_stack(checkpoint, clean[None], seen[None], told)
    return lifted[0], windows


@torch.inference_mode()
def lift_together(
    checkpoint: Checkpoint, features: Float32, masks: Bool, confidence: Float32 | None = None
) -> tuple[Float32, int]:
    """Lift several clips of one length, in one pass where they are short enough.

    Args:
        checkpoint: Trained network with its statistics.
        features: (M, T, D2), each as `lift` takes it.
        masks: (M, T, D2).
        confidence: (M, T, J), as `lift` takes it.

    Returns:
        (M, T, D3) lifted features, not normalised, and the number of windows of all.

    Raises:
        ValueError: As `lift`.
    """
    if not np.isfinite(features[masks]).all():
        raise ValueError("2D features hold values that are not finite")
    clean = np.where(masks, features, 0.0).astype(np.float32)
    joints = checkpoint.skeleton.n_joints
    sure = None
    if checkpoint.network.config.confidence_input:
        told = [None] * len(masks) if confidence is None else list(confidence)
        pairs = zip(masks, told, strict=True)
        sure = np.stack([_sureness(mask, each, joints) for mask, each in pairs])
    windows = len(window_starts(clean.shape[1], checkpoint.network.config.max_frames))
    size = clips_at_once(checkpoint, clean.shape[1])
    lifted = np.empty((*clean.shape[:2], checkpoint.skeleton.dim3), np.float32)
    for first in range(0, len(clean), size):
        p = slice(first, first + size)
        some = None if sure is None else sure[p]
        lifted[p] = _lift_stack(checkpoint, clean[p], masks[p], some)[0]
    return lifted, windows * len(clean)


def clips_at_once(checkpoint: Checkpoint, frames: int) -> int:
    """How many clips of that many frames `lift_together` takes through the network together."""
    windows = len(window_starts(frames, checkpoint.network.config.max_frames))
    return max(1, WINDOWS_TOGETHER // windows)


def _lift_stack(
    checkpoint: Checkpoint, clean: Float32, seen: Bool, sure: Float32 | None
) -> tuple[Float32, int]:
    """(M, T, D3) of M clips of one length, and how many windows each was blended from."""
    clips, frames = clean.shape[:2]
    length = min(frames, checkpoint.network.config.max_frames)
    starts = window_starts(frames, length)
    cut = [(i, s) for i in range(clips) for s in starts]
    roots = [_root_path(c, k) for c, k in zip(clean, seen, strict=True)]
    total = np.zeros((clips, frames, checkpoint.skeleton.dim3), np.float32)
    for first in range(0, len(cut), WINDOWS_AT_ONCE):
        some = cut[first : first + WINDOWS_AT_ONCE]
        rows = np.stack([_reanchored(clean[i], roots[i], s, s + length) for i, s in some])
        masks = np.stack([seen[i, s : s + length] for i, s in some])
        told = None if sure is None else np.stack([sure[i, s : s + length] for i, s in some])
        out = _run_together(checkpoint, rows, masks, told)
        for (i, start), part in zip(some, out, strict=True):
            w = blend_weights(start, length, frames)[:, None]
            total[i, start : start + length] += w * part
    weight = np.zeros((frames, 1), np.float32)
    for start in starts:
        weight[start : start + length] += blend_weights(start, length, frames)[:, None]
    total /= weight
    return total, len(starts)


def _run_together(
    checkpoint: Checkpoint, rows: Float32, masks: Bool, sure: Float32 | None
) -> Float32:
    """(N, T, D2) windows -> (N, T, D3), through the network's own normalisation.

    `sure` (N, T, J) goes to a network with `confidence_input`.
    """
    s, config = checkpoint.statistics, checkpoint.network.config
    device = checkpoint.network.embed_text.weight.device
    x = (rows - s.mean2) / s.std2 * masks
    frames = x.shape[1]
    if not checkpoint.masks_padding:
        # Trained as published: zeros up to the longest input, attended to.
        beyond = ((0, 0), (0, config.max_frames - frames), (0, 0))
        x = np.pad(x, beyond)
        sure = None if sure is None else np.pad(sure, beyond, constant_values=1.0)
    batch = torch.from_numpy(x).to(device)
    t = torch.zeros(len(x), dtype=torch.long, device=device)
    text = torch.zeros(len(x), config.text_dim, device=device)
    told = None if sure is None else torch.from_numpy(sure).to(device)
    out = checkpoint.network.path(batch, "2d", "3d", t, text, confidence=told)[:, :frames]
    lifted: Float32 = out.float().cpu().numpy() * s.std3 + s.mean3
    return lifted
