"""Losses of a network on in-the-wild clips, clip by clip: what the finetuning gate compares.

Timesteps, noise and crops are fixed, so two checkpoints are measured on the same inputs.
"""

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from models.batches.batch import Batch
from models.batches.wild_batch import seen_starts, wild_crops
from models.checkpoint import Checkpoint
from models.data.wild_bank import WildBank
from models.diffusion import ForwardProcess
from models.train.losses import sample_mse
from models.train.validation import CHUNK, VALIDATION_STEPS
from pipeline.arrays import Float32

NOISE_SEED = 5
"""Of the fixed noise; each clip and timestep has a stream of its own."""


@torch.inference_mode()
def wild_losses(checkpoint: Checkpoint, bank: WildBank) -> Mapping[str, Float32]:
    """Mean squared errors of normalised features over what is known, averaged over timesteps.

    Each clip is taken from its first frame with a seen root, up to the network's longest input,
    with its first caption. A clip's losses do not depend on the other clips.

    Args:
        checkpoint: The network, on the device to use.
        bank: The clips, on any device.

    Returns:
        (N,) losses keyed as `CrossDiff.forward` keys its paths. Where a clip has no label, NaN on
        the three paths that read or write 3D; NaN where nothing is known.

    Raises:
        ValueError: The clips are of another skeleton or text width than the network's.
    """
    network, sizes = checkpoint.network.eval(), checkpoint.network.config
    _fits(checkpoint, bank)
    device = network.embed_text.weight.device
    bank = bank.to(device)
    process = ForwardProcess.create(device)
    arrays = checkpoint.statistics.arrays()
    stats = {name: torch.from_numpy(values).to(device) for name, values in arrays.items()}
    found: dict[str, list[Tensor]] = {}
    for first in range(0, len(bank), CHUNK):
        index = torch.arange(first, min(first + CHUNK, len(bank)), device=device)
        batch = _whole_clips(bank, index, sizes.max_frames, checkpoint)
        for path, loss in _losses(checkpoint, batch, index, stats, process).items():
            found.setdefault(path, []).append(loss)
    return {path: torch.cat(parts).cpu().numpy() for path, parts in found.items()}


def _fits(checkpoint: Checkpoint, bank: WildBank) -> None:
    sizes = checkpoint.network.config
    have, want = (bank.mask3.shape[-1], bank.motions.text.shape[-1]), (sizes.dim3, sizes.text_dim)
    if have != want:
        raise ValueError(
            f"the clips have {have[0]} features and text of width {have[1]}, "
            f"{checkpoint.checkpoint_id} takes {want[0]} and {want[1]}: choose clips of its kind"
        )


def _whole_clips(bank: WildBank, index: Tensor, longest: int, checkpoint: Checkpoint) -> Batch:
    """Each clip from its first frame with a seen root, at most `longest` rows."""
    rows, none = bank.motions.rows[index], torch.zeros(len(index), device=index.device)
    start = seen_starts(bank, index, torch.ones_like(rows), none)
    length = torch.minimum(rows - start, torch.full_like(rows, longest))
    text = bank.motions.text[index, 0] * (bank.motions.captions[index] > 0)[:, None]
    return wild_crops(bank, index, start, length, text, longest, checkpoint.skeleton)


def _losses(
    checkpoint: Checkpoint,
    batch: Batch,
    index: Tensor,
    stats: Mapping[str, Tensor],
    process: ForwardProcess,
) -> dict[str, Tensor]:
    """(B,) of every path, averaged over the timesteps."""
    known, keep = batch.known(), (~batch.pad)[..., None]
    x3 = torch.where(known.mask3, (batch.x3 - stats["mean3"]) / stats["std3"], 0.0)
    x2 = torch.where(known.mask2, (batch.x2 - stats["mean2"]) / stats["std2"], 0.0)
    hidden = batch.pad if checkpoint.masks_padding else None
    sums: dict[str, Tensor] = {}
    for step in VALIDATION_STEPS:
        t = torch.full((len(index),), step, device=index.device)
        n3, n2 = _noise(x3, x2, index, step)
        outputs = checkpoint.network(
            torch.where(known.mask3, process.add_noise(x3, t, n3), 0.0),
            torch.where(known.mask2, process.add_noise(x2, t, n2), 0.0),
            t,
            batch.text,
            hidden,
            batch.confidence if checkpoint.network.config.confidence_input else None,
        )
        for path, predicted in outputs.items():
            target, mask = (x3, known.mask3) if path.endswith("3d") else (x2, known.mask2)
            weight = torch.ones(target.shape[-1], device=target.device)
            loss = sample_mse(predicted, target, keep[..., 0], weight, mask)
            said = mask.any(2).any(1)
            if path != "2d->2d":
                said = said & (known.weight3 > 0)
            sums[path] = sums.get(path, 0.0) + torch.where(said, loss, math.nan)
    return {path: total / len(VALIDATION_STEPS) for path, total in sums.items()}


def _noise(x3: Tensor, x2: Tensor, index: Tensor, step: int) -> tuple[Tensor, Tensor]:
    """Standard normal, a function of clip and timestep; drawn on the CPU, the same everywhere."""
    drawn3, drawn2 = [], []
    for clip in index.tolist():
        g = torch.Generator().manual_seed((NOISE_SEED * 1_000_003 + clip) * 1000 + step)
        drawn3.append(torch.randn(x3.shape[1:], generator=g))
        drawn2.append(torch.randn(x2.shape[1:], generator=g))
    return torch.stack(drawn3).to(x3), torch.stack(drawn2).to(x2)
