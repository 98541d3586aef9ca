"""How good a network is on the validation split: losses of all paths, and the lift's error."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from models.batches.projection import project, view_features
from models.data.training_data import MotionBank
from models.diffusion import ForwardProcess
from models.lifting.lift_metrics import LiftErrors, summarise
from models.network import CrossDiff
from models.train.losses import path_losses
from pipeline.arrays import AnyFloat
from pipeline.normalisation import Statistics
from pipeline.representation3d import recover_metric_joints
from pipeline.skeletons import Skeleton

VALIDATION_STEPS = (0, 100, 300, 600, 900)
"""Timesteps at which the four paths' losses are measured."""
LOSS_VIEWS = 1
"""Views of the four in which losses are measured; the lift is measured in all. The front view
alone keeps a validation on a CPU to a minute."""
CHUNK = 64
"""Motions in one pass of the network: bounds memory."""


@dataclass(frozen=True)
class _Chunk:
    """Some motions of the split, normalised and ready for the network."""

    x3: Tensor
    """(N, T, D3) normalised, zero on padding."""
    views: tuple[Tensor, ...]
    """Four (N, T, D2), normalised, zero on padding."""
    valid: Tensor
    """(N, T)"""
    hidden: Tensor | None
    """(N, T) padding to hide from attention, or None to attend to it."""
    text: Tensor
    """(N, text_dim) each motion's first caption, zeros where it has none."""


@torch.inference_mode()
def validate(
    network: CrossDiff,
    bank: MotionBank,
    statistics: Statistics,
    skeleton: Skeleton,
    *,
    masks_padding: bool,
    most: int | None = None,
) -> tuple[dict[str, float], LiftErrors]:
    """Losses per path (mean over fixed timesteps, fixed noise) and lifting errors.

    Losses are measured with each motion's first caption. Lifting is measured, without text, on
    the first `max_frames` rows of every motion, in the four views, from clean 2D.

    Args:
        network: In eval mode.
        bank: The validation split, on the network's device.
        statistics: Normalisation of both representations.
        skeleton: The joint tree.
        masks_padding: Hide padded frames from attention, as the network was trained.
        most: Take at most so many motions, evenly spread over the split; None: all.

    Raises:
        ValueError: A lift that is not finite.
    """
    chunks = _chunks(network, _spread(bank, most), statistics, skeleton, masks_padding)
    process = ForwardProcess.create(bank.joints.device)
    g = torch.Generator().manual_seed(0)
    sums: dict[str, float] = {}
    pairs: list[tuple[AnyFloat, AnyFloat]] = []
    for part, chunk in chunks:
        for path, loss in _losses(network, chunk, process, g).items():
            sums[path] = sums.get(path, 0.0) + loss * len(part)
        pairs += _lifts(network, chunk, part, statistics, skeleton)
    count = len(pairs) // 4
    return {path: total / count for path, total in sums.items()}, summarise(pairs)


def _rows_of(bank: MotionBank, index: Tensor | slice) -> MotionBank:
    return replace(bank, **{f: getattr(bank, f)[index] for f in bank.__dataclass_fields__})


def _spread(bank: MotionBank, most: int | None) -> MotionBank:
    if most is None or len(bank) <= most:
        return bank
    index = torch.linspace(0, len(bank) - 1, most, device=bank.rows.device)
    return _rows_of(bank, index.round().long())


def _chunks(
    network: CrossDiff,
    bank: MotionBank,
    statistics: Statistics,
    skeleton: Skeleton,
    masks_padding: bool,
) -> Iterator[tuple[MotionBank, _Chunk]]:
    arrays = statistics.arrays()
    stats = {k: torch.from_numpy(v).to(bank.joints.device) for k, v in arrays.items()}
    longest = network.config.max_frames
    # A network that attends to padding was trained with inputs of the full length.
    rows = min(longest, bank.features3.shape[1]) if masks_padding else longest
    for start in range(0, len(bank), CHUNK):
        part = _rows_of(bank, slice(start, start + CHUNK))
        chunk = _prepare(part, stats, skeleton, rows)
        yield part, chunk if masks_padding else replace(chunk, hidden=None)


