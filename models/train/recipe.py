"""The recipe of the shipped weights, in one script that continues wherever it was stopped.

    python -m models.train.recipe --data SET --out RUN --minutes 9 --name base

It needs torch, numpy, pyarrow, safetensors and accelerate alone, so that it runs on any borrowed
GPU. SET is the Parquet file that `crossdiff prepare snapshot STORE --out SET` writes. Stage I ends
after its time budget; `--stage 2 --initial RUN/best` then makes Stage II. `--stage lift --initial
CHECKPOINT` goes on from any weights of these sizes with measured detector noise and confidences.
"""

import argparse
import dataclasses
import json
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch

from models.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from models.confidence_input import weights_for
from models.data.training_data import (
    MotionBank,
    build_bank,
    features_of,
    read_motions,
    training_statistics,
)
from models.train.graphed_step import GraphedSteps
from models.train.lift_stage import LIFT
from models.train.one_run import alone_in
from models.train.run_state import Run, data_fingerprint, load_state, save_state, start_run
from models.train.train_config import BASE_NETWORK, PRESETS, SMALL_NETWORK, TrainConfig
from models.train.validation import validate
from pipeline.normalisation import Statistics
from pipeline.skeletons import HUMANML3D

ENCODER_ID = "all-MiniLM-L6-v2"
"""The sentence encoder whose embeddings the snapshot holds (`models.text.text_encoder.MiniLM`)."""
TEXT_DIM = 384

_DEEP = dataclasses.replace(BASE_NETWORK, width=192, private_layers=3, shared_layers=5)
NETWORKS = {"small": SMALL_NETWORK, "base": BASE_NETWORK, "deep": _DEEP}
"""4.8, 9.8 and 10.2 M parameters."""

UNLIMITED = 10_000_000
"""Steps: the time budget ends a stage."""


def _timed(config: TrainConfig) -> TrainConfig:
    return dataclasses.replace(config, steps=UNLIMITED, compile=True, log_every=200)


STAGES = {
    "1": _timed(PRESETS["base"]),
    "2": _timed(PRESETS["base-stage2"]),
    "lift": _timed(LIFT),
}
"""All four paths with half of every batch mixed; then 3D to 3D alone, on real motions; or all four
again with what a detector does to 2D."""

SYNC_EVERY = 10
"""Steps between two looks at the clock: the launches run ahead of the device."""


@dataclasses.dataclass(frozen=True)
class Sets:
    """What is trained on and chosen by."""

    train: MotionBank
    val: MotionBank
    statistics: Statistics
    facts: dict[str, Any]
    """Data sets and counts, for the checkpoint."""


def load_sets(path: Path) -> Sets:
    """Training and validation split, with features computed on all cores.

    Raises:
        ValueError: No snapshot there, or a split is empty.
    """
    motions = [m for m in read_motions(path) if m.split in ("train", "val")]
    # Forked before the first CUDA call; nothing here holds a lock.
    with ProcessPoolExecutor(mp_context=get_context("fork")) as pool:
        rows = list(pool.map(features_of, motions, chunksize=8))
    done = [dataclasses.replace(m, features=r) for m, r in zip(motions, rows, strict=True)]
    train, val = ([m for m in done if m.split == s] for s in ("train", "val"))
    facts = {
        "datasets": sorted({m.source for m in done}),
        "motions": {"train": len(train), "val": len(val)},
    }
    return Sets(
        build_bank(train, TEXT_DIM), build_bank(val, TEXT_DIM), training_statistics(train), facts
    )


def _start(config: TrainConfig, sets: Sets, out: Path, initial: Checkpoint | None) -> Run:
    statistics = sets.statistics if initial is None else initial.statistics
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    run = start_run(config, statistics, device, HUMANML3D)
    run.data = data_fingerprint(sets.train, statistics)
    if (out / "state.pt").exists():
        load_state(run, out / "state.pt")
    elif initial is not None:
        weights = weights_for(initial.network, config.network)
        run.network.load_state_dict(weights)
        run.averaged.load_state_dict(weights)
    return run


