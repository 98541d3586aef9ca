"""`crossdiff finetune`: goes on training a checkpoint on videos, then lets the gate judge.

`RUN/finetune.json` is written before the training begins and holds all that continues or judges the
run: options, versions of both stores, the parent, who is trained on and who was held out.
`RUN/trained.json` says that the training is over, `RUN/gate.json` that the judging is.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from flows.finetune_data import WildSet, open_mocap, open_wild
from flows.finetune_files import CANDIDATE, FINETUNE_FILE, TRAINED_FILE
from flows.finetune_options import FinetuneOptions, TooLittle, begun_options, check
from flows.finetune_run import (
    KIND,
    Begun,
    begin,
    begun_mocap,
    begun_parent,
    begun_wild,
    read_begun,
)
from flows.gate import run_gate
from flows.one_at_a_time import one_at_a_time
from flows.progress import say
from flows.published_metrics import read_json, write_json
from flows.training_sets import TrainingSet
from models.checkpoint import Checkpoint, load_checkpoint
from models.checkpoint_id import CONFIG_FILE, checkpoint_id
from models.data.training_data import build_bank
from models.data.wild_bank import build_wild_bank
from models.promotion import refusal, resolve_checkpoint
from models.train.run_state import STATE_FILE, Run, statistics_hash
from models.train.train_config import TrainConfig
from models.train.training import train
from models.train.wild_stage import WILD_BATCH, parent_config, wild_stage
from storage.errors import StoreError
from storage.lineage import code_commit, code_version
from storage.runs import RunRow, record_run
from storage.store import open_store

WHAT = "in-the-wild"
PROCESSES = "WORLD_SIZE"
"""What torchrun and accelerate tell each of their processes."""
WATCHED = 64
"""Motions that are validated on while training: to be looked at, the gate measures for itself."""


@dataclass(frozen=True)
class _Prepared:
    """Everything that training needs, opened and found to fit together."""

    options: FinetuneOptions
    facts: Begun = field(repr=False)
    """What `finetune.json` holds."""
    parent: Checkpoint
    mocap: TrainingSet
    wild: WildSet


def run_finetune(options: FinetuneOptions) -> tuple[dict[str, Any], list[str]]:
    """Finetune, then judge; a run that was killed goes on where it was.

    Returns:
        What the run came to, and lines for a terminal.

    Raises:
        ValueError: Options or data that do not fit together, nothing to train on or to judge by,
            or the run in `out` was begun with others.
        CheckpointError: The parent cannot be used.
        StoreError: A store cannot be used.
    """
    check(options)
    if int(os.environ.get(PROCESSES, "1")) > 1:
        raise ValueError(
            "a finetuning runs in one process: start it without torchrun or accelerate"
        )
    with one_at_a_time(options.out, "a finetuning"):
        begun = read_begun(options.out)
        options = _settled(options, begun)
        trained = read_json(options.out / TRAINED_FILE)
        if not trained:
            prepared = _continue(options, begun) if begun else _begin(options)
            begun, run = prepared.facts, _train(prepared)
            if run.step < run.config.steps:
                return _unfinished(options.out, run)
            trained = _finish(options.out, run)
        note = _record(options.out, begun, trained)
    told = _told(options.out, begun, trained, note)
    if not options.gate:
        return told, _lines(told)
    judged, lines = run_gate(options.out)
    return {**told, "gate": judged}, [*_lines(told), *lines]


def _settled(options: FinetuneOptions, begun: Mapping[str, Any]) -> FinetuneOptions:
    """The options of the run in `out`, or those of a new one, which has to name its data."""
    if begun:
        return begun_options(begun["options"], options)
    if (options.out / CONFIG_FILE).exists() or (options.out / STATE_FILE).exists():
        raise ValueError(f"{options.out} holds another run or a checkpoint: choose another --out")
    if options.resume:
        raise ValueError(f"{options.out} holds no finetuning to continue: leave out --resume")
    needed = {"data": options.data, "wild": options.wild, "checkpoint": options.checkpoint}
    missing = [f"--{name}" for name, value in needed.items() if value is None]
    if missing:
        raise ValueError(f"{' and '.join(missing)} missing: see crossdiff finetune --help")
    return options


def _begin(options: FinetuneOptions) -> _Prepared:
    """A new run: what it will read is fixed and written down."""
    folder = resolve_checkpoint(_given(options.checkpoint)).absolute()
    parent = load_checkpoint(folder)
    if options.gate:
        _promotable(options.pointer, parent.checkpoint_id)
    mocap = open_mocap(str(options.data), options.datasets, parent)
    wild = open_wild(str(options.wild), options, parent)
    _enough(options, wild)
    facts = begin(options, folder, parent, mocap, wild)
    prepared = _Prepared(options, facts, parent, mocap, wild)
    _config(prepared)  # what cannot be configured is told before anything is written
    write_json(options.out / FINETUNE_FILE, facts)
    return prepared


def _given(checkpoint: Path | None) -> Path:
    if checkpoint is None:
        raise ValueError("--checkpoint is missing: give the checkpoint to go on from")
    return checkpoint


def _promotable(models: Path, parent_id: str) -> None:
    """Refuse now what the gate could only refuse after hours."""
    if (models / CONFIG_FILE).is_file():
        raise ValueError(f"{models} is a run or a checkpoint itself: choose another --models")
    refused = refusal(models, "", parent_id)
    if refused:
        raise ValueError(refused)


def _enough(options: FinetuneOptions, wild: WildSet) -> None:
    chosen, url = wild.selection, options.wild
    reasons = "; ".join(f"{count} {reason}" for reason, count in chosen.left_out.items())
    if not chosen.train:
        raise TooLittle(
            f"--wild {url} leaves no motion to train on ({reasons or 'all are held out'}): choose "
            "other --actions, or a smaller --holdout"
        )
    if not chosen.held_out:
        raise TooLittle(
            f"--wild {url} leaves nothing to judge by ({reasons or 'one recording per class'}): "
            "ingest more recordings of a class, choose more --actions, or hold some motions out by "
            "hand: `crossdiff decide MOTION_ID --split val`"
        )


def _continue(options: FinetuneOptions, begun: Begun) -> _Prepared:
    """A run that was begun: the same versions, decisions and sentences are read again."""
    parent = begun_parent(options.out, begun)
    mocap, wild = begun_mocap(options, begun, parent), begun_wild(options, begun, parent)
    return _Prepared(options, begun, parent, mocap, wild)


def _config(prepared: _Prepared) -> TrainConfig:
    """The parent's, turned into the in-the-wild stage of the preset."""
    options = prepared.options
    given = {name: value for name, value in options.changes.items() if value is not None}
    given.setdefault("validation_motions", WATCHED)
    config = wild_stage(
        parent_config(prepared.parent),
        options.preset,
        steps=given.pop("steps", None),
        wild_ratio=options.wild_ratio,
        clips=len(prepared.wild.selection.train),
        batch_size=given.pop("batch_size", WILD_BATCH),
        seen_weight=options.seen_weight,
    )
    return replace(config, **given)


