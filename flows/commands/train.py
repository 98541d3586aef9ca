"""`crossdiff train`."""

from pathlib import Path
from typing import Literal

from flows.commands.outcome import Outcome


def train(
    data: Path,
    out: Path,
    preset: Literal["paper", "small", "base"] = "small",
    config: Path | None = None,
    stage: Literal[1, 2] | None = None,
    steps: int | None = None,
    batch_size: int | None = None,
    seed: int | None = None,
    views: Literal["preset", "4", "continuous"] = "preset",
    max_minutes: float | None = None,
    resume: bool = False,
    json: bool = False,
) -> Outcome:
    """Train CrossDiff on a prepared training set. Kill it at any time; --resume continues.

    Args:
        data: Folder that `crossdiff prepare` wrote.
        out: Folder of the run: config.json, state.pt, best/ and last/ checkpoints.
        preset: `paper` is the paper's; `small` and `base` are for little data and machines.
        config: config.json of a run or a checkpoint to train like, instead of a preset.
        stage: 1: all four paths. 2: 3D to 3D alone; default: the preset's.
        steps: Optimizer steps; default: the preset's.
        batch_size: Clips a step and process; default: the preset's.
        seed: Of weights, data order and noise; default: the preset's.
        views: Cameras: the paper's four, or any azimuth; default: the preset's.
        max_minutes: Stop cleanly after this long; --resume continues.
        resume: Continue the run in --out.
        json: Print one JSON object on stdout instead of text.
    """
    from flows.train import run_training, starting_point  # noqa: PLC0415

    changes = {"stage": stage, "steps": steps, "batch_size": batch_size, "seed": seed}
    result = run_training(
        data, out, starting_point(preset, config), views, changes, max_minutes, resume
    )
    return Outcome(result, [f"{key}: {value}" for key, value in result.items()])
