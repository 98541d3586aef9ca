"""One optimizer step of either stage: draw, noise, predict, weigh the losses, move."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from accelerate import Accelerator
from torch import Tensor

from models.batches.augment import CROP_UNIT, Batch, make_batch
from models.batches.draws import device_generator
from models.data.training_data import MotionBank
from models.diffusion import STEPS, ForwardProcess
from models.train.data_order import EpochWalk
from models.train.losses import Known, path_losses
from models.train.run_state import Run
from models.train.step_clock import StepClock
from models.train.train_config import TrainConfig
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
    warmup = min(config.warmup_steps, config.steps // 4)  # a short run gets to its rate too
    if step < warmup:
        return config.learning_rate * (step + 1) / warmup
    if not config.cosine_decay:
        return config.learning_rate
    done = (step - warmup) / max(1, config.steps - warmup)
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
    g: torch.Generator | None,
    has_3d: Tensor | None = None,
) -> dict[str, Tensor]:
    """Normalise, draw timesteps, text drop and independent noise for one batch.

    `has_3d` (B,) False replaces a sample's 3D by zeros; None: all have it.
    """
    device, count = batch.x3.device, len(batch.x3)
    keep = (~batch.pad)[..., None]
    x3 = (batch.x3 - stats["mean3"]) / stats["std3"] * keep
    x2 = (batch.x2 - stats["mean2"]) / stats["std2"] * keep
    if has_3d is not None:
        x3 = torch.where(has_3d[:, None, None], x3, 0.0)
    source = (batch.input2 - stats["mean2"]) / stats["std2"] * keep
    t = torch.randint(0, STEPS, (count,), generator=g, device=device)
    lifts = torch.rand(count, generator=g, device=device) < config.zero_step_share
    t = torch.where(lifts, 0, t)
    lifting_drop = max(config.text_drop, config.zero_step_text_drop)
    rate = torch.where(t == 0, lifting_drop, config.text_drop)
    drop = torch.rand(count, generator=g, device=device) < rate
    n3, n2 = (torch.randn(x.shape, generator=g, device=device) for x in (x3, x2))
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
    has_3d: Tensor | None = None
    """(N,) motions whose 3D may be used; None: all."""
    walk: EpochWalk | None = None
    """The order of the epochs, where every window takes the same motions."""
    left_out: int = 0
    """Motions that are too short for every window, or have nothing that is trained."""

    @staticmethod
    def create(
        run: Run, bank: MotionBank, device: torch.device, has_3d: Tensor | None = None
    ) -> "Fixed":
        """Move statistics, schedule and feature weights to the device.

        Raises:
            ValueError: No motion is long enough for one of the windows.
        """
        config, arrays = run.config, run.statistics.arrays().items()
        if has_3d is not None:
            has_3d = has_3d.to(device)
        eligible = {w: _eligible(config, bank, w, has_3d) for w in config.windows}
        empty = [w for w, index in eligible.items() if len(index) == 0]
        if empty:
            raise ValueError(f"no training motion has {min(empty)} frames: choose shorter windows")
        most = max(eligible.values(), key=len)
        return Fixed(
            {k: torch.from_numpy(v).to(device) for k, v in arrays},
            ForwardProcess.create(device),
            feature_weights(config, run.skeleton).to(device),
            eligible,
            has_3d if config.trains_2d else None,
            None if config.bucketed else EpochWalk(config.seed, most),
            len(bank) - len(most),
        )


def _eligible(config: TrainConfig, bank: MotionBank, window: int, has_3d: Tensor | None) -> Tensor:
    shortest = window if config.bucketed else CROP_UNIT
    fits = bank.rows >= shortest
    if has_3d is not None and not config.trains_2d:
        fits = fits & has_3d
    return torch.nonzero(fits).flatten()


def draw_window(config: TrainConfig, g: torch.Generator) -> int:
    """The crop length of one step; `g` is a CPU generator."""
    return config.windows[int(torch.randint(0, len(config.windows), (1,), generator=g))]


def draw_motions(
    config: TrainConfig, fixed: Fixed, window: int, g: torch.Generator | None
) -> Tensor:
    """(B,) motions long enough for the window, drawn with replacement."""
    eligible = fixed.eligible[window]
    count, device = config.batch_size, eligible.device
    return eligible[torch.randint(0, len(eligible), (count,), generator=g, device=device)]


def draw_batch(
    run: Run,
    bank: MotionBank,
    fixed: Fixed,
    window: int,
    g: torch.Generator | None,
    index: Tensor | None = None,
) -> Batch:
    """The crops, views and noise of one step.

    Args:
        run: The run.
        bank: Training split.
        fixed: The run's constants.
        window: From `draw_window`.
        g: On the bank's device; None draws from the device's own generator.
        index: (B,) motions; None: from `draw_motions`.
    """
    config = run.config
    return make_batch(
        bank,
        draw_motions(config, fixed, window, g) if index is None else index,
        window,
        run.skeleton,
        camera=config.camera,
        noise=config.noise,
        generator=g,
        whole=config.bucketed,
        mix=config.mix,
    )


def _next_motions(
    run: Run, fixed: Fixed, accelerator: Accelerator, window: int, g: torch.Generator
) -> Tensor:
    """(B,) this process's part of the epoch, or a draw where windows take different motions."""
    size = run.config.batch_size
    if fixed.walk is None:
        return draw_motions(run.config, fixed, window, g)
    turn = run.step * accelerator.num_processes + accelerator.process_index
    return fixed.walk.take(turn * size, size)