def _prepare(bank: MotionBank, stats: dict[str, Tensor], skeleton: Skeleton, rows: int) -> _Chunk:
    pad = torch.arange(rows, device=bank.rows.device) >= bank.rows[:, None]
    views = (_view(bank, rows, quarter * np.pi / 2, skeleton) for quarter in range(4))
    return _Chunk(
        x3=_filled((bank.features3[:, :rows] - stats["mean3"]) / stats["std3"], pad),
        views=tuple(_filled((view - stats["mean2"]) / stats["std2"], pad) for view in views),
        valid=~pad,
        hidden=pad,
        text=bank.text[:, 0] * (bank.captions > 0)[:, None],
    )


def _view(bank: MotionBank, rows: int, azimuth: float, skeleton: Skeleton) -> Tensor:
    angle = torch.full((len(bank),), azimuth, device=bank.joints.device)
    view = project(bank.joints[:, : rows + 1], angle, torch.zeros_like(angle))
    return view_features(view, skeleton)


def _filled(x: Tensor, pad: Tensor) -> Tensor:
    """`x` brought to the length of `pad`, zero where it is True."""
    x = torch.nn.functional.pad(x, (0, 0, 0, pad.shape[1] - x.shape[1]))
    return torch.where(pad[..., None], 0.0, x)


def _losses(
    network: CrossDiff, chunk: _Chunk, process: ForwardProcess, g: torch.Generator
) -> dict[str, float]:
    device, count = chunk.x3.device, len(chunk.x3)
    weight3 = torch.ones(chunk.x3.shape[-1], device=device)
    keep = chunk.valid[..., None]
    sums: dict[str, list[float]] = {}
    for x2 in chunk.views[:LOSS_VIEWS]:
        for step in VALIDATION_STEPS:
            t = torch.full((count,), step, device=device)
            n3, n2 = (torch.randn(x.shape, generator=g).to(device) * keep for x in (chunk.x3, x2))
            outputs = network(
                process.add_noise(chunk.x3, t, n3),
                process.add_noise(x2, t, n2),
                t,
                chunk.text,
                chunk.hidden,
            )
            for path, loss in path_losses(outputs, chunk.x3, x2, chunk.valid, weight3).items():
                sums.setdefault(path, []).append(float(loss))
    return {path: float(np.mean(values)) for path, values in sums.items()}


def _lifts(
    network: CrossDiff,
    chunk: _Chunk,
    bank: MotionBank,
    statistics: Statistics,
    skeleton: Skeleton,
) -> list[tuple[AnyFloat, AnyFloat]]:
    """(lifted, true) joints of every motion, in the four views."""
    lengths = bank.rows.clamp(max=chunk.x3.shape[1]).tolist()
    rows3 = bank.features3[:, : chunk.x3.shape[1]].cpu().numpy()
    truths = [recover_metric_joints(f[:n], skeleton) for f, n in zip(rows3, lengths, strict=True)]
    zero = torch.zeros(len(bank), dtype=torch.long, device=chunk.x3.device)
    no_text = torch.zeros_like(chunk.text)
    pairs: list[tuple[AnyFloat, AnyFloat]] = []
    for x2 in chunk.views:
        out = network.path(x2, "2d", "3d", zero, no_text, pad=chunk.hidden)
        lifted = out.float().cpu().numpy() * statistics.std3 + statistics.mean3
        for rows, truth in zip(lifted, truths, strict=True):
            pairs.append((_finite(recover_metric_joints(rows[: len(truth)], skeleton)), truth))
    return pairs


def _finite(joints: AnyFloat) -> AnyFloat:
    if not np.isfinite(joints).all():
        raise ValueError(
            "the network's lift is not finite: its training has diverged, train again into "
            "another --out with a smaller --learning-rate"
        )
    return joints
