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


@torch.inference_mode()
def lift(checkpoint: Checkpoint, features: Float32, mask: Bool | None = None) -> LiftedMotion:
    """Lift one clip.

    Args:
        checkpoint: Trained network with its statistics.
        features: (T, D2) of one projected view, not normalised.
        mask: (T, D2) True where an entry was seen; unseen entries enter as zero. None: all seen.

    Returns:
        The label. Windows are blended in feature space, where rows are relative to the body, so
        no seam in position or heading can arise.

    Raises:
        ValueError: Wrong width, or values that are not finite where the mask is True.
    """
    d2 = checkpoint.skeleton.dim2
    if features.ndim != 2 or features.shape[1] != d2 or len(features) == 0:
        raise ValueError(f"features must be (T >= 1, {d2}), got {features.shape}")
    seen = np.ones(features.shape, dtype=np.bool_) if mask is None else mask
    if not np.isfinite(features[seen]).all():
        raise ValueError("2D features hold values that are not finite")
    clean = np.where(seen, features, 0.0).astype(np.float32)
    lifted, windows = _lift_windows(checkpoint, clean, seen)
    return LiftedMotion(lifted, recover_joints(lifted, checkpoint.skeleton), windows)


def _lift_windows(checkpoint: Checkpoint, clean: Float32, seen: Bool) -> tuple[Float32, int]:
    """(T, D3) lifted features, and how many windows they were blended from."""
    frames = len(clean)
    length = min(frames, checkpoint.network.config.max_frames)
    starts = window_starts(frames, length)
    root = _root_path(clean, seen)
    rows = np.stack([_reanchored(clean, root, s, s + length) for s in starts])
    out = _run(checkpoint, rows, np.stack([seen[s : s + length] for s in starts]))
    total = np.zeros((frames, out.shape[-1]), np.float32)
    weight = np.zeros((frames, 1), np.float32)
    for start, part in zip(starts, out, strict=True):
        w = blend_weights(start, length, frames)[:, None]
        total[start : start + length] += w * part
        weight[start : start + length] += w
    return total / weight, len(starts)


def _run(checkpoint: Checkpoint, rows: Float32, masks: Bool) -> Float32:
    """(N, T, D2) windows -> (N, T, D3), through the network's own normalisation."""
    s, config = checkpoint.statistics, checkpoint.network.config
    device = checkpoint.network.embed_text.weight.device
    x = (rows - s.mean2) / s.std2 * masks
    frames = x.shape[1]
    if not checkpoint.masks_padding:
        # Trained as published: zeros up to the longest input, attended to.
        x = np.pad(x, ((0, 0), (0, config.max_frames - frames), (0, 0)))
    batch = torch.from_numpy(x).to(device)
    t = torch.zeros(len(x), dtype=torch.long, device=device)
    text = torch.zeros(len(x), config.text_dim, device=device)
    out = checkpoint.network.path(batch, "2d", "3d", t, text)[:, :frames]
    lifted: Float32 = out.float().cpu().numpy() * s.std3 + s.mean3
    return lifted
