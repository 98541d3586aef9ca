"""A checkpoint is a folder: `model.safetensors`, `stats.safetensors`, `config.json`, `README.md`."""

import hashlib
import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.numpy import load_file as load_arrays
from safetensors.numpy import save_file as save_arrays
from safetensors.torch import load_file, save_file

from models.network import CrossDiff, NetworkConfig
from pipeline.normalisation import Statistics
from pipeline.skeletons import HUMANML3D, KIT, Skeleton

SKELETONS = {s.name: s for s in (HUMANML3D, KIT)}
FORMAT = 1
SHIPPED = Path(__file__).parent / "weights" / "crossdiff-small"
"""The weights that come with the package."""


class CheckpointError(ValueError):
    """A checkpoint folder that cannot be used; the message says why and what to do."""


@dataclass(frozen=True)
class Checkpoint:
    """Everything that using a trained network needs."""

    network: CrossDiff
    statistics: Statistics
    skeleton: Skeleton
    checkpoint_id: str
    """`<folder name>-<12 hex of the weights' and statistics' hash>`: goes into lineage."""
    masks_padding: bool
    """Whether it was trained with padded frames hidden from attention."""
    about: dict[str, Any] = field(default_factory=dict)
    """Free fields of the config: training settings, text encoder, data."""


def _digest(*files: Path) -> str:
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.read_bytes())
    return digest.hexdigest()


def save_checkpoint(
    folder: Path,
    network: CrossDiff,
    statistics: Statistics,
    skeleton: Skeleton,
    *,
    masks_padding: bool,
    about: dict[str, Any],
    dtype: torch.dtype = torch.float32,
) -> None:
    """Write a checkpoint folder; each file appears whole or not at all.

    `config.json` is written last: a folder without it is not a checkpoint.
    """
    folder.mkdir(parents=True, exist_ok=True)
    state = {k: v.detach().to("cpu", dtype).contiguous() for k, v in network.state_dict().items()}
    partial = folder / ".partial"
    save_file(state, partial)
    os.replace(partial, folder / "model.safetensors")
    save_arrays(statistics.arrays(), partial)
    os.replace(partial, folder / "stats.safetensors")
    config = {
        "format": FORMAT,
        "network": network.config.to_json(),
        "skeleton": skeleton.name,
        "masks_padding": masks_padding,
        "about": about,
    }
    partial.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")
    os.replace(partial, folder / "config.json")


def load_checkpoint(folder: Path | str, device: torch.device | str = "cpu") -> Checkpoint:
    """Load a checkpoint folder for inference (eval mode, float32).

    Raises:
        CheckpointError: Not a checkpoint folder, or files that do not fit together.
    """
    folder = Path(folder)
    files = [folder / n for n in ("config.json", "model.safetensors", "stats.safetensors")]
    missing = [f.name for f in files if not f.is_file()]
    if missing:
        raise CheckpointError(
            f"{folder} is not a checkpoint folder: {', '.join(missing)} missing; "
            "give the folder that `crossdiff train --out` wrote"
        )
    try:
        config = json.loads(files[0].read_text())
        network = CrossDiff(NetworkConfig(**config["network"]))
        skeleton = SKELETONS[config["skeleton"]]
        state = {k: v.float() for k, v in load_file(files[1]).items()}
        network.load_state_dict(state)
        statistics = Statistics(**load_arrays(files[2]))
    except (KeyError, TypeError, ValueError, RuntimeError, SafetensorError) as error:
        first = str(error).strip().splitlines()[0] if str(error).strip() else repr(error)
        raise CheckpointError(f"checkpoint {folder} cannot be loaded: {first}") from error
    if statistics.mean3.shape != (skeleton.dim3,) or statistics.mean2.shape != (skeleton.dim2,):
        raise CheckpointError(f"checkpoint {folder}: statistics do not fit {skeleton.name}")
    return Checkpoint(
        network=network.to(device).eval(),
        statistics=statistics,
        skeleton=skeleton,
        checkpoint_id=f"{folder.resolve().name}-{_digest(*files[1:])[:12]}",
        masks_padding=bool(config.get("masks_padding", False)),
        about=config.get("about", {}),
    )