def _train(prepared: _Prepared) -> Run:
    options, parent, mocap = prepared.options, prepared.parent, prepared.mocap
    config, chosen = _config(prepared), prepared.wild.selection
    say(f"{len(chosen.train)} motions from video to train on, {len(chosen.held_out)} held out")
    width, skeleton = config.network.text_dim, parent.skeleton
    motions, weights = zip(*chosen.train, strict=True)
    facts = prepared.facts
    return train(
        config,
        build_bank(mocap.motions["train"], width, skeleton),
        build_bank(mocap.motions["val"], width, skeleton),
        parent.statistics,
        options.out,
        resume=True,
        initial=parent.network.state_dict(),
        about={
            "text_encoder": parent.text_encoder,
            "data": facts["data"],
            "wild": facts["wild"],
            "finetune": facts["run_id"],
            "statistics": statistics_hash(parent.statistics),
            "initial": parent.checkpoint_id,
            "code_version": code_version(),
            "code_commit": code_commit(),
        },
        max_minutes=options.max_minutes,
        skeleton=skeleton,
        wild=build_wild_bank(motions, weights, width, skeleton),
    )


def _unfinished(out: Path, run: Run) -> tuple[dict[str, Any], list[str]]:
    told = {"out": str(out), "finished": False, "steps": run.step, "of": run.config.steps}
    line = f"stopped at step {run.step} of {run.config.steps}: run the same command to go on"
    return told, [line]


