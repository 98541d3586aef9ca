"""How good a network is on the validation split: losses of all paths, and the lift's error."""

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from models.augment import project, view_features
from models.diffusion import ForwardProcess
from models.lift_metrics import LiftErrors, summarise
from models.losses import path_losses
from models.network import CrossDiff
from models.training_data import MotionBank
from pipeline.arrays import AnyFloat
from pipeline.normalisation import Statistics
from pipeline.representation3d import recover_joints
from pipeline.skeletons import Skeleton

VALIDATION_STEPS = (0, 100, 300, 600, 900)
"""Timesteps at which the four paths' losses are measured."""
LOSS_VIEWS = 1
"""Views of the four in which losses are measured; the lift is measured in all. The front view
alone keeps a validation on a CPU to a minute."""


def _views(bank: MotionBank, rows: int, azimuth: float, skeleton: Skeleton) -> torch.Tensor:
    angle = torch.full((len(bank),), azimuth, device=bank.joints.device)
    view = project(bank.joints[:, : rows + 1], angle, torch.zeros_like(angle))
    return view_features(view, skeleton)


@dataclass(frozen=True)
class _Split:
    """A validation split, normalised and ready for the network."""

    x3: Tensor
    """(N, T, D3) normalised, zero on padding."""
    views: tuple[Tensor, ...]
    """Four (N, T, D2), normalised, zero on padding."""
    valid: Tensor
    """(N, T)"""
    hidden: Tensor | None
    """(N, T) padding to hide from attention, or None to attend to it."""
    no_text: Tensor
    """(N, text_dim) zeros."""


@torch.inference_mode()
def validate(
    network: CrossDiff,
    bank: MotionBank,
    statistics: Statistics,
    skeleton: Skeleton,
    *,
    masks_padding: bool,
) -> tuple[dict[str, float], LiftErrors]:
    """Losses per path (mean over fixed timesteps, fixed noise) and lifting errors.

    Lifting is measured on the first `max_frames` rows of every motion, in the four views, from
    clean 2D.

    Args:
        network: In eval mode.
        bank: The validation split, on the network's device.
        statistics: Normalisation of both representations.
        skeleton: The joint tree.
        masks_padding: Hide padded frames from attention, as the network was trained.
    """
    rows = min(network.config.max_frames, bank.features3.shape[1])
    split = _prepare(bank, statistics, skeleton, rows, network.config.text_dim)
    if not masks_padding:
        split = replace(split, hidden=None)
    return _losses(network, split), _lift_errors(network, split, bank, statistics, skeleton)


def _prepare(
    bank: MotionBank, statistics: Statistics, skeleton: Skeleton, rows: int, text_dim: int
) -> _Split:
    device = bank.joints.device
    arrays = statistics.arrays()
    mean3, std3, mean2, std2 = (torch.from_numpy(a).to(device) for a in arrays.values())
    pad = torch.arange(rows, device=device) >= bank.rows[:, None]
    keep = (~pad)[..., None]
    quarters = [quarter * np.pi / 2 for quarter in range(4)]
    views = (_views(bank, rows, azimuth, skeleton) for azimuth in quarters)
    return _Split(
        x3=(bank.features3[:, :rows] - mean3) / std3 * keep,
        views=tuple((view - mean2) / std2 * keep for view in views),
        valid=~pad,
        hidden=pad,
        no_text=torch.zeros(len(bank), text_dim, device=device),
    )


def _losses(network: CrossDiff, split: _Split) -> dict[str, float]:
    device, count = split.x3.device, len(split.x3)
    process, g = ForwardProcess.create(device), torch.Generator().manual_seed(0)
    weight3 = torch.ones(split.x3.shape[-1], device=device)
    keep = split.valid[..., None]
    sums: dict[str, list[float]] = {}
    for x2 in split.views[:LOSS_VIEWS]:
        for step in VALIDATION_STEPS:
            t = torch.full((count,), step, device=device)
            n3, n2 = (torch.randn(x.shape, generator=g).to(device) * keep for x in (split.x3, x2))
            outputs = network(
                process.add_noise(split.x3, t, n3),
                process.add_noise(x2, t, n2),
                t,
                split.no_text,
                split.hidden,
            )
            for path, loss in path_losses(outputs, split.x3, x2, split.valid, weight3).items():
                sums.setdefault(path, []).append(float(loss))
    return {path: float(np.mean(values)) for path, values in sums.items()}


def _lift_errors(
    network: CrossDiff,
    split: _Split,
    bank: MotionBank,
    statistics: Statistics,
    skeleton: Skeleton,
) -> LiftErrors:
    longest = split.x3.shape[1]
    lengths = bank.rows.clamp(max=longest).tolist()
    rows3 = bank.features3[:, :longest].cpu().numpy()
    truths = [recover_joints(f[:n], skeleton) for f, n in zip(rows3, lengths, strict=True)]
    zero = torch.zeros(len(bank), dtype=torch.long, device=split.x3.device)
    pairs: list[tuple[AnyFloat, AnyFloat]] = []
    for x2 in split.views:
        out = network.path(x2, "2d", "3d", zero, split.no_text, pad=split.hidden)
        lifted = out.float().cpu().numpy() * statistics.std3 + statistics.mean3
        for rows, truth in zip(lifted, truths, strict=True):
            pairs.append((recover_joints(rows[: len(truth)], skeleton), truth))
    return summarise(pairs)
