"""The training loop of all stages: resumable at any step, on CPU, one GPU or several."""

import json
import math
import sys
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import broadcast
from safetensors.numpy import load_file, save_file
from torch import Tensor

from models.checkpoint import save_checkpoint
from models.data.training_data import MotionBank
from models.data.wild_bank import WildBank
from models.train.compiled_layers import compile_layers
from models.train.one_run import alone_in
from models.train.run_state import (
    STATE_FILE,
    Run,
    data_fingerprint,
    load_state,
    save_state,
    start_run,
)
from models.train.step_clock import StepClock
from models.train.step_data import Fixed
from models.train.stopping import StopRequest, stop_after_step
from models.train.train_config import TrainConfig
from models.train.train_step import train_step, update_average
from models.train.training_log import (
    Pace,
    append_record,
    forget_after,
    make_accelerator,
    progress_line,
    scalars,
    train_scalars,
    validation_line,
    validation_record,
    validation_scalars,
)
from models.train.validation import validate
from pipeline.normalisation import Statistics
from pipeline.skeletons import HUMANML3D, Skeleton

QUIET_SECONDS = 10.0
"""Longest time without a line about the progress, where steps are shorter than that."""
SAVE_SECONDS = 120.0
"""Longest time whose work a kill can cost, where steps are shorter than that."""
SECONDS_PER_MINUTE = 60.0
RUN_FILE = "config.json"
RUN_STATISTICS = "stats.safetensors"
AGREE_EVERY = 10
"""Steps between two looks at the first process's clock where there are several processes."""


@dataclass(frozen=True)
class _Job:
    """What the parts of the loop share."""

    run: Run
    training: MotionBank
    validation: MotionBank
    accelerator: Accelerator
    out: Path
    about: Mapping[str, Any]
    say: Callable[[str], None]
    has_3d: Tensor | None = None
    wild: WildBank | None = None
    max_seconds: float = math.inf
    pace: Pace = field(default_factory=lambda: Pace(0))


