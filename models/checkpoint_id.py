"""A checkpoint's name in lineage, from its files alone: no network is built for it."""

import hashlib
from pathlib import Path

CONFIG_FILE = "config.json"
WEIGHTS_FILE = "model.safetensors"
STATISTICS_FILE = "stats.safetensors"
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
        raise CheckpointError(
            f"{folder} is not a checkpoint folder: {', '.join(missing)} missing; give "
            + (str(best) if inside else "OUT/best of `crossdiff train --out OUT`")
        )


def checkpoint_id(folder: Path) -> str:
    """`<folder name>-<12 hex digits of the weights' and statistics' hash>`.

    Raises:
        CheckpointError: Not a checkpoint folder.
    """
    require_files(folder)
    digest = hashlib.sha256()
    for name in (WEIGHTS_FILE, STATISTICS_FILE):
        digest.update((folder / name).read_bytes())
    return f"{folder.resolve().name}-{digest.hexdigest()[:ID_DIGITS]}"
