"""The trainings of an ablation: each stage of each run once, continued where a kill left it."""

import dataclasses
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flows.progress import say
from flows.published_metrics import read_json, write_json
from flows.train import run_training
from flows.train_options import TrainOptions, check, configure, starting_point
from models.checkpoint_id import CONFIG_FILE, checkpoint_id
from models.evaluation.ablation_pace import Stage, stages_of, time_left
from models.evaluation.ablation_rows import OBJECTIVE, ROWS, UNKNOWN_CODE, RowKey
from models.train.run_state import STATE_FILE
from models.train.train_config import PRESETS, stage_two
from storage.lineage import code_commit, code_version

RUNS = "runs"
"""Folder of all runs in the ablation's own."""
SETTINGS_FILE = "ablation.json"
TRAINED_FILE = "trained.json"
"""In a stage's folder: it is finished."""


@dataclass(frozen=True)
class Training:
    """What all rows are trained on and with."""

    out: Path
    url: str
    """Of the data, with the version of the ablation's beginning."""
    datasets: tuple[str, ...]
    preset: str
    steps: int
    """Of Stage I; Stage II takes half as many."""
    batch_size: int
    stage_2: bool

    def folder(self, stage: Stage) -> Path:
        """Of one stage's training."""
        return self.out / RUNS / f"{stage.row}-seed{stage.seed}" / f"stage{stage.number}"

    def checkpoint(self, stage: Stage) -> Path:
        """The weights that a stage ended with: nothing is chosen by validation, see `_options`."""
        return self.folder(stage) / "best"


def check_rows(training: Training, rows: Sequence[RowKey]) -> None:
    """Make every row's configuration, before anything is written down or trained.

    Raises:
        ValueError: A row cannot be trained so.
    """
    for row in rows:
        options = _options(training, Stage(row, 1, 1))
        check(options)
        stage_two(configure(starting_point(options, None), options, None))


def begun(out: Path) -> dict[str, Any]:
    """The settings of the ablation in a folder; empty where there is none."""
    return read_json(out / SETTINGS_FILE)


def begin(out: Path, settings: Mapping[str, Any]) -> None:
    """Write the settings down, before anything is trained; or hold them to what is there.

    Raises:
        ValueError: The folder holds an ablation with other settings.
    """
    there, asked = begun(out), json.loads(json.dumps(settings))
    if not there:
        out.mkdir(parents=True, exist_ok=True)
        write_json(out / SETTINGS_FILE, asked)
        return
    differing = [
        f"{name} {there.get(name)}, not {value}"
        for name, value in asked.items()
        if there.get(name) != value
    ]
    if differing:
        raise ValueError(
            f"{out} holds an ablation that was begun with {'; '.join(differing)}: give the same "
            "options again, or choose another --out"
        )


def settings_of(training: Training, lineage: Mapping[str, Any], data: str) -> dict[str, Any]:
    """What decides the weights of every run; rows and seeds may be added later."""
    return {
        "data": data,
        "version": lineage["version"],
        "datasets": list(lineage["datasets"]),
        "motions": dict(lineage["motions"]),
        "preset": training.preset,
        "steps": training.steps,
        "batch_size": training.batch_size,
        "stage_2": training.stage_2,
        "objective": {name: _plain(value) for name, value in OBJECTIVE.items()},
    }


def train_all(
    training: Training, rows: Sequence[RowKey], seeds: Sequence[int]
) -> dict[Stage, float]:
    """Train what is not trained yet; the first seed of every row before the second.

    Returns:
        Seconds of training of every stage, over all its parts.

    Raises:
        ValueError: The data cannot be trained on, or a finished run is damaged.
    """
    stages = stages_of(rows, seeds, second=training.stage_2)
    known = _finished(training, stages)
    if known:
        say(f"{len(known)} of {len(stages)} trainings are done already")
    for number, stage in enumerate(stages, start=1):
        if stage in known:
            continue
        left = time_left(known.items(), _missing(stages, known))
        say(f"training {number} of {len(stages)}: {stage}; time left to train: {left}")
        known[stage] = _train(training, stage)
    return known


