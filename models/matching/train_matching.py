"""Training of one part's matching networks: the movement autoencoder, then matching."""

import hashlib
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils import clip_grad_norm_

from models.matching.matching_config import MatchingConfig
from models.matching.matching_data import (
    MatchingSet,
    RowScale,
    Windows,
    padded_rows,
    random_pairs,
)
from models.matching.matching_losses import contrastive_loss, infonce_loss, movement_loss
from models.matching.matching_run import STATE_FILE, MatchingRun, save_state
from models.matching.matching_validation import validation_recall
from models.matching.networks import UNIT_ROWS
from models.matching.text_inputs import TextReader
from models.train.data_order import EpochWalk
from models.train.stopping import StopRequest, stop_after_step

QUIET_SECONDS = 10.0
"""Longest time without a line about the progress, where steps are shorter than that."""
SAVE_SECONDS = 60.0
"""Longest time whose work a kill can cost, where steps are shorter than that."""
SMALLEST_RATE = 0.01
"""Share of the top learning rate where cosine decay ends."""
MOVEMENT, MATCHING = 1, 2
"""Name the random streams of the two parts of a training."""


@dataclass
class _Clock:
    """When something was last told and saved."""

    began: float = field(default_factory=time.monotonic)
    told: float = -math.inf
    saved: float = field(default_factory=time.monotonic)


@dataclass(frozen=True)
class MatchingJob:
    """What a training works on."""

    run: MatchingRun
    training: MatchingSet
    validation: MatchingSet
    scale: RowScale
    target: RowScale
    """What the movement decoder rebuilds."""
    reader: TextReader
    out: Path
    keep_best: Callable[[MatchingRun], None]
    """Called when the networks are the best so far on the validation split."""
    say: Callable[[str], None]
    clock: _Clock = field(default_factory=_Clock)


def data_name(data: MatchingSet) -> str:
    """12 hex digits that name a set of motions, all their rows, and their captions."""
    digest = hashlib.sha256()
    for rows, captions in zip(data.rows, data.captions, strict=True):
        digest.update(np.int64(len(rows)).tobytes() + np.ascontiguousarray(rows).tobytes())
        digest.update("\n".join(text.caption for text in captions).encode())
    return digest.hexdigest()[:12]


def learning_rate(config: MatchingConfig, step: int) -> float:
    """Of the matching part: constant, or a cosine down to `SMALLEST_RATE` of the top."""
    if not config.cosine_decay:
        return config.learning_rate
    fall = 0.5 * (1 + math.cos(math.pi * min(1.0, step / config.steps)))
    return config.learning_rate * (SMALLEST_RATE + (1 - SMALLEST_RATE) * fall)


def train_matching(job: MatchingJob) -> None:
    """Take all steps that are left; after Ctrl-C the step is finished and saved first.

    Raises:
        KeyboardInterrupt: Somebody asked for an end; the run can be resumed.
    """
    with stop_after_step() as stop:
        _movement_part(job, stop)
        _matching_part(job, stop)
    save_state(job.run, job.out / STATE_FILE)
    if stop.asked:
        raise KeyboardInterrupt


def _movement_part(job: MatchingJob, stop: StopRequest) -> None:
    run, config = job.run, job.run.config
    windows = Windows.of(job.training, config.movement_window)
    while run.movement_step < config.movement_steps and not stop.asked:
        began = time.monotonic()
        loss = _movement_step(job, windows)
        run.movement_step += 1
        run.seconds += time.monotonic() - began
        _look_around(job, "movements", run.movement_step, config.movement_steps, loss)


def _movement_step(job: MatchingJob, windows: Windows) -> Tensor:
    run, config = job.run, job.run.config
    rng = _stream(config, MOVEMENT, run.movement_step)
    drawn = np.stack(windows.draw(config.movement_batch, rng))
    device = run.network.device
    rows, target = (
        torch.from_numpy(s.normalise(drawn)).to(device) for s in (job.scale, job.target)
    )
    run.network.movement_encoder.train()
    movements = run.network.movement_encoder(rows)
    rebuilt = run.decoder(movements)
    loss = movement_loss(target, rebuilt, movements, config.sparsity, config.smoothness)
    run.movement_optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    run.movement_optimizer.step()
    return loss.detach()


def _matching_part(job: MatchingJob, stop: StopRequest) -> None:
    run, config = job.run, job.run.config
    walk = EpochWalk(config.seed, torch.arange(len(job.training)))
    while not run.done and not stop.asked:
        began = time.monotonic()
        loss = _matching_step(job, walk)
        run.step += 1
        run.seconds += time.monotonic() - began
        if run.step % config.validate_every == 0 or run.done:
            _validate(job)
        _look_around(job, "matching", run.step, config.steps, loss)


def _matching_step(job: MatchingJob, walk: EpochWalk) -> Tensor:
    run, config = job.run, job.run.config
    device = run.network.device
    rng = _stream(config, MATCHING, run.step)
    size = min(config.batch_size, len(job.training))
    chosen = walk.take(run.step * size, size).numpy()
    crops, texts = random_pairs(job.training, chosen, rng)
    rows, lengths = padded_rows(crops, job.scale)
    run.network.train()
    run.network.movement_encoder.train(config.train_movement)
    with torch.set_grad_enabled(config.train_movement):
        movements = run.network.movement_encoder(rows.to(device))
    motions = run.network.motion_encoder(movements, lengths // UNIT_ROWS)
    told = run.network.text_encoder(*(part.to(device) for part in job.reader.read(texts)))
    if config.loss == "contrastive":
        loss = contrastive_loss(told, motions, config.margin, int(rng.integers(1, size)))
    else:
        groups = torch.from_numpy(job.training.groups[chosen]).to(device)
        loss = infonce_loss(told, motions, groups, config.temperature)
    _step(run, loss)
    return loss.detach()


def _step(run: MatchingRun, loss: Tensor) -> None:
    run.optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    for part in (run.network.text_encoder, run.network.motion_encoder):
        clip_grad_norm_(part.parameters(), run.config.gradient_clip)
    for group in run.optimizer.param_groups:
        group["lr"] = learning_rate(run.config, run.step)
    run.optimizer.step()


def _stream(config: MatchingConfig, part: int, step: int) -> np.random.Generator:
    """Crops, captions and dropout of a step: a function of seed and step, so resuming is exact."""
    rng = np.random.default_rng([config.seed, part, step])
    torch.manual_seed(int(rng.integers(2**31)))
    return rng


def _validate(job: MatchingJob) -> None:
    run = job.run
    recall = validation_recall(run.network, job.validation, job.scale, job.reader)
    score = sum(recall) / len(recall)
    better = score > run.best_score
    if better:
        run.best_score, run.best_step = score, run.step
        job.keep_best(run)
    shown = ", ".join(f"R@{k} {value:.3f}" for k, value in enumerate(recall, 1))
    job.say(f"{run.part}, step {run.step}: {shown} on val{' (best)' if better else ''}")


def _look_around(job: MatchingJob, what: str, step: int, steps: int, loss: Tensor) -> None:
    """Say how it goes, and save, when it is time."""
    now, clock = time.monotonic(), job.clock
    if now - clock.told > QUIET_SECONDS:
        rate = (job.run.movement_step + job.run.step) / max(job.run.seconds, 1e-9)
        job.say(
            f"{job.run.part}, {what}: step {step}/{steps}  {rate:.1f} it/s  loss {float(loss):.4f}"
        )
        clock.told = now
    if now - clock.saved > SAVE_SECONDS:
        save_state(job.run, job.out / STATE_FILE)
        clock.saved = time.monotonic()
