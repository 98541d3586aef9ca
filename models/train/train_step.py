"""One optimizer step of any stage: draw, noise, predict, weigh the losses, move."""

import math
from collections.abc import Callable

import torch
from accelerate import Accelerator
from torch import Tensor

from models.batches.batch import Batch
from models.batches.draws import device_generator
from models.batches.projection import seen_of_mask
from models.data.training_data import MotionBank
from models.data.wild_bank import WildBank
from models.diffusion import STEPS, ForwardProcess
from models.network import PER_JOINT_2D
from models.train.losses import Known, path_losses
from models.train.run_state import Run
from models.train.seen_loss import seen_loss
from models.train.step_clock import StepClock
from models.train.step_data import Fixed, draw_window, step_data
from models.train.train_config import SEEN, TrainConfig
from pipeline.representation2d import ROOT_FIELDS

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


def noised_inputs(
    batch: Batch,
    stats: dict[str, Tensor],
    process: ForwardProcess,
    config: TrainConfig,
    g: torch.Generator | None,
    has_3d: Tensor | None = None,
) -> dict[str, Tensor]:
    """Normalise, draw timesteps, text drop and independent noise for one batch.

    `has_3d` (B,) False replaces a sample's 3D by zeros; None: all have it. A network with
    `confidence_input` also gets `sure`, the confidences of the 2D input's joints.
    """
    device, count = batch.x3.device, len(batch.x3)
    keep = (~batch.pad)[..., None]
    x3 = (batch.x3 - stats["mean3"]) / stats["std3"] * keep
    x2 = (batch.x2 - stats["mean2"]) / stats["std2"] * keep
    if has_3d is not None:
        x3 = torch.where(has_3d[:, None, None], x3, 0.0)
    known = batch.knowledge
    if known is not None:
        x3, x2 = torch.where(known.mask3, x3, 0.0), torch.where(known.mask2, x2, 0.0)
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
    x3_t = process.add_noise(x3, t, n3) * keep
    x2_t = process.add_noise(clean2, t, n2) * seen * keep
    if known is not None:  # noise is no news of a joint that nobody saw
        x3_t, x2_t = torch.where(known.mask3, x3_t, 0.0), torch.where(known.mask2, x2_t, 0.0)
    inputs = {
        "x3": x3,
        "x2": x2,
        "x3_t": x3_t,
        "x2_t": x2_t,
        "t": t,
        "text": batch.text * ~drop[:, None],
        "valid": ~batch.pad,
    }
    if config.network.confidence_input:
        inputs["sure"] = _sureness(batch, lifting)
    return inputs


def _sureness(batch: Batch, lifting: Tensor) -> Tensor:
    """(B, T, J) confidences of what the 2D input shows: at later steps, the clean view."""
    known = batch.knowledge
    mask = batch.mask2 if known is None else known.mask2
    joints = (mask.shape[-1] - ROOT_FIELDS) // PER_JOINT_2D
    shown = torch.ones_like(mask[..., :joints]) if known is None else seen_of_mask(mask, joints)
    later = shown.to(batch.x2.dtype)
    return later if batch.confidence is None else torch.where(lifting, batch.confidence, later)


def train_step(
    run: Run,
    model: Callable[..., dict[str, Tensor]],
    bank: MotionBank,
    accelerator: Accelerator,
    fixed: Fixed,
    clock: StepClock | None = None,
    wild: WildBank | None = None,
) -> dict[str, Tensor]:
    """One optimizer step; returns the unweighted loss of every path.

    Nothing here waits for the device, except the clock, and a batch of `length_groups` for its
    longest clip's length.

    Args:
        run: The run; `model` is its network as the accelerator or the compiler wrapped it.
        model: Called like `CrossDiff.forward`.
        bank: Training split, on the run's device.
        accelerator: Runs the backward pass.
        fixed: The run's constants.
        clock: Times the parts of this step.
        wild: In-the-wild clips on the run's device, where the configuration asks for some.
    """
    config, lap = run.config, clock.lap if clock else _no_lap
    g = step_generator(config, run.step, accelerator.process_index)
    torch.manual_seed(g.initial_seed() & 0x7FFFFFFF)  # dropout too is a function of the step
    window = draw_window(config, g)
    g = device_generator(g, bank.rows.device)
    drawn = step_data(run, bank, wild, accelerator, fixed, window, g)
    inputs = noised_inputs(drawn.batch, fixed.stats, fixed.process, config, g, drawn.has_3d)
    lap("data")
    found: list[dict[str, Tensor]] = []
    for some in _parts(len(drawn.batch.x3), config.accumulate):
        part, cut = drawn.batch.part(some), {name: value[some] for name, value in inputs.items()}
        known = None if drawn.has_3d is None else drawn.has_3d[some]
        losses = step_losses(run, model, part, cut, fixed, known)
        lap("forward")
        accelerator.backward(config.total(losses) / config.accumulate)
        lap("backward")
        found.append({path: loss.detach() for path, loss in losses.items()})
    _move(run, accelerator)
    lap("optimizer")
    return {path: torch.stack([each[path] for each in found]).mean() for path in found[0]}


def _parts(count: int, parts: int) -> list[slice]:
    """A batch of `count` samples in equal parts."""
    size = count // parts
    return [slice(start, start + size) for start in range(0, count, size)]


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
    told = (inputs["sure"],) if "sure" in inputs and x2_t is not None else ()
    outputs = model(inputs["x3_t"], x2_t, inputs["t"], inputs["text"], pad, *told)
    targets = (inputs["x3"], inputs["x2"], inputs["valid"])
    losses = path_losses(outputs, *targets, fixed.weight3, _known(batch, has_3d))
    if config.seen_weight:
        losses[SEEN] = _seen(run, batch, outputs["2d->3d"], inputs["t"], fixed)
    return losses


def _seen(run: Run, batch: Batch, lifted: Tensor, t: Tensor, fixed: Fixed) -> Tensor:
    """The labelling pass of in-the-wild clips that are trained in 3D, held against their views."""
    known, order = batch.known(), torch.arange(len(t), device=t.device)
    lifting = (order >= len(t) - run.config.wild_count) & (known.weight3 > 0) & (t == 0)
    rows = lifted.float() * fixed.stats["std3"] + fixed.stats["mean3"]
    return seen_loss(rows, batch.x2, known, lifting, run.skeleton)


def _known(batch: Batch, has_3d: Tensor | None) -> Known:
    """What the losses may look at."""
    known = batch.knowledge
    if known is None:
        return Known(has_3d)
    weight3 = known.weight3 if has_3d is None else known.weight3 * has_3d
    return Known(weight3, known.mask3, known.mask2)


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
