"""Motions from sentences: seeds, batches of different lengths, and what the network's rows mean."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from models.checkpoint import Checkpoint
from models.generate.sampling import Held, SampleSettings, network_predictor, sample
from models.network import Dim
from pipeline.arrays import Float32
from pipeline.normalisation import Statistics
from pipeline.representation2d import recover_view
from pipeline.representation3d import recover_metric_joints

SHORTEST_S = 2.0
"""Shorter clips are not what the networks were trained on."""
LARGEST_SEED = 2**63 - 1
"""A whole number of an NPZ file has 64 bits."""
GPU_ROWS = 32
"""Motions of one batch on a GPU. On a CPU one at a time is as fast, and padding costs time."""
GPU_FRAME_UNIT = 28
"""On a GPU a batch holds lengths up to the next multiple of this, the shorter ones padded."""


@dataclass(frozen=True)
class MotionRequest:
    """One motion to draw."""

    text: Float32
    """(text_dim,) embedding of the sentence."""
    frames: int
    """Feature rows, 1 to the network's longest."""
    noise_seed: int
    """All that the motion's noise depends on; see `noise_seed`."""
    start: Float32 | None = None
    """(H, D3), not normalised: what the motion begins with, fading from given to free over H
    frames. It continues the motion that ended with these rows. Ignored in 2D."""


@dataclass(frozen=True)
class GeneratedMotion:
    """A motion drawn from the network."""

    features: Float32
    """(T, D3), or (T, D2) in 2D, not normalised."""
    joints: Float32
    """(T, J, 3) metres, Y up, frame 0 faces +Z at xz = 0; in 2D (T, J, 2) of a projected view."""


@dataclass(frozen=True)
class BatchPlan:
    """How requests become batches. Results are bitwise the same for the same plan."""

    rows: int
    """Motions of every batch; the last one is filled up, so that its shape is the others'."""
    frame_unit: int
    """Lengths are padded up to a multiple of this; 1 pads nothing."""
    bf16: bool = False
    """Compute in bfloat16 on a GPU."""

    @staticmethod
    def for_device(device: torch.device, bf16: bool = False) -> "BatchPlan":
        """The plan that fits a device."""
        if device.type == "cpu":
            return BatchPlan(1, 1, bf16)
        return BatchPlan(GPU_ROWS, GPU_FRAME_UNIT, bf16)