def _validate_and_keep(run: Run, sets: Sets, out: Path) -> None:
    """Measure the averaged weights, keep them if they are the best, and save the run."""
    run.averaged.eval()
    losses, errors = validate(
        run.averaged, sets.val, run.statistics, run.skeleton, masks_padding=run.config.masks_padding
    )
    record = {"step": run.step, "seconds": round(run.seconds, 1), **vars(errors), **losses}
    print("validation", json.dumps(record), flush=True)
    with (out / "validation.jsonl").open("a") as log:
        log.write(json.dumps(record) + "\n")
    # Stage II is chosen by its own loss: the lift is not what it trains.
    score = errors.pa_mpjpe_mm if run.config.stage == 1 else losses["3d->3d"]
    # The clean 2D of the validation does not judge what was trained for a detector's.
    for_detector = run.config.noise.moves or run.config.proportions.share > 0.0
    better = score < run.best_score or for_detector
    run.best_score = min(score, run.best_score)
    for name in ("last", "best") if better else ("last",):
        save_checkpoint(
            out / name,
            run.averaged,
            run.statistics,
            run.skeleton,
            masks_padding=run.config.masks_padding,
            about={
                "text_encoder": ENCODER_ID,
                "data": sets.facts,
                "train": run.config.to_json(),
                "step": run.step,
                "validation": record,
            },
            dtype=torch.bfloat16,
        )
    save_state(run, out / "state.pt")


def train_for(run: Run, sets: Sets, options: "Options") -> None:
    """Step until the run's budget or this call's minutes are over; then validate and save."""
    steps, began, before = GraphedSteps(run, sets.train), time.monotonic(), run.seconds
    next_validation = run.seconds + options.validate_seconds
    while not run.out_of_budget:
        losses = steps.step()
        if run.step % SYNC_EVERY:
            continue
        shown = {k: round(float(v), 4) for k, v in losses.items()}  # waits for the device
        run.seconds = before + time.monotonic() - began
        if run.step % run.config.log_every == 0:
            rate = steps.taken / (time.monotonic() - began)
            print(f"step {run.step} {run.seconds:.0f} s {rate:.1f} it/s {shown}", flush=True)
        if time.monotonic() - began > options.minutes * 60.0:
            break
        if run.seconds > next_validation:
            _validate_and_keep(run, sets, options.out)
            next_validation = run.seconds + options.validate_seconds
    _validate_and_keep(run, sets, options.out)


@dataclasses.dataclass(frozen=True)
class Options:
    """The command line."""

    data: Path
    out: Path
    stage: str
    name: str
    budget: float
    minutes: float
    validate_seconds: float
    initial: Path | None
    set: tuple[str, ...]


def _options(arguments: Sequence[str] | None) -> Options:
    parser = argparse.ArgumentParser(prog="models.train.recipe", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="Parquet snapshot")
    parser.add_argument("--out", type=Path, required=True, help="folder of the run; continued")
    parser.add_argument("--stage", choices=sorted(STAGES), default="1")
    parser.add_argument("--name", choices=sorted(NETWORKS), default="base")
    parser.add_argument("--budget", type=float, default=900.0, help="seconds of the whole stage")
    parser.add_argument("--minutes", type=float, default=9.0, help="minutes of this call")
    parser.add_argument("--validate-seconds", type=float, default=90.0)
    parser.add_argument("--initial", type=Path, help="checkpoint to start from")
    parser.add_argument("--set", nargs="*", default=(), help="FIELD=JSON of the configuration")
    given = vars(parser.parse_args(arguments))
    return Options(**{**given, "set": tuple(given["set"])})


def configuration(options: Options) -> TrainConfig:
    """The stage's configuration with the given fields replaced."""
    start = STAGES[options.stage]
    confident = start.network.confidence_input
    network = dataclasses.replace(NETWORKS[options.name], confidence_input=confident)
    values = dataclasses.replace(start, network=network, budget_seconds=options.budget).to_json()
    for change in options.set:
        name, _, value = change.partition("=")
        given = json.loads(value)
        values[name] = {**values[name], **given} if isinstance(given, dict) else given
    return TrainConfig.from_json(values)


def main(arguments: Sequence[str] | None = None) -> None:
    """Load, continue or begin, train, save."""
    options = _options(arguments)
    with alone_in(options.out):
        _run(options, configuration(options))


def _run(options: Options, config: TrainConfig) -> None:
    began = time.monotonic()
    sets = load_sets(options.data)
    initial = load_checkpoint(options.initial) if options.initial else None
    run = _start(config, sets, options.out, initial)
    # Not before: a run that refuses these options names this file for its own.
    (options.out / "config.json").write_text(json.dumps(config.to_json(), indent=2) + "\n")
    device = run.network.embed_text.weight.device
    seconds = time.monotonic() - began
    print(f"{len(sets.train)} motions loaded in {seconds:.0f} s on {device}", flush=True)
    moved = dataclasses.replace(sets, train=sets.train.to(device), val=sets.val.to(device))
    train_for(run, moved, options)


if __name__ == "__main__":
    main()
