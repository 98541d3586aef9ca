"""How good a network is on the validation split: losses of all paths, and the lift's error."""

import numpy as np
import torch

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


def _views(bank: MotionBank, rows: int, azimuth: float, skeleton: Skeleton) -> torch.Tensor:
    angle = torch.full((len(bank),), azimuth, device=bank.joints.device)
    view = project(bank.joints[:, : rows + 1], angle, torch.zeros_like(angle))
    return view_features(view, skeleton)


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
    """
    device = bank.joints.device
    mean3, std3, mean2, std2 = (
        torch.from_numpy(a).to(device) for a in statistics.arrays().values()
    )
    rows = min(network.config.max_frames, bank.features3.shape[1])
    pad = torch.arange(rows, device=device) >= bank.rows[:, None]
    keep = (~pad)[..., None]
    hidden = pad if masks_padding else None
    x3 = (bank.features3[:, :rows] - mean3) / std3 * keep
    process, count = ForwardProcess.create(device), len(bank)
    g = torch.Generator().manual_seed(0)
    no_text = torch.zeros(count, network.config.text_dim, device=device)
    weight3 = torch.ones(x3.shape[-1], device=device)
    sums: dict[str, list[float]] = {}
    pairs: list[tuple[AnyFloat, AnyFloat]] = []
    truths = [recover_joints(f[:n].cpu().numpy(), skeleton)
              for f, n in zip(bank.features3[:, :rows], bank.rows.tolist(), strict=True)]
    for quarter in range(4):
        view = _views(bank, rows, quarter * np.pi / 2, skeleton)
        x2 = (view - mean2) / std2 * keep
        for step in VALIDATION_STEPS:
            t = torch.full((count,), step, device=device)
            n3, n2 = (torch.randn(x.shape, generator=g).to(device) * keep for x in (x3, x2))
            outputs = network(
                process.add_noise(x3, t, n3), process.add_noise(x2, t, n2), t, no_text, hidden
            )
            for path, loss in path_losses(outputs, x3, x2, ~pad, weight3).items():
                sums.setdefault(path, []).append(float(loss))
        zero = torch.zeros(count, dtype=torch.long, device=device)
        lifted = network.path(x2, "2d", "3d", zero, no_text, hidden).float() * std3 + mean3
        for out, truth in zip(lifted.cpu().numpy(), truths, strict=True):
            pairs.append((recover_joints(out[: len(truth)], skeleton), truth))
    return {path: float(np.mean(values)) for path, values in sums.items()}, summarise(pairs)
