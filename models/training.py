"""The training loop of both stages: resumable at any step, on CPU, one GPU or several."""

import json
import math
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor

from models.augment import Batch, device_generator, make_batch
from models.checkpoint import save_checkpoint
from models.diffusion import STEPS, ForwardProcess
from models.losses import path_losses
from models.network import CrossDiff
from models.train_config import TrainConfig
from models.training_data import MotionBank
from models.validation import validate
from pipeline.normalisation import Statistics
from pipeline.representation3d import field_slices
from pipeline.skeletons import HUMANML3D, Skeleton

SMALLEST_RATE = 0.01
"""Share of the top learning rate where cosine decay ends."""
SEED_STRIDE = 1_000_003
"""Keeps the random streams of neighbouring seeds apart."""


@dataclass
class Run:
    """What a run holds while it goes on."""

    config: TrainConfig
    network: CrossDiff
    averaged: CrossDiff
    """EMA of the network; the network itself when no averaging is asked for."""
    optimizer: torch.optim.Optimizer
    statistics: Statistics
    skeleton: Skeleton
    step: int = 0
    seconds: float = 0.0
    """Training time so far, over all resumed parts."""
    best_pa_mpjpe: float = math.inf


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
        shortest = {w: w if run.config.bucketed else 1 for w in run.config.windows}
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


def train_step(
    run: Run, model: torch.nn.Module, bank: MotionBank, accelerator: Accelerator, fixed: "Fixed"
) -> dict[str, Tensor]:
    """One optimizer step; returns the unweighted loss of every path."""
    config = run.config
    g = step_generator(config, run.step, accelerator.process_index)
    torch.manual_seed(g.initial_seed() & 0x7FFFFFFF)  # dropout too is a function of the step
    window = config.windows[int(torch.randint(0, len(config.windows), (1,), generator=g))]
    eligible = fixed.eligible[window]
    draw = torch.randint(0, len(eligible), (config.batch_size,), generator=g)
    index = eligible[draw.to(eligible.device)]
    batch = make_batch(
        bank, index, window, run.skeleton, config.camera, config.noise, g, whole=config.bucketed
    )
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
        accelerator.clip_grad_norm_(model.parameters(), config.gradient_clip)
    run.optimizer.step()
    run.optimizer.zero_grad()
    return {path: loss.detach() for path, loss in losses.items()}


@torch.no_grad()
def update_average(run: Run) -> None:
    """Move the averaged weights towards the current ones (with a short start-up ramp)."""
    if run.averaged is run.network:
        return
    decay = min(run.config.ema_decay, (1 + run.step) / (10 + run.step))
    averaged = list(run.averaged.parameters())
    torch._foreach_lerp_(averaged, list(run.network.parameters()), 1 - decay)


def save_state(run: Run, path: Path) -> None:
    """Everything that continues the run, written whole or not at all."""
    state = {
        "step": run.step,
        "seconds": run.seconds,
        "best_pa_mpjpe": run.best_pa_mpjpe,
        "config_hash": run.config.config_hash,
        "network": run.network.state_dict(),
        "averaged": run.averaged.state_dict(),
        "optimizer": run.optimizer.state_dict(),
    }
    partial = path.with_suffix(".partial")
    torch.save(state, partial)
    os.replace(partial, path)


def load_state(run: Run, path: Path) -> None:
    """Continue from `save_state`.

    Raises:
        ValueError: The state belongs to another configuration.
    """
    device = run.network.embed_text.weight.device
    state: dict[str, Any] = torch.load(path, map_location=device, weights_only=True)
    if state["config_hash"] != run.config.config_hash:
        raise ValueError(
            f"{path} belongs to another configuration; resume with the options in "
            "config.json beside it, or train into another --out"
        )
    run.network.load_state_dict(state["network"])
    run.averaged.load_state_dict(state["averaged"])
    run.optimizer.load_state_dict(state["optimizer"])
    run.step, run.seconds = int(state["step"]), float(state["seconds"])
    run.best_pa_mpjpe = float(state["best_pa_mpjpe"])


def start_run(
    config: TrainConfig, statistics: Statistics, device: torch.device, skeleton: Skeleton
) -> Run:
    """A fresh network, its average and AdamW."""
    torch.manual_seed(config.seed)
    network = CrossDiff(config.network).to(device)
    averaged = network
    if config.ema_decay:
        averaged = CrossDiff(config.network).to(device)
        averaged.load_state_dict(network.state_dict())
        averaged.requires_grad_(False)
    optimizer = torch.optim.AdamW(
        network.parameters(),
        lr=config.learning_rate,
        weight_decay=config.weight_decay,
        fused=device.type == "cuda",
    )
    return Run(config, network, averaged, optimizer, statistics, skeleton)