def train_step(
    run: Run,
    model: Callable[..., dict[str, Tensor]],
    bank: MotionBank,
    accelerator: Accelerator,
    fixed: Fixed,
    clock: StepClock | None = None,
) -> dict[str, Tensor]:
    """One optimizer step; returns the unweighted loss of every path.

    Nothing here waits for the device, except the clock.

    Args:
        run: The run; `model` is its network as the accelerator or the compiler wrapped it.
        model: Called like `CrossDiff.forward`.
        bank: Training split, on the run's device.
        accelerator: Runs the backward pass.
        fixed: The run's constants.
        clock: Times the parts of this step.
    """
    config, lap = run.config, clock.lap if clock else _no_lap
    g = step_generator(config, run.step, accelerator.process_index)
    torch.manual_seed(g.initial_seed() & 0x7FFFFFFF)  # dropout too is a function of the step
    window = draw_window(config, g)
    g = device_generator(g, bank.rows.device)
    index = _next_motions(run, fixed, accelerator, window, g)
    batch = draw_batch(run, bank, fixed, window, g, index)
    has_3d = None if fixed.has_3d is None else fixed.has_3d[index]
    inputs = noised_inputs(batch, fixed.stats, fixed.process, config, g, has_3d)
    lap("data")
    losses = step_losses(run, model, batch, inputs, fixed, has_3d)
    total = config.weights.total(losses)
    lap("forward")
    accelerator.backward(total)
    lap("backward")
    _move(run, accelerator)
    lap("optimizer")
    return {path: loss.detach() for path, loss in losses.items()}


def _no_lap(_part: str) -> None:
    return None


def step_losses(
    run: Run,
    model: Callable[..., dict[str, Tensor]],
    batch: Batch,
    inputs: dict[str, Tensor],
    fixed: Fixed,
    has_3d: Tensor | None,
) -> dict[str, Tensor]:
    """Predict every path of the stage and measure it; unweighted.

    Args:
        run: The run.
        model: Called like `CrossDiff.forward`.
        batch: From `draw_batch`.
        inputs: From `noised_inputs`.
        fixed: The run's constants.
        has_3d: (B,) False where only 2D may be learned from; None: all have 3D.
    """
    config = run.config
    pad = batch.pad if config.masks_padding and not config.bucketed else None
    x2_t = inputs["x2_t"] if config.trains_2d else None
    outputs = model(inputs["x3_t"], x2_t, inputs["t"], inputs["text"], pad)
    targets = (inputs["x3"], inputs["x2"], inputs["valid"])
    return path_losses(outputs, *targets, fixed.weight3, Known(has_3d))


def _move(run: Run, accelerator: Accelerator) -> None:
    """Clip the gradients where that is asked for, and take the optimizer's step."""
    config = run.config
    for group in run.optimizer.param_groups:
        group["lr"] = learning_rate(config, run.step, run.seconds)
    if config.gradient_clip:
        accelerator.clip_grad_norm_(run.network.parameters(), config.gradient_clip)
    run.optimizer.step()
    run.optimizer.zero_grad()


@torch.no_grad()
def update_average(run: Run) -> None:
    """Move the averaged weights towards the current ones (with a short start-up ramp)."""
    if run.averaged is run.network:
        return
    decay = min(run.config.ema_decay, (1 + run.step) / (10 + run.step))
    averaged: list[Tensor] = list(run.averaged.parameters())
    current: list[Tensor] = list(run.network.parameters())
    torch._foreach_lerp_(averaged, current, 1 - decay)
