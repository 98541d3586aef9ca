"""The recipe of the shipped weights, in one script that continues wherever it was stopped.

    python -m models.recipe --data SET --out RUN --minutes 9 --name wide

It needs torch, numpy, pyarrow, safetensors and accelerate alone, so that it runs on any borrowed
GPU. SET is the Parquet snapshot that `crossdiff prepare mocap ... --snapshot` writes. Stage I ends
after its time budget; `--stage 2 --initial RUN/best` then makes Stage II.
"""

import argparse
import dataclasses
import json
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch

from models.augment import CameraAugmentation
from models.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from models.detector_noise import DetectorNoise
from models.graphed_step import GraphedSteps
from models.losses import PathWeights
from models.network import NetworkConfig
from models.pose_mix import PoseMix
from models.run_state import Run, load_state, save_state, start_run
from models.train_config import PRESETS, TrainConfig
from models.training_data import Motion, MotionBank, build_bank, read_motions, training_statistics
from models.validation import validate
from pipeline.arrays import Float32
from pipeline.normalisation import Statistics
from pipeline.representation3d import features_from_canonical
from pipeline.skeletons import HUMANML3D

TEXT_DIM = 384


def _network(width: int, feed_forward: int, root: int, private: int, shared: int) -> NetworkConfig:
    return NetworkConfig(
        width=width,
        feed_forward=feed_forward,
        root_feed_forward=root,
        private_layers=private,
        shared_layers=shared,
        root_layers=1,
        text_dim=TEXT_DIM,
    )


NETWORKS = {
    "small": _network(160, 320, 96, 1, 4),
    "wide": _network(256, 512, 128, 1, 3),
    "deep": _network(192, 512, 128, 3, 5),
    "base": _network(224, 512, 128, 4, 6),
}
"""4.8, 9.8, 10.2 and 15.6 M parameters; heads of a multiple of 8 numbers run on fast kernels."""

STAGE_1 = dataclasses.replace(
    PRESETS["small"],
    steps=10_000_000,  # the time budget ends the run
    batch_size=256,
    windows=(32, 64, 96, 128, 160, 196),
    learning_rate=8e-4,
    warmup_steps=300,
    ema_decay=0.9985,
    zero_step_share=0.4,
    zero_step_text_drop=0.5,
    weights=PathWeights(w33=1.0, w23=2.0, w32=0.3, w22=0.5),
    precision="bf16",
    camera=CameraAugmentation(continuous=0.6, elevation_deg=12.0),
    noise=DetectorNoise(share=0.5, jitter_m=0.04, white_share=0.5, flicker_share=0.4),
    mix=PoseMix(share=0.5),
    log_every=200,
)
"""All four paths, half of every batch mixed from two motions."""

STAGE_2 = dataclasses.replace(
    STAGE_1,
    stage=2,
    learning_rate=1e-4,
    warmup_steps=100,
    zero_step_share=0.0,
    zero_step_text_drop=0.0,
    weights=PathWeights(),
    position_weight=1.0,
    mix=PoseMix(),
)
"""3D to 3D alone, from Stage I's best, on real motions."""

SYNC_EVERY = 10
"""Steps between two looks at the clock: the launches run ahead of the device."""


def _features(motion: Motion) -> Float32:
    return features_from_canonical(motion.joints.astype(np.float64), HUMANML3D)


def load_banks(path: Path) -> tuple[MotionBank, MotionBank, Statistics]:
    """Training and validation split with features computed on all cores, and the statistics."""
    motions = [m for m in read_motions(path) if m.split in ("train", "val")]
    # Forked before the first CUDA call; nothing here holds a lock.
    with ProcessPoolExecutor(mp_context=get_context("fork")) as pool:
        rows = list(pool.map(_features, motions, chunksize=8))
    done = [dataclasses.replace(m, features=r) for m, r in zip(motions, rows, strict=True)]
    train, val = ([m for m in done if m.split == s] for s in ("train", "val"))
    return build_bank(train, TEXT_DIM), build_bank(val, TEXT_DIM), training_statistics(train)