def _validate_and_keep(run: Run, bank: MotionBank, out: Path, about: dict[str, Any]) -> str:
    run.averaged.eval()
    losses, errors = validate(
        run.averaged, bank, run.statistics, run.skeleton, masks_padding=run.config.masks_padding
    )
    run.averaged.train()  # also the network itself when nothing is averaged
    record = {"step": run.step, **vars(errors), **{f"loss {k}": v for k, v in losses.items()}}
    with (out / "validation.jsonl").open("a") as log:
        log.write(json.dumps(record) + "\n")
    better = errors.pa_mpjpe_mm < run.best_pa_mpjpe
    if better:
        run.best_pa_mpjpe = errors.pa_mpjpe_mm
    facts = {**about, "step": run.step, "validation": record, "train": run.config.to_json()}
    for name in ["last", "best"] if better else ["last"]:
        save_checkpoint(
            out / name, run.averaged, run.statistics, run.skeleton,
            masks_padding=run.config.masks_padding, about=facts,
        )
    return (
        f"validation: MPJPE {errors.mpjpe_mm:.1f} mm, PA-MPJPE {errors.pa_mpjpe_mm:.1f} mm"
        f"{' (best)' if better else ''}, losses "
        + ", ".join(f"{k} {v:.4f}" for k, v in losses.items())
    )


def _print_progress(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


def train(
    config: TrainConfig,
    training: MotionBank,
    validation: MotionBank,
    statistics: Statistics,
    out: Path,
    *,
    resume: bool = False,
    about: dict[str, Any] | None = None,
    max_seconds: float = math.inf,
    say: Callable[[str], None] = _print_progress,
    skeleton: Skeleton = HUMANML3D,
) -> Run:
    """Train until `config.steps`, or `max_seconds`, saving enough to continue from.

    Writes `config.json` first; then `state.pt` (to resume), `best/` and `last/` (checkpoint
    folders by validation PA-MPJPE), `validation.jsonl`.

    Args:
        config: The whole configuration.
        training: Training split.
        validation: Validation split.
        statistics: Normalisation of both representations.
        out: Folder of the run.
        resume: Continue from `out/state.pt` when it is there.
        about: Facts for the checkpoint's config (data, text encoder, source of weights).
        max_seconds: Stop cleanly, resumable, after this long.
        say: Receives progress lines.
        skeleton: The joint tree of the data.

    Raises:
        ValueError: `out` holds a run and `resume` is off, or the run has another configuration.
    """
    out.mkdir(parents=True, exist_ok=True)
    state = out / "state.pt"
    if state.exists() and not resume:
        raise ValueError(f"{out} already holds a training run; add --resume or choose another --out")
    (out / "config.json").write_text(json.dumps(config.to_json(), indent=2) + "\n")
    accelerator = Accelerator(mixed_precision=config.precision)
    run = start_run(config, statistics, accelerator.device, skeleton)
    if state.exists():
        load_state(run, state)
        say(f"resuming at step {run.step}")
    training, validation = training.to(accelerator.device), validation.to(accelerator.device)
    fixed = Fixed.create(run, training, accelerator.device)
    model, run.optimizer = accelerator.prepare(run.network, run.optimizer)
    stepper = torch.compile(model) if config.compile else model
    run.network.train()
    began, first, before = time.monotonic(), run.step, run.seconds
    while run.step < config.steps:
        losses = train_step(run, stepper, training, accelerator, fixed)
        run.step += 1
        run.seconds = before + time.monotonic() - began
        update_average(run)
        if run.step % config.log_every == 0:
            rate = (run.step - first) / (time.monotonic() - began)
            shown = ", ".join(f"{k} {float(v):.4f}" for k, v in losses.items())
            left = (config.steps - run.step) / rate
            say(f"step {run.step}/{config.steps}  {rate:.1f} it/s  ETA {left:.0f} s  {shown}")
        over = time.monotonic() - began > max_seconds
        if run.step % config.validate_every == 0 or run.step == config.steps or over:
            if accelerator.is_main_process:
                say(_validate_and_keep(run, validation, out, about or {}))
                save_state(run, state)
            accelerator.wait_for_everyone()
        if over:
            say(f"stopped after {max_seconds:.0f} s at step {run.step}; --resume continues")
            break
    return run
