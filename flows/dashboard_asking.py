"""Asking the promoted checkpoint: `crossdiff generate` in a process of its own."""

import sys
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from flows.progress import EVERY_VARIABLE
from models.checkpoint_id import (
    PROMOTED_FILE,
    SHIPPED_STAGE_2,
    CheckpointError,
    checkpoint_id,
    read_promotion,
    resolve_checkpoint,
)
from storage.dashboard.ask_jobs import AskJobs
from storage.dashboard.asking import Asked, ModelAbout

PROGRESS_EVERY_S = "0.3"


def motion_maker(models: Path | None) -> AskJobs:
    """Who answers the dashboard's wishes.

    Args:
        models: A checkpoint, or a folder of models, of which the promoted one answers; looked at
            anew for each wish. None: the weights that come with the package.
    """

    def about() -> ModelAbout:
        return _about(models)

    def command(asked: Asked, out: Path) -> Sequence[str]:
        return _command(models, asked, out)

    return AskJobs(about, command, {EVERY_VARIABLE: PROGRESS_EVERY_S})


def _about(models: Path | None) -> ModelAbout:
    if models is None:
        return ModelAbout(True, _name(SHIPPED_STAGE_2), "the weights that come with the package")
    try:
        chosen = resolve_checkpoint(models)
        name = _name(chosen)
        promoted = read_promotion(models) is not None
    except CheckpointError as error:
        return ModelAbout(False, "", str(error))
    note = f"promoted in {models}" if promoted else f"{models}; there is no {PROMOTED_FILE} in it"
    return ModelAbout(True, name, note)


@lru_cache(maxsize=16)
def _name(checkpoint: Path) -> str:
    return checkpoint_id(checkpoint)


def _command(models: Path | None, asked: Asked, out: Path) -> list[str]:
    chosen = SHIPPED_STAGE_2 if models is None else resolve_checkpoint(models)
    words = [sys.executable, "-m", "flows.cli", "generate", "--out", str(out), "--json"]
    words += ["--checkpoint", str(chosen), "--length", str(asked.seconds)]
    words += ["--seed", str(asked.seed), "--guidance", str(asked.guidance), "--no-film"]
    # After the two dashes a sentence that begins with one is still a sentence.
    return [*words, "--", asked.text]
