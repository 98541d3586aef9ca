"""The training loop of both stages: resumable at any step, on CPU, one GPU or several."""

import json
import math
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import broadcast
from torch import Tensor

from models.checkpoint import save_checkpoint
from models.run_state import Run, load_state, save_state, start_run
from models.train_config import TrainConfig
from models.train_step import Fixed, train_step, update_average
from models.training_data import MotionBank
from models.validation import validate
from pipeline.normalisation import Statistics
from pipeline.skeletons import HUMANML3D, Skeleton

SECONDS_PER_MINUTE = 60.0
STATE_FILE = "state.pt"
VALIDATION_LOG = "validation.jsonl"


def _validate_and_keep(run: Run, bank: MotionBank, out: Path, about: dict[str, Any]) -> str:
    run.averaged.eval()
    losses, errors = validate(
        run.averaged, bank, run.statistics, run.skeleton, masks_padding=run.config.masks_padding
    )
    run.averaged.train()  # also the network itself when nothing is averaged
    record = {"step": run.step, **vars(errors), **{f"loss {k}": v for k, v in losses.items()}}
    with (out / VALIDATION_LOG).open("a") as log:
        log.write(json.dumps(record) + "\n")
    better = errors.pa_mpjpe_mm < run.best_pa_mpjpe
    if better:
        run.best_pa_mpjpe = errors.pa_mpjpe_mm
    facts = {**about, "step": run.step, "validation": record, "train": run.config.to_json()}
    for name in ["last", "best"] if better else ["last"]:
        save_checkpoint(
            out / name,
            run.averaged,
            run.statistics,
            run.skeleton,
            masks_padding=run.config.masks_padding,
            about=facts,
        )
    return (
        f"validation: MPJPE {errors.mpjpe_mm:.1f} mm, PA-MPJPE {errors.pa_mpjpe_mm:.1f} mm"
        f"{' (best)' if better else ''}, losses "
        + ", ".join(f"{k} {v:.4f}" for k, v in losses.items())
    )


def _print_progress(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


def _say_nothing(_message: str) -> None:
    return None


def _open_run(
    config: TrainConfig,
    statistics: Statistics,
    skeleton: Skeleton,
    out: Path,
    device: torch.device,
    *,
    resume: bool,
) -> Run:
    """A fresh run, or the one in `out`; the configuration is on disk before work starts."""
    state = out / STATE_FILE
    if state.exists() and not resume:
        raise ValueError(
            f"{out} already holds a training run; add --resume or choose another --out"
        )
    out.mkdir(parents=True, exist_ok=True)
    run = start_run(config, statistics, device, skeleton)
    if state.exists():
        load_state(run, state)
    return run


def _write_config(run: Run, out: Path) -> None:
    """Save the configuration, and drop log lines of steps that are about to be done again."""
    (out / "config.json").write_text(json.dumps(run.config.to_json(), indent=2) + "\n")
    log = out / VALIDATION_LOG
    if log.exists():
        lines = [line for line in log.read_text().splitlines() if _logged_step(line) <= run.step]
        log.write_text("".join(f"{line}\n" for line in lines))


def _logged_step(line: str) -> float:
    try:
        return float(json.loads(line)["step"])
    except ValueError:  # cut off by a kill
        return math.inf


def _agreed_seconds(accelerator: Accelerator, began: float) -> float:
    """Seconds since `began` by the first process's clock, so that all processes decide alike."""
    elapsed = time.monotonic() - began
    if accelerator.num_processes == 1:
        return elapsed
    return float(broadcast(torch.tensor(elapsed, device=accelerator.device)))


def _progress(run: Run, losses: dict[str, Tensor], steps_done: int, elapsed: float) -> str:
    rate = steps_done / elapsed
    shown = ", ".join(f"{k} {float(v):.4f}" for k, v in losses.items())
    left = (run.config.steps - run.step) / rate
    return f"step {run.step}/{run.config.steps}  {rate:.1f} it/s  ETA {left:.0f} s  {shown}"


def train(
    config: TrainConfig,
    training: MotionBank,
    validation: MotionBank,
    statistics: Statistics,
    out: Path,
    *,
    resume: bool = False,
    initial: Mapping[str, Tensor] | None = None,
    about: dict[str, Any] | None = None,
    max_minutes: float | None = None,
    say: Callable[[str], None] = _print_progress,
    skeleton: Skeleton = HUMANML3D,
) -> Run:
    """Train until `config.steps`, or until time is up, saving enough to continue from.

    Writes `config.json` first; then `state.pt` (to resume), `best/` and `last/` (checkpoint
    folders by validation PA-MPJPE), `validation.jsonl`.

    Args:
        config: The whole configuration.
        training: Training split.
        validation: Validation split.
        statistics: Normalisation of both representations.
        out: Folder of the run.
        resume: Continue from `out/state.pt` when it is there.
        initial: Network weights to start from (Stage II: the best of Stage I); not read when
            a run is continued.
        about: Facts for the checkpoint's config (data, text encoder, source of weights).
        max_minutes: Stop cleanly, resumable, after this long.
        say: Receives progress lines, of the first process only.
        skeleton: The joint tree of the data.

    Raises:
        ValueError: `out` holds a run and `resume` is off, or the run has another configuration.
    """
    accelerator = Accelerator(mixed_precision=config.precision)
    if not accelerator.is_main_process:
        say = _say_nothing
    run = _open_run(config, statistics, skeleton, out, accelerator.device, resume=resume)
    if run.step:
        say(f"resuming at step {run.step}")
    elif initial is not None:
        run.network.load_state_dict(initial)
        run.averaged.load_state_dict(initial)
    if accelerator.is_main_process:
        _write_config(run, out)

    def keep() -> None:
        if accelerator.is_main_process:
            say(_validate_and_keep(run, validation, out, about or {}))
            save_state(run, out / STATE_FILE)
        accelerator.wait_for_everyone()

    training, validation = training.to(accelerator.device), validation.to(accelerator.device)
    max_seconds = math.inf if max_minutes is None else max_minutes * SECONDS_PER_MINUTE
    _loop(run, training, accelerator, keep=keep, max_seconds=max_seconds, say=say)
    return run


def _loop(
    run: Run,
    bank: MotionBank,
    accelerator: Accelerator,
    *,
    keep: Callable[[], None],
    max_seconds: float,
    say: Callable[[str], None],
) -> None:
    """Take steps until the run or its time is over; `keep` validates and saves."""
    config = run.config
    fixed = Fixed.create(run, bank, accelerator.device)
    model, run.optimizer = accelerator.prepare(run.network, run.optimizer)
    stepper = torch.compile(model) if config.compile else model
    run.network.train()
    began, first, before = time.monotonic(), run.step, run.seconds
    while run.step < config.steps and not run.out_of_budget:
        losses = train_step(run, stepper, bank, accelerator, fixed)
        run.step += 1
        elapsed = _agreed_seconds(accelerator, began)
        run.seconds = before + elapsed
        update_average(run)
        if run.step % config.log_every == 0:
            say(_progress(run, losses, run.step - first, elapsed))
        over = elapsed > max_seconds
        last = run.step == config.steps or run.out_of_budget
        if run.step % config.validate_every == 0 or last or over:
            keep()
        if over:
            say(f"stopped after {max_seconds:.0f} s at step {run.step}; --resume continues")
            break
