"""One optimizer step of either stage: draw, noise, predict, weigh the losses, move."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from accelerate import Accelerator
from torch import Tensor

from models.augment import CROP_UNIT, Batch, device_generator, make_batch
from models.diffusion import STEPS, ForwardProcess
from models.losses import path_losses
from models.run_state import Run
from models.train_config import TrainConfig
from models.training_data import MotionBank
from pipeline.representation3d import field_slices
from pipeline.skeletons import Skeleton

SMALLEST_RATE = 0.01
"""Share of the top learning rate where cosine decay ends."""
SEED_STRIDE = 1_000_003
"""Keeps the random streams of neighbouring seeds apart."""


def learning_rate(config: TrainConfig, step: int, seconds: float = 0.0) -> float:
    """Linear warm-up, then constant or cosine to `SMALLEST_RATE` of the top.

    `seconds` is the training time so far; it drives the cosine when a time budget is set.
    """
    if step < config.warmup_steps:
        return config.learning_rate * (step + 1) / config.warmup_steps
    if not config.cosine_decay:
        return config.learning_rate
    done = (step - config.warmup_steps) / max(1, config.steps - config.warmup_steps)
    if config.budget_seconds:
        done = seconds / config.budget_seconds
    fall = 0.5 * (1 + math.cos(math.pi * min(1.0, done)))
    return config.learning_rate * (SMALLEST_RATE + (1 - SMALLEST_RATE) * fall)


def step_generator(config: TrainConfig, step: int, process: int = 0) -> torch.Generator:
    """The random stream of one step: a function of seed, step and process, so resuming is exact."""
    return torch.Generator().manual_seed((config.seed * SEED_STRIDE + step) * 64 + process)


def feature_weights(config: TrainConfig, skeleton: Skeleton) -> Tensor:
    """(D3,) loss weight of each 3D feature, mean 1."""
    weight = torch.ones(skeleton.dim3)
    weight[field_slices(skeleton)["positions"]] = config.position_weight
    return weight / weight.mean()


def noised_inputs(
    batch: Batch,
    stats: dict[str, Tensor],
    process: ForwardProcess,
    config: TrainConfig,
    g: torch.Generator,
) -> dict[str, Tensor]:
    """Normalise, draw timesteps, text drop and independent noise for one batch."""
    device, count = batch.x3.device, len(batch.x3)
    keep = (~batch.pad)[..., None]
    x3 = (batch.x3 - stats["mean3"]) / stats["std3"] * keep
    x2 = (batch.x2 - stats["mean2"]) / stats["std2"] * keep
    source = (batch.input2 - stats["mean2"]) / stats["std2"] * keep
    t = torch.randint(0, STEPS, (count,), generator=g)
    t = torch.where(torch.rand(count, generator=g) < config.zero_step_share, 0, t).to(device)
    drop = (torch.rand(count, generator=g) < config.text_drop).to(device)
    local = device_generator(g, device)
    n3, n2 = (torch.randn(x.shape, generator=local, device=device) for x in (x3, x2))
    # A detector's noise and missing joints belong to the labelling pass; at later steps the
    # diffusion noise stands for them and the input is the clean view.
    lifting = (t == 0)[:, None, None]
    seen = torch.where(lifting, batch.mask2, True)
    clean2 = torch.where(lifting, source, x2)
    return {
        "x3": x3,
        "x2": x2,
        "x3_t": process.add_noise(x3, t, n3) * keep,
        "x2_t": process.add_noise(clean2, t, n2) * seen * keep,
        "t": t,
        "text": batch.text * ~drop[:, None],
        "valid": ~batch.pad,
    }


@dataclass(frozen=True)
class Fixed:
    """Constants of a run on its device."""

    stats: dict[str, Tensor]
    process: ForwardProcess
    weight3: Tensor
    """(D3,) from `feature_weights`."""
    eligible: dict[int, Tensor]
    """Per window length: the motions that may be drawn for it."""

    @staticmethod
    def create(run: Run, bank: MotionBank, device: torch.device) -> "Fixed":
        """Move statistics, schedule and feature weights to the device.

        Raises:
            ValueError: No motion is long enough for one of the windows.
        """
        arrays = run.statistics.arrays().items()
        shortest = {w: w if run.config.bucketed else CROP_UNIT for w in run.config.windows}
        eligible = {w: torch.nonzero(bank.rows >= n).flatten() for w, n in shortest.items()}
        empty = [w for w, index in eligible.items() if len(index) == 0]
        if empty:
            raise ValueError(f"no training motion has {min(empty)} frames: choose shorter windows")
        return Fixed(
            {k: torch.from_numpy(v).to(device) for k, v in arrays},
            ForwardProcess.create(device),
            feature_weights(run.config, run.skeleton).to(device),
            eligible,
        )


def draw_batch(run: Run, bank: MotionBank, fixed: Fixed, g: torch.Generator) -> Batch:
    """The motions, crops, views and noise of one step."""
    config = run.config
    window = config.windows[int(torch.randint(0, len(config.windows), (1,), generator=g))]
    eligible = fixed.eligible[window]
    draw = torch.randint(0, len(eligible), (config.batch_size,), generator=g)
    return make_batch(
        bank,
        eligible[draw.to(eligible.device)],
        window,
        run.skeleton,
        camera=config.camera,
        noise=config.noise,
        generator=g,
        whole=config.bucketed,
    )


def train_step(
    run: Run,
    model: Callable[..., dict[str, Tensor]],
    bank: MotionBank,
    accelerator: Accelerator,
    fixed: Fixed,
) -> dict[str, Tensor]:
    """One optimizer step; returns the unweighted loss of every path.

    Args:
        run: The run; `model` is its network as the accelerator or the compiler wrapped it.
        model: Called like `CrossDiff.forward`.
        bank: Training split, on the run's device.
        accelerator: Runs the backward pass.
        fixed: The run's constants.
    """
    config = run.config
    g = step_generator(config, run.step, accelerator.process_index)
    torch.manual_seed(g.initial_seed() & 0x7FFFFFFF)  # dropout too is a function of the step
    batch = draw_batch(run, bank, fixed, g)
    inputs = noised_inputs(batch, fixed.stats, fixed.process, config, g)
    pad = batch.pad if config.masks_padding and not config.bucketed else None
    x2_t = inputs["x2_t"] if config.stage == 1 else None
    outputs = model(inputs["x3_t"], x2_t, inputs["t"], inputs["text"], pad)
    losses = path_losses(outputs, inputs["x3"], inputs["x2"], inputs["valid"], fixed.weight3)
    by_path = config.weights.by_path()
    total = torch.stack([by_path[path] * loss for path, loss in losses.items()]).sum()
    for group in run.optimizer.param_groups:
        group["lr"] = learning_rate(config, run.step, run.seconds)
    accelerator.backward(total)
    if config.gradient_clip:
        accelerator.clip_grad_norm_(run.network.parameters(), config.gradient_clip)
    run.optimizer.step()
    run.optimizer.zero_grad()
    return {path: loss.detach() for path, loss in losses.items()}


@torch.no_grad()
def update_average(run: Run) -> None:
    """Move the averaged weights towards the current ones (with a short start-up ramp)."""
    if run.averaged is run.network:
        return
    decay = min(run.config.ema_decay, (1 + run.step) / (10 + run.step))
    averaged: list[Tensor] = list(run.averaged.parameters())
    current: list[Tensor] = list(run.network.parameters())
    torch._foreach_lerp_(averaged, current, 1 - decay)