def _print_progress(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


def _say_nothing(_message: str) -> None:
    return None


def train(
    config: TrainConfig,
    training: MotionBank,
    validation: MotionBank,
    statistics: Statistics,
    out: Path,
    *,
    resume: bool = False,
    initial: Mapping[str, Tensor] | None = None,
    has_3d: Tensor | None = None,
    wild: WildBank | None = None,
    about: Mapping[str, Any] | None = None,
    max_minutes: float | None = None,
    say: Callable[[str], None] = _print_progress,
    skeleton: Skeleton = HUMANML3D,
) -> Run:
    """Train until `config.steps`, or until time is up, saving enough to continue from.

    Writes `config.json` and `stats.safetensors` first; then `state.pt` (to resume), `best/` and
    `last/` (checkpoint folders), `validation.jsonl` and `tensorboard/`.

    Args:
        config: The whole configuration.
        training: Training split.
        validation: Validation split.
        statistics: Normalisation of both representations.
        out: Folder of the run.
        resume: Continue from `out/state.pt` when it is there.
        initial: Network weights to start from (Stage II: the best of Stage I); not read when
            a run is continued.
        has_3d: (N,) False for training motions whose 3D may not be used; None: all have it.
        wild: In-the-wild clips, where `config.wild_ratio` gives them a share of each batch.
        about: Facts for config.json and the checkpoints (data, text encoder, parent checkpoint).
        max_minutes: Stop cleanly, resumable, after this long.
        say: Receives progress lines, of the first process only.
        skeleton: The joint tree of the data.

    Raises:
        ValueError: `out` holds a run and `resume` is off; the run was begun with other options or
            data; another training is running in `out`; or nobody said which motions have 3D though
            only a share may; or clips and `config.wild_ratio` do not fit together.
    """
    if wild is None and config.wild_ratio:
        raise ValueError(
            f"wild_ratio is {config.wild_ratio} and there are no in-the-wild clips: finetune with "
            "`crossdiff finetune`"
        )
    if wild is not None and not config.wild_ratio:
        raise ValueError("in-the-wild clips need a share of each batch: set wild_ratio above 0")
    if config.fraction_3d < 1.0 and has_3d is None:
        raise ValueError("fraction_3d is below 1: say with has_3d which motions keep their 3D")
    accelerator = make_accelerator(config.precision, out)
    if not accelerator.is_main_process:
        say = _say_nothing
    # The first process holds the folder for all of them.
    with alone_in(out) if accelerator.is_main_process else nullcontext():
        fingerprint = data_fingerprint(training, statistics, wild)
        run = _open_run(config, fingerprint, statistics, skeleton, out, accelerator, resume=resume)
        # Before the first process writes here, the others have looked: a late one would refuse
        # the run.
        accelerator.wait_for_everyone()
        if run.step:
            say(f"resuming at step {run.step}")
        elif initial is not None:
            run.network.load_state_dict(initial)
            run.averaged.load_state_dict(initial)
        if accelerator.is_main_process:
            _write_run(run, out, about or {})
        device = accelerator.device
        job = _Job(
            run,
            training.to(device),
            validation.to(device),
            accelerator,
            out,
            about or {},
            say,
            has_3d,
            None if wild is None else wild.to(device),
            math.inf if max_minutes is None else max_minutes * SECONDS_PER_MINUTE,
            Pace(run.step),
        )
        # Several processes would not all stop after the same step: their launcher ends them.
        alone = accelerator.num_processes == 1
        stopping = stop_after_step() if alone else nullcontext(StopRequest())
        with scalars(accelerator, run.step, say), stopping as stop:
            _loop(job, stop)
        if stop.asked:
            raise KeyboardInterrupt
    return run


def _open_run(
    config: TrainConfig,
    fingerprint: Mapping[str, Any],
    statistics: Statistics,
    skeleton: Skeleton,
    out: Path,
    accelerator: Accelerator,
    *,
    resume: bool,
) -> Run:
    """A fresh run, or the one in `out`."""
    state = out / STATE_FILE
    begun = state.exists()
    if begun and not resume:
        raise ValueError(
            f"{out} already holds a training run; add --resume or choose another --out"
        )
    out.mkdir(parents=True, exist_ok=True)
    run = start_run(config, statistics, accelerator.device, skeleton)
    run.data = fingerprint
    if begun:
        load_state(run, state)
    return run


def _write_run(run: Run, out: Path, about: Mapping[str, Any]) -> None:
    """Configuration and statistics are on disk before work starts."""
    partial = out / ".partial"
    save_file(run.statistics.arrays(), partial)
    partial.replace(out / RUN_STATISTICS)
    facts = {**about, "fingerprint": dict(run.data), "train": run.config.to_json()}
    partial.write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
    partial.replace(out / RUN_FILE)
    forget_after(out, run.step)
    if not (out / STATE_FILE).exists():
        save_state(run, out / STATE_FILE)  # from the first step on there is something to resume


def read_run(out: Path) -> tuple[dict[str, Any], Statistics] | None:
    """The facts and the statistics that a run in `out` was begun with, or None without a run.

    Raises:
        ValueError: The files are damaged.
    """
    if not (out / STATE_FILE).exists() or not (out / RUN_FILE).exists():
        return None
    try:
        facts = json.loads((out / RUN_FILE).read_text(encoding="utf-8"))
        return dict(facts), Statistics(**load_file(out / RUN_STATISTICS))
    except Exception as error:  # safetensors has errors of its own, without a common base
        raise ValueError(f"the run in {out} is damaged ({error}): train into another --out") from (
            error
        )


def _announce(job: _Job) -> None:
    run, config = job.run, job.run.config
    size = sum(p.numel() for p in run.network.parameters()) / 1e6
    clips = "" if job.wild is None else f", {len(job.wild)} in-the-wild clips"
    job.say(
        f"{len(job.training)} motions{clips}, {size:.1f} M parameters, on "
        f"{job.accelerator.device}: steps {run.step} to {config.steps}; saved every "
        f"{SAVE_SECONDS:.0f} s, measured and kept as a checkpoint every {config.validate_every} "
        "steps"
    )


def _loop(job: _Job, stop: StopRequest) -> None:
    """Take steps until the run or its time is over, or somebody asks for an end."""
    run, config, accelerator = job.run, job.run.config, job.accelerator
    fixed = Fixed.create(run, job.training, accelerator.device, job.has_3d, job.wild)
    if fixed.left_out:
        job.say(
            f"{fixed.left_out} of {len(job.training)} training motions are left out: shorter "
            f"than {min(config.windows)} frames, or without 3D where only 3D is trained"
        )
    model, run.optimizer = accelerator.prepare(run.network, run.optimizer)
    if config.compile:
        compile_layers(run.network)
    run.network.train()
    _announce(job)
    before, elapsed, told, saved = run.seconds, 0.0, -math.inf, 0.0
    while run.step < config.steps and not run.out_of_budget:
        due = job.pace.elapsed - told > QUIET_SECONDS
        timed = due or (run.step + 1) % config.log_every == 0
        clock = StepClock(accelerator.device) if timed else None
        losses = train_step(run, model, job.training, accelerator, fixed, clock, job.wild)
        run.step += 1
        elapsed = _agreed_seconds(job, elapsed)
        run.seconds = before + elapsed
        update_average(run)
        if clock is not None:
            _report(job, losses, clock)
            told = job.pace.elapsed
        over, asked = elapsed > job.max_seconds, stop.asked  # looked at once: it comes at any time
        last = run.step == config.steps or run.out_of_budget
        if run.step % config.validate_every == 0 or last or over:
            with job.pace.pause():
                _keep(job)
            saved = job.pace.elapsed
        elif asked or job.pace.elapsed - saved > SAVE_SECONDS:
            with job.pace.pause():
                _save(job)
            saved = job.pace.elapsed
        if asked:
            break
        if over and not last:
            job.say(f"stopped after {elapsed:.0f} s at step {run.step}; --resume continues")
            break


def _agreed_seconds(job: _Job, known: float) -> float:
    """Seconds of training by the first process's clock, so that all processes decide alike."""
    if job.accelerator.num_processes == 1:
        return job.pace.elapsed
    if (job.run.step - job.pace.first) % AGREE_EVERY:
        return known
    told = torch.tensor(job.pace.elapsed, device=job.accelerator.device)
    return float(broadcast(told))


def _report(job: _Job, losses: Mapping[str, Tensor], clock: StepClock) -> None:
    run, told = job.run, {path: float(loss) for path, loss in losses.items()}
    run.split.add(clock)
    job.accelerator.log(train_scalars(run, told, job.pace, clock), step=run.step)
    job.say(progress_line(run, told, job.pace))


def _keep(job: _Job) -> None:
    """Validate and save, in the first process; the others wait."""
    if job.accelerator.is_main_process:
        _validate_and_save(job)
        save_state(job.run, job.out / STATE_FILE)
    job.accelerator.wait_for_everyone()


def _save(job: _Job) -> None:
    if job.accelerator.is_main_process:
        save_state(job.run, job.out / STATE_FILE)


def _validate_and_save(job: _Job) -> None:
    run, config = job.run, job.run.config
    run.averaged.eval()
    losses, errors = validate(
        run.averaged,
        job.validation,
        run.statistics,
        run.skeleton,
        masks_padding=config.masks_padding,
        most=config.validation_motions,
    )
    run.averaged.train()  # also the network itself when nothing is averaged
    record = validation_record(run, losses, errors)
    append_record(job.out, record)
    job.accelerator.log(validation_scalars(record), step=run.step)
    better = config.keeps_last or record[config.best_by] < run.best_score
    if better:
        run.best_score = record[config.best_by]
    facts = {**job.about, "step": run.step, "validation": record, "train": config.to_json()}
    for name in ["last", "best"] if better else ["last"]:
        save_checkpoint(
            job.out / name,
            run.averaged,
            run.statistics,
            run.skeleton,
            masks_padding=config.masks_padding,
            about=facts,
        )
    job.say(validation_line(record, better=better and not config.keeps_last))