def _start(
    config: TrainConfig, statistics: Statistics, out: Path, initial: Checkpoint | None
) -> Run:
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    run = start_run(config, statistics, device, HUMANML3D)
    if (out / "state.pt").exists():
        load_state(run, out / "state.pt")
    elif initial is not None:
        weights = initial.network.state_dict()
        run.network.load_state_dict(weights)
        run.averaged.load_state_dict(weights)
    return run


def _validate(run: Run, bank: MotionBank, out: Path) -> None:
    run.averaged.eval()
    losses, errors = validate(
        run.averaged, bank, run.statistics, run.skeleton, masks_padding=run.config.masks_padding
    )
    record = {"step": run.step, "seconds": round(run.seconds, 1), **vars(errors), **losses}
    print("validation", json.dumps(record), flush=True)
    with (out / "validation.jsonl").open("a") as log:
        log.write(json.dumps(record) + "\n")
    # Stage II is chosen by its own loss: the lift is not what it trains.
    score = errors.pa_mpjpe_mm if run.config.stage == 1 else losses["3d->3d"]
    better = score < run.best_score
    run.best_score = min(score, run.best_score)
    for name in ("last", "best") if better else ("last",):
        save_checkpoint(
            out / name,
            run.averaged,
            run.statistics,
            run.skeleton,
            masks_padding=run.config.masks_padding,
            about={"train": run.config.to_json(), "step": run.step, "validation": record},
            dtype=torch.bfloat16,
        )


def train_for(run: Run, bank: MotionBank, val: MotionBank, out: Path, options: "Options") -> None:
    """Step until the run's budget or this call's minutes are over; then validate and save."""
    steps, began, before = GraphedSteps(run, bank), time.monotonic(), run.seconds
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
            _validate(run, val, out)
            next_validation = run.seconds + options.validate_seconds
    _validate(run, val, out)
    save_state(run, out / "state.pt")


@dataclasses.dataclass(frozen=True)
class Options:
    """The command line."""

    data: Path
    out: Path
    stage: int
    name: str
    budget: float
    minutes: float
    validate_seconds: float
    initial: Path | None
    set: tuple[str, ...]


def _options(arguments: Sequence[str] | None) -> Options:
    parser = argparse.ArgumentParser(prog="models.recipe", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="Parquet snapshot")
    parser.add_argument("--out", type=Path, required=True, help="folder of the run; continued")
    parser.add_argument("--stage", type=int, choices=(1, 2), default=1)
    parser.add_argument("--name", choices=sorted(NETWORKS), default="wide")
    parser.add_argument("--budget", type=float, default=900.0, help="seconds of the whole stage")
    parser.add_argument("--minutes", type=float, default=9.0, help="minutes of this call")
    parser.add_argument("--validate-seconds", type=float, default=90.0)
    parser.add_argument("--initial", type=Path, help="checkpoint to start from")
    parser.add_argument("--set", nargs="*", default=(), help="FIELD=JSON of the configuration")
    given = vars(parser.parse_args(arguments))
    return Options(**{**given, "set": tuple(given["set"])})


def configuration(options: Options) -> TrainConfig:
    """The stage's configuration with the given fields replaced."""
    start = STAGE_1 if options.stage == 1 else STAGE_2
    start = dataclasses.replace(
        start, network=NETWORKS[options.name], budget_seconds=options.budget
    )
    values = start.to_json()
    for change in options.set:
        name, _, value = change.partition("=")
        given = json.loads(value)
        values[name] = {**values[name], **given} if isinstance(given, dict) else given
    return TrainConfig.from_json(values)


def main(arguments: Sequence[str] | None = None) -> None:
    """Load, continue or begin, train, save."""
    options = _options(arguments)
    config = configuration(options)
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "config.json").write_text(json.dumps(config.to_json(), indent=2) + "\n")
    began = time.monotonic()
    train, val, statistics = load_banks(options.data)
    initial = load_checkpoint(options.initial) if options.initial else None
    run = _start(config, initial.statistics if initial else statistics, options.out, initial)
    device = run.network.embed_text.weight.device
    print(
        f"{len(train)} motions loaded in {time.monotonic() - began:.0f} s on {device}", flush=True
    )
    train_for(run, train.to(device), val.to(device), options.out, options)


if __name__ == "__main__":
    main()