def noise_seed(seed: int, caption: str, copy: int) -> int:
    """The noise of a motion: from the user's seed, its sentence, and which copy of it this is.

    What else is asked for in the same run has no say in it.

    Raises:
        ValueError: The seed is larger than the files can keep.
    """
    if abs(seed) > LARGEST_SEED:
        raise ValueError(f"the seed must lie within {LARGEST_SEED} of 0, not {seed}")
    digest = hashlib.sha256(f"{seed}\n{copy}\n{caption}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1  # a generator takes 63 bits


def occurrences(sentences: Sequence[str], number: int, copies: int) -> range:
    """Which copies of its sentence the motions of one place in a list are.

    A sentence that comes a second time goes on counting, so that its motions differ.
    """
    before = sentences[:number].count(sentences[number]) * copies
    return range(before, before + copies)


def total_steps(motions: int, settings: SampleSettings) -> int:
    """What the calls of `done` add up to."""
    return motions * settings.steps


def device_of(checkpoint: Checkpoint) -> torch.device:
    """Where a checkpoint's network lies."""
    return checkpoint.network.embed_text.weight.device


def metric_joints(features: Float32, checkpoint: Checkpoint, dim: Dim) -> Float32:
    """Joints of feature rows: (T, J, 3) metres, or (T, J, 2) of a view, whose scale is metric."""
    if dim == "2d":
        return recover_view(features, checkpoint.skeleton)
    return recover_metric_joints(features, checkpoint.skeleton)


def frames_of(seconds: float, checkpoint: Checkpoint) -> int:
    """Feature rows of a length in seconds.

    Raises:
        ValueError: Shorter than `SHORTEST_S` or longer than the network's longest input.
    """
    fps, longest = checkpoint.skeleton.fps, checkpoint.network.config.max_frames
    if not SHORTEST_S <= seconds <= longest / fps:
        raise ValueError(
            f"the length must be {SHORTEST_S:g} to {longest / fps:g} seconds "
            f"({longest} frames at {fps:g} fps), not {seconds:g}; several sentences with --chain "
            "make a longer motion"
        )
    return round(seconds * fps)


def generate(
    checkpoint: Checkpoint,
    requests: Sequence[MotionRequest],
    settings: SampleSettings,
    *,
    plan: BatchPlan | None = None,
    done: Callable[[int], object] = lambda motions: None,
) -> list[GeneratedMotion]:
    """Draw motions, in the order of the requests: `drawn_motions` when all are done."""
    found = dict(drawn_motions(checkpoint, requests, settings, plan=plan, done=done))
    return [found[i] for i in range(len(requests))]


def drawn_motions(
    checkpoint: Checkpoint,
    requests: Sequence[MotionRequest],
    settings: SampleSettings,
    *,
    plan: BatchPlan | None = None,
    done: Callable[[int], object] = lambda motions: None,
) -> Iterator[tuple[int, GeneratedMotion]]:
    """Draw motions batch by batch, each with the place of its request.

    A motion depends on its request, the settings, the machine and the plan, and on no other
    request: batches have one shape for each length, and rows do not meet.

    Args:
        checkpoint: Trained network, on the device to use.
        requests: What to draw.
        settings: How.
        plan: Batch shapes; None takes what fits the device.
        done: Called after each denoising step with the number of motions in its batch.

    Raises:
        ValueError: A request that does not fit the network.
    """
    chosen = plan or BatchPlan.for_device(device_of(checkpoint))
    for request in requests:
        _check(request, checkpoint)
    for indices, frames in _batches(requests, chosen, checkpoint):
        batch = [requests[i] for i in indices]
        rows = _draw(checkpoint, batch, frames, settings, chosen, done)
        for index, row in zip(indices, rows, strict=True):
            yield index, GeneratedMotion(row, metric_joints(row, checkpoint, settings.output))


def _check(request: MotionRequest, checkpoint: Checkpoint) -> None:
    config = checkpoint.network.config
    if not 1 <= request.frames <= config.max_frames:
        raise ValueError(f"a motion has 1 to {config.max_frames} frames, not {request.frames}")
    if request.text.shape != (config.text_dim,):
        raise ValueError(
            f"the text embedding has {request.text.size} numbers, the checkpoint expects "
            f"{config.text_dim}: use the text encoder that it was trained with"
        )
    if request.start is not None and (
        request.start.ndim != 2
        or request.start.shape[1] != config.dim3
        or len(request.start) >= request.frames
    ):
        raise ValueError(
            f"the start must be (under {request.frames}, {config.dim3}), got {request.start.shape}"
        )


def _batches(
    requests: Sequence[MotionRequest], plan: BatchPlan, checkpoint: Checkpoint
) -> Iterator[tuple[list[int], int]]:
    """Indices of the requests of each batch, and its padded length."""
    longest = checkpoint.network.config.max_frames
    groups: dict[int, list[int]] = {}
    for i, request in enumerate(requests):
        padded = -(-request.frames // plan.frame_unit) * plan.frame_unit
        # A network that saw its padding in training has always seen its longest input.
        length = min(padded, longest) if checkpoint.masks_padding else longest
        groups.setdefault(length, []).append(i)
    for length, indices in groups.items():
        for first in range(0, len(indices), plan.rows):
            yield indices[first : first + plan.rows], length


@torch.inference_mode()
def _draw(
    checkpoint: Checkpoint,
    batch: Sequence[MotionRequest],
    frames: int,
    settings: SampleSettings,
    plan: BatchPlan,
    done: Callable[[int], object],
) -> list[Float32]:
    """(T, D) features of each request of one batch, not normalised."""
    config, statistics = checkpoint.network.config, checkpoint.statistics
    device = device_of(checkpoint)
    filled = [*batch, *([batch[-1]] * (plan.rows - len(batch)))]
    text = torch.from_numpy(np.stack([r.text for r in filled])).float().to(device)
    valid = torch.arange(frames) < torch.tensor([r.frames for r in filled])[:, None]
    padded = plan.frame_unit > 1 or not checkpoint.masks_padding
    predict = network_predictor(
        checkpoint.network,
        text,
        settings.guidance,
        pad=(~valid).to(device) if padded and checkpoint.masks_padding else None,
        valid=valid[..., None].float().to(device) if padded else None,
        bf16=plan.bf16 and device.type == "cuda",
    )
    widths: dict[Dim, int] = {"3d": config.dim3, "2d": config.dim2}
    out = sample(
        predict,
        settings,
        frames,
        widths,
        [torch.Generator(device).manual_seed(r.noise_seed) for r in filled],
        device=device,
        held=_held(filled, frames, statistics, device),
        done=lambda: done(len(batch)),
    )
    mean, std = _scale(statistics, settings.output)
    rows = out.cpu().numpy() * std + mean
    return [row[: r.frames].astype(np.float32) for row, r in zip(rows, batch, strict=False)]


def _scale(statistics: Statistics, dim: Dim) -> tuple[Float32, Float32]:
    if dim == "3d":
        return statistics.mean3, statistics.std3
    return statistics.mean2, statistics.std2


def fade(length: int) -> Float32:
    """(length,) weights from near 1 to near 0: how much of a given start is kept."""
    return 1.0 - (np.arange(length, dtype=np.float32) + 1.0) / (length + 1.0)


def _held(
    batch: Sequence[MotionRequest], frames: int, statistics: Statistics, device: torch.device
) -> Held | None:
    if all(r.start is None for r in batch):
        return None
    values = np.zeros((len(batch), frames, len(statistics.mean3)), np.float32)
    weight = np.zeros((len(batch), frames, 1), np.float32)
    for i, request in enumerate(batch):
        if request.start is not None:
            length = len(request.start)
            values[i, :length] = (request.start - statistics.mean3) / statistics.std3
            weight[i, :length, 0] = fade(length)
    tensors: list[Tensor] = [torch.from_numpy(a).to(device) for a in (values, weight)]
    return Held(*tensors)
