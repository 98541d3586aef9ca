"""Which checkpoint of a folder of models is the one to use: an atomic pointer with its history.

`MODELS/promoted.json` names it. Whoever reads the pointer sees the old one or the new one, whole,
whatever is killed when; whoever replaces it must say what it is better than, so that of two that
were measured against the same parent only the first is taken.
"""

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from models.checkpoint_id import (
    CONFIG_FILE,
    PROMOTED_FILE,
    CheckpointError,
    checkpoint_id,
    read_promotion,
    resolve_checkpoint,
)
from models.matching.whole_file import write_whole

__all__ = ["SupersededError", "promote", "read_promotion", "refusal", "resolve_checkpoint"]

LOCK_FILE = ".promoted.lock"
HISTORY = "history"


class SupersededError(CheckpointError):
    """Something else was promoted since the parent was chosen."""


def refusal(models: Path, candidate_id: str, parent_id: str) -> str:
    """Why a candidate that was measured against a parent may not be promoted; empty: it may.

    Raises:
        CheckpointError: The pointer is damaged.
    """
    there = read_promotion(models)
    if there is None or there["checkpoint_id"] in (candidate_id, parent_id):
        return ""
    return (
        f"{models} has promoted {there['checkpoint_id']}, but this one's parent is {parent_id}: "
        f"finetune from --checkpoint {models}, or choose another --models"
    )


def promote(
    models: Path, checkpoint: Path, parent_id: str, about: Mapping[str, Any]
) -> dict[str, Any]:
    """Make a checkpoint the one that `models` stands for; what is there already stays as it is.

    Args:
        models: Folder of the pointer, made when missing.
        checkpoint: A checkpoint folder; kept as a relative path when it lies inside `models`.
        parent_id: What it was found better than: the pointer must name it still, where there is
            one.
        about: Further facts for the pointer: `run`, `reasons`, `by`.

    Returns:
        What `promoted.json` says now, without its history.

    Raises:
        SupersededError: Something else was promoted meanwhile.
        CheckpointError: Not a checkpoint, a damaged pointer, or `models` is a checkpoint itself.
        OSError: The pointer cannot be written; the old one stays.
    """
    if (models / CONFIG_FILE).is_file():
        raise CheckpointError(f"{models} is a run or a checkpoint itself: choose another --models")
    candidate = checkpoint_id(checkpoint)
    with _alone(models):
        refused = refusal(models, candidate, parent_id)
        if refused:
            raise SupersededError(refused)
        before = read_promotion(models)
        if before is not None and before["checkpoint_id"] == candidate:
            return _without_history(before)
        record = {
            **about,
            "checkpoint": _place(models, checkpoint),
            "checkpoint_id": candidate,
            "parent_id": parent_id,
            "at": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        history = [] if before is None else [*before.get(HISTORY, ()), _without_history(before)]
        text = json.dumps({**record, HISTORY: history}, indent=2, sort_keys=True, allow_nan=False)
        write_whole(models / PROMOTED_FILE, f"{text}\n".encode())
        return record


def _without_history(told: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in told.items() if name != HISTORY}


def _place(models: Path, checkpoint: Path) -> str:
    """Relative where it can be, so that the folder of models may be moved as a whole."""
    inside, root = resolve_checkpoint(checkpoint).resolve(), models.resolve()
    return str(inside.relative_to(root) if inside.is_relative_to(root) else inside)


@contextmanager
def _alone(models: Path) -> Iterator[None]:
    """One process at a time; the system gives the lock back when its holder dies."""
    models.mkdir(parents=True, exist_ok=True)
    handle = os.open(models / LOCK_FILE, os.O_CREAT | os.O_RDWR, 0o644)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