def _finish(out: Path, run: Run) -> dict[str, Any]:
    """Write down that the training is over; what comes after it needs no data any more."""
    trained = {
        "checkpoint_id": checkpoint_id(out / CANDIDATE),
        "steps": run.step,
        "seconds": run.seconds,
        "train": run.config.to_json(),
        "finished_at": datetime.now(UTC).isoformat(),
    }
    write_json(out / TRAINED_FILE, trained)
    return read_json(out / TRAINED_FILE)


def _record(out: Path, begun: Begun, trained: Mapping[str, Any]) -> str:
    """A row in the wild store's `runs`, once; why it has none otherwise."""
    wild = begun["wild"]
    versions = {
        "videos": wild["version"],
        "motions": wild["table_version"],
        "decisions": wild["decisions_version"],
    }
    row = RunRow(
        run_id=begun["run_id"],
        kind=KIND,
        what=WHAT,
        data=begun["options"]["wild"],
        datasets=tuple(wild["datasets"]),
        store_version=wild["version"],
        table_versions={name: number for name, number in versions.items() if number is not None},
        checkpoint_ids=(begun["parent"]["checkpoint_id"], trained["checkpoint_id"]),
        config={
            "options": begun["options"],
            "data": begun["data"]["pinned"],
            "train": trained["train"],
        },
        metrics={"steps": trained["steps"], **_counts(begun)},
        out=str(out.absolute()),
        seconds=trained["seconds"],
        finished_at=datetime.fromisoformat(trained["finished_at"]),
    )
    try:
        record_run(open_store(wild["store"]), row)
    except StoreError as error:
        return f"the store keeps no row of this run: {error}"
    return ""


def _counts(begun: Begun) -> dict[str, Any]:
    labelled = [name for name, weight in begun["train"].items() if weight]
    return {
        "train": len(begun["train"]),
        "train_2d_only": len(set(begun["train"]).difference(labelled)),
        "held_out": len(begun["held_out"]),
        "left_out": begun["left_out"],
        "unscored": begun.get("unscored", 0),  # a run from before there were scores
    }


def _told(out: Path, begun: Begun, trained: Mapping[str, Any], note: str) -> dict[str, Any]:
    return {
        "out": str(out),
        "best": str(out / CANDIDATE),
        "checkpoint_id": trained["checkpoint_id"],
        "parent_id": begun["parent"]["checkpoint_id"],
        "finished": True,
        "steps": trained["steps"],
        "seconds": trained["seconds"],
        **_counts(begun),
        "data": begun["data"]["pinned"],
        "wild": begun["wild"]["pinned"],
        "datasets": begun["wild"]["datasets"],
        "run_id": begun["run_id"],
        "store_row": not note,
        "store_row_note": note,
    }


def _lines(told: Mapping[str, Any]) -> list[str]:
    left = [f"  left out: {count} {reason}" for reason, count in told["left_out"].items()]
    unscored = f"  {told['unscored']} labels have no score: they count by their reprojection error"
    return [
        f"{told['checkpoint_id']}: {told['steps']} steps from {told['parent_id']}",
        f"  motions from video: {told['train']} trained on ({told['train_2d_only']} in 2D alone), "
        f"{told['held_out']} held out",
        *left,
        *([unscored] if told["unscored"] else []),
        f"checkpoint: {told['best']}",
        *([told["store_row_note"]] if told["store_row_note"] else []),
    ]
