"""A checkpoint's name in lineage, from its files alone: no network is built for it.

A folder stands for a checkpoint when it is one, or when it holds `promoted.json`, which names one
(`models.promotion` writes it).
"""

import hashlib
import json
from pathlib import Path
from typing import Any

CONFIG_FILE = "config.json"
WEIGHTS_FILE = "model.safetensors"
STATISTICS_FILE = "stats.safetensors"
PROMOTED_FILE = "promoted.json"
"""In a folder of models: which checkpoint is the one to use."""
ID_DIGITS = 12
SHIPPED = Path(__file__).parent / "weights" / "crossdiff-base"
"""The weights that come with the package: Stage I, for the lift and all that begins in 2D."""
SHIPPED_STAGE_2 = SHIPPED.with_name("crossdiff-base-stage2")
"""Stage II of them, for sentences to 3D."""


class CheckpointError(ValueError):
    """A checkpoint folder that cannot be used; the message says why and what to do."""


def require_files(folder: Path) -> None:
    """Check that a folder looks like a checkpoint.

    Raises:
        CheckpointError: A file is missing.
    """
    names = (CONFIG_FILE, WEIGHTS_FILE, STATISTICS_FILE)
    missing = [name for name in names if not (folder / name).is_file()]
    if missing:
        best = folder / "best"
        inside = all((best / name).is_file() for name in names)
        if any(folder.glob(f"*/best/{CONFIG_FILE}")):
            raise CheckpointError(
                f"{folder} holds networks, and none of them is promoted: give one by its folder "
                f"({folder}/RUN/best), or promote it with `crossdiff checkpoint promote`"
            )
        raise CheckpointError(
            f"{folder} is not a checkpoint folder: {', '.join(missing)} missing; give "
            + (str(best) if inside else "OUT/best of `crossdiff train --out OUT`")
            + ("" if inside else ", or a folder in which a checkpoint was promoted")
        )


def read_promotion(models: Path) -> dict[str, Any] | None:
    """What `promoted.json` of a folder of models says; None where nothing was promoted.

    Raises:
        CheckpointError: The file is damaged.
    """
    file = models / PROMOTED_FILE
    try:
        told = json.loads(file.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        raise CheckpointError(
            f"{file} cannot be read ({error}): name a checkpoint folder itself, and promote it "
            "again with `crossdiff checkpoint promote`"
        ) from error
    names = ("checkpoint", "checkpoint_id")
    if not isinstance(told, dict) or not all(isinstance(told.get(name), str) for name in names):
        raise CheckpointError(
            f"{file} names no checkpoint: name a checkpoint folder itself, and promote it again "
            "with `crossdiff checkpoint promote`"
        )
    return told


def resolve_checkpoint(folder: Path | str) -> Path:
    """The checkpoint that a folder means: itself, or the one that its `promoted.json` names.

    Who works for long with a checkpoint should resolve its folder once, at the beginning: another
    one may be promoted meanwhile.

    Raises:
        CheckpointError: The pointer is damaged, or what it names is no longer what was promoted.
    """
    folder = Path(folder)
    told = read_promotion(folder)
    if told is None:
        return folder
    target = _named(folder, Path(told["checkpoint"]))
    require_files(target)
    if not told["checkpoint_id"].endswith(f"-{_digest(target)}"):
        raise CheckpointError(
            f"{target} is not what was promoted as {told['checkpoint_id']}: its weights have "
            "changed since; promote it again with `crossdiff checkpoint promote`"
        )
    return target


def _named(folder: Path, named: Path) -> Path:
    """What a pointer in `folder` names: a place inside it, or, absolute, anywhere."""
    target = folder / named  # an absolute path stays what it is
    try:
        leaves = not target.resolve().is_relative_to(folder.resolve())
    except (OSError, RuntimeError, ValueError) as error:  # links in a circle, no name of a file
        raise CheckpointError(
            f"{folder / PROMOTED_FILE} names a place that cannot be followed ({error}): promote a "
            "checkpoint with `crossdiff checkpoint promote`"
        ) from error
    if leaves and not named.is_absolute():
        raise CheckpointError(
            f"{folder / PROMOTED_FILE} names {named}, which leaves the folder: promote a "
            "checkpoint with `crossdiff checkpoint promote`"
        )
    return target


def checkpoint_id(folder: Path) -> str:
    """`<folder name>-<12 hex digits of the weights' and statistics' hash>`.

    Raises:
        CheckpointError: Not a checkpoint folder.
    """
    folder = resolve_checkpoint(folder)
    require_files(folder)
    return f"{folder.resolve().name}-{_digest(folder)}"


def _digest(folder: Path) -> str:
    digest = hashlib.sha256()
    for name in (WEIGHTS_FILE, STATISTICS_FILE):
        digest.update((folder / name).read_bytes())
    return digest.hexdigest()[:ID_DIGITS]
