"""A finetuning's folder: what `finetune.json` holds, and how it is opened again.

The file is written before the training begins. Whoever continues the run, or judges it, reads the
same versions of the same tables, the same decisions and the same sentences.
"""

import os
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from flows.finetune_data import WildSet, open_mocap, open_wild
from flows.finetune_files import FINETUNE_FILE
from flows.finetune_options import FinetuneOptions, at_version, plain
from flows.published_metrics import read_json
from flows.training_sets import TrainingSet
from models.checkpoint import Checkpoint, CheckpointError, load_checkpoint
from storage.lineage import code_commit, code_version

KIND = "finetune"
ID_LETTERS = 12
"""Hex digits of a run's id: 48 bits, plenty for the runs of a store."""
NEEDED = frozenset(
    {"options", "models", "parent", "data", "wild", "sentences", "train", "held_out"}
)
"""Of what `finetune.json` holds: what continues or judges the run."""

Begun = dict[str, Any]
"""What `finetune.json` holds."""


def read_begun(run: Path) -> Begun:
    """What `finetune.json` of a run holds; empty where nothing was begun.

    Raises:
        ValueError: The file is not whole.
    """
    told = read_json(run / FINETUNE_FILE)
    lacking = sorted(NEEDED.difference(told))
    if lacking and (run / FINETUNE_FILE).exists():
        raise ValueError(
            f"{run / FINETUNE_FILE} is damaged, it lacks {lacking[0]}: finetune into another --out"
        )
    return told


def begin(
    options: FinetuneOptions, folder: Path, parent: Checkpoint, mocap: TrainingSet, wild: WildSet
) -> Begun:
    """The facts of a new run.

    Args:
        options: As given.
        folder: The parent's checkpoint folder, which no pointer can move any more.
        parent: The parent.
        mocap: Motion capture to train on.
        wild: Motions from video.
    """
    chosen = wild.selection
    return {
        "run_id": f"{KIND}-{uuid.uuid4().hex[:ID_LETTERS]}",
        "options": plain(options),
        "models": _near(options, options.pointer),
        "parent": {"folder": _near(options, folder), "checkpoint_id": parent.checkpoint_id},
        "data": _read(str(options.data), mocap.lineage),
        "wild": _read(str(options.wild), wild.lineage),
        "sentences": {action: list(said) for action, said in wild.sentences.items()},
        "train": {motion.motion_id: weight for motion, weight in chosen.train},
        "held_out": [motion.motion_id for motion in chosen.held_out],
        "left_out": dict(chosen.left_out),
        "unscored": chosen.unscored,
        "code_version": code_version(),
        "code_commit": code_commit(),
        "begun_at": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _read(url: str, lineage: Mapping[str, Any]) -> dict[str, Any]:
    return {"pinned": at_version(url, lineage["version"]), **lineage}


def _near(options: FinetuneOptions, place: Path) -> str:
    """Seen from the run's folder where both lie in the folder of models: it may be moved whole."""
    run, models = options.out.absolute(), options.pointer.absolute()
    inside = place.absolute().is_relative_to(models) and run.is_relative_to(models)
    return os.path.relpath(place, run) if inside else str(place.absolute())


def _place(run: Path, told: str) -> Path:
    return Path(os.path.normpath(run.absolute().joinpath(told)))


def begun_models(run: Path, begun: Begun) -> Path:
    """The folder of the pointer that a run may move."""
    return _place(run, begun["models"])


def begun_parent(run: Path, begun: Begun) -> Checkpoint:
    """The parent that a run was begun from.

    Raises:
        CheckpointError: It is gone, or holds other weights now.
    """
    parts = begun["parent"]
    wanted, folder = parts["checkpoint_id"], _place(run, parts["folder"])
    parent = load_checkpoint(folder)
    if parent.checkpoint_id != wanted:
        raise CheckpointError(
            f"{folder} is {parent.checkpoint_id} now, but this finetuning began from {wanted}: put "
            "that back, or finetune into another --out"
        )
    return parent


def begun_mocap(options: FinetuneOptions, begun: Begun, parent: Checkpoint) -> TrainingSet:
    """The motion capture of a run, at its version.

    Raises:
        ValueError: It does not fit the parent any more.
        StoreError: The store cannot be read.
    """
    return open_mocap(begun["data"]["pinned"], options.datasets, parent)


def begun_wild(options: FinetuneOptions, begun: Begun, parent: Checkpoint) -> WildSet:
    """The motions from video of a run, chosen as they were.

    Raises:
        ValueError: The same data give another selection: the code has changed since.
        StoreError: The store cannot be read.
    """
    wild = begun["wild"]
    opened = open_wild(
        wild["pinned"], options, parent, begun["sentences"], wild["decisions_version"]
    )
    held = [motion.motion_id for motion in opened.selection.held_out]
    weights = {motion.motion_id: weight for motion, weight in opened.selection.train}
    if held != begun["held_out"] or weights != begun["train"]:
        raise ValueError(
            f"this version of the program chooses other motions than {FINETUNE_FILE} of the run "
            "names: finetune into another --out"
        )
    return opened