def _finished(training: Training, stages: Iterable[Stage]) -> dict[Stage, float]:
    found = {stage: _seconds(training, stage) for stage in stages}
    return {stage: seconds for stage, seconds in found.items() if seconds is not None}


def _missing(stages: Iterable[Stage], known: Mapping[Stage, float]) -> list[Stage]:
    return [stage for stage in stages if stage not in known]


def _seconds(training: Training, stage: Stage) -> float | None:
    """Of a finished training, None of another.

    Raises:
        ValueError: Its weights are no longer those that it ended with.
    """
    folder = training.folder(stage)
    record = read_json(folder / TRAINED_FILE)
    if not record:
        return None
    if checkpoint_id(training.checkpoint(stage)) != record["checkpoint_id"]:
        raise ValueError(
            f"{training.checkpoint(stage)} does not hold the weights that were trained there: "
            f"delete {folder.parent} and run the same command again"
        )
    return float(record["seconds"])


def code_of(training: Training, stages: Iterable[Stage]) -> tuple[str, ...]:
    """The code that finished trainings were begun and ended with, each once.

    Args:
        training: Where they are.
        stages: Finished ones.

    Returns:
        Version and commit in words; `UNKNOWN_CODE` for what does not say.
    """
    found = (code for stage in stages for code in _codes(training, stage))
    return tuple(sorted(set(found)))


def _codes(training: Training, stage: Stage) -> set[str]:
    """Of one stage: more than one where another code went on with it after a kill."""
    facts = read_json(training.checkpoint(stage) / CONFIG_FILE).get("about") or {}
    records = (facts, read_json(training.folder(stage) / TRAINED_FILE))
    known = [record for record in records if record.get("code_version")]
    return {_code(record) for record in known} or {UNKNOWN_CODE}


def _code(record: Mapping[str, Any]) -> str:
    commit = record.get("code_commit")
    return f"{record['code_version']}, commit {commit or 'unknown'}"


def _train(training: Training, stage: Stage) -> float:
    folder = training.folder(stage)
    result = run_training(_options(training, stage))
    record = {
        "checkpoint_id": checkpoint_id(training.checkpoint(stage)),
        "steps": result["steps"],
        "seconds": result["seconds"],
        "code_version": code_version(),
        "code_commit": code_commit(),
    }
    write_json(folder / TRAINED_FILE, record)
    # Optimizer and averages are four times the checkpoint; what is finished is not resumed.
    (folder / STATE_FILE).unlink(missing_ok=True)
    return float(result["seconds"])


def _options(training: Training, stage: Stage) -> TrainOptions:
    """A stage as `crossdiff train` runs it.

    It validates once, after its last step: the figure that chooses a best checkpoint is not the
    same in rows with and without 2D, so every row ends with its last weights.
    """
    common = TrainOptions(
        out=training.folder(stage), data=training.url, datasets=training.datasets, resume=True
    )
    if stage.number == 2:
        first = dataclasses.replace(stage, number=1)
        return dataclasses.replace(common, stage=2, initial=training.checkpoint(first))
    row = ROWS[stage.row]
    return dataclasses.replace(
        common,
        stage=1,
        preset=training.preset,
        views=row.views if row.views != "4" else None,
        no_shared_encoder=not row.shared,
        only_3d=row.only_3d,
        fraction_3d=row.fraction_3d,
        changes={
            **OBJECTIVE,
            "steps": training.steps,
            "batch_size": training.batch_size,
            "validate_every": training.steps,
            "seed": stage.seed,
            "subset_seed": stage.seed,
        },
    )


def settled(preset: str, steps: int | None, batch_size: int | None) -> tuple[int, int]:
    """Steps and batch size, the preset's where none are given."""
    config = PRESETS[preset]
    return (
        config.steps if steps is None else steps,
        config.batch_size if batch_size is None else batch_size,
    )


def _plain(value: object) -> object:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    return value
