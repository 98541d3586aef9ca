"""A checkpoint is a folder: `model.safetensors`, `stats.safetensors`, `config.json`.

A `README.md` beside them is the card for people: written from the config, never read.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.numpy import load_file as load_arrays
from safetensors.numpy import save as save_arrays
from safetensors.torch import load_file, save

from models.checkpoint_card import write_card
from models.checkpoint_id import (
    CONFIG_FILE,
    SHIPPED,
    SHIPPED_STAGE_2,
    STATISTICS_FILE,
    WEIGHTS_FILE,
    CheckpointError,
    checkpoint_id,
    require_files,
    resolve_checkpoint,
)
from models.network import CrossDiff, NetworkConfig
from pipeline.normalisation import Statistics
from pipeline.skeletons import SKELETONS, Skeleton

__all__ = [
    "SHIPPED",
    "SHIPPED_STAGE_2",
    "Checkpoint",
    "CheckpointError",
    "load_checkpoint",
    "save_checkpoint",
]

FORMAT = 1


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
    folder: Path | None = None
    """Where it was loaded from; its labels' calibration lies there, if it has one."""

    @property
    def text_encoder(self) -> str | None:
        """`encoder_id` of the text encoder it was trained with; None where nobody wrote it down."""
        known = self.about.get("text_encoder")
        return known if isinstance(known, str) and known else None


def save_checkpoint(
    folder: Path,
    network: CrossDiff,
    statistics: Statistics,
    skeleton: Skeleton,
    *,
    masks_padding: bool,
    about: Mapping[str, Any],
    dtype: torch.dtype = torch.float32,
    replace_card: bool = False,
) -> None:
    """Write a checkpoint folder; each file appears whole or not at all.

    `config.json` is written last: a folder without it is not a checkpoint.

    Args:
        folder: Where to; what is there of a checkpoint is replaced.
        network: The weights.
        statistics: Normalisation of both representations.
        skeleton: Whose features the network takes.
        masks_padding: Whether it was trained with padded frames hidden from attention.
        about: Facts for config.json and the card. What JSON cannot hold becomes text, and a
            number that is not finite becomes null. The card has words for `step`, `train`,
            `validation`, `data` (`datasets`, `motions`), `license`, `text_encoder`.
        dtype: On disk: float32, bfloat16 or float16; memory is always float32.
        replace_card: Also replace a README.md that somebody wrote by hand.

    Raises:
        CheckpointError: The weights do not fit into `dtype`: they would not be finite.
    """
    folder.mkdir(parents=True, exist_ok=True)
    state = {k: v.detach().to("cpu", dtype).contiguous() for k, v in network.state_dict().items()}
    _check_finite(state, folder)
    partial = folder / ".partial"
    # As bytes: the library's own files can only be read by whoever wrote them.
    partial.write_bytes(save(state))
    partial.replace(folder / "model.safetensors")
    partial.write_bytes(save_arrays(statistics.arrays()))
    partial.replace(folder / "stats.safetensors")
    config = {
        "format": FORMAT,
        "network": network.config.to_json(),
        "skeleton": skeleton.name,
        "masks_padding": masks_padding,
        "about": _as_json(about),
    }
    parameters = sum(value.numel() for value in state.values())
    write_card(folder, config, parameters, replace=replace_card)
    partial.write_text(json.dumps(config, indent=2, sort_keys=True, allow_nan=False) + "\n")
    partial.replace(folder / "config.json")


def _as_json(value: object) -> Any:  # noqa: ANN401
    """The value as JSON can hold it, so that a strange fact never costs a training's weights."""
    if isinstance(value, Mapping):
        return {str(k): _as_json(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_as_json(v) for v in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, str | int) else str(value)


def _check_finite(state: Mapping[str, torch.Tensor], folder: Path) -> None:
    damaged = [name for name, value in state.items() if not bool(value.isfinite().all())]
    if damaged:
        raise CheckpointError(f"checkpoint {folder}: {damaged[0]} holds values that are not finite")


_FILES = (CONFIG_FILE, WEIGHTS_FILE, STATISTICS_FILE)


def load_checkpoint(folder: Path | str, device: torch.device | str = "cpu") -> Checkpoint:
    """Load a checkpoint folder for inference (eval mode, float32).

    Args:
        folder: A checkpoint, or a folder of models whose `promoted.json` names one.
        device: Where the network goes.

    Raises:
        CheckpointError: Not a checkpoint folder, or files that do not fit together.
    """
    folder = resolve_checkpoint(folder)
    require_files(folder)
    try:
        return _load(folder, device)
    except CheckpointError:
        raise
    except (KeyError, TypeError, ValueError, RuntimeError, OSError, SafetensorError) as error:
        raise CheckpointError(f"checkpoint {folder} cannot be loaded: {_cause(error)}") from error


def _cause(error: Exception) -> str:
    """One line that says what was wrong; a KeyError's text is only the key."""
    if isinstance(error, KeyError):
        return f"{error} is missing from config.json or not known"
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return " ".join(lines[:2]) or repr(error)


def _load(folder: Path, device: torch.device | str) -> Checkpoint:
    config_file, model_file, stats_file = (folder / name for name in _FILES)
    config = json.loads(config_file.read_text(encoding="utf-8"))
    if config["format"] != FORMAT:
        raise CheckpointError(
            f"checkpoint {folder} has format {config['format']}, this version reads {FORMAT}"
        )
    network, skeleton = CrossDiff(NetworkConfig(**config["network"])), SKELETONS[config["skeleton"]]
    state = {name: value.float() for name, value in load_file(model_file).items()}
    _check_finite(state, folder)
    network.load_state_dict(state)
    statistics = Statistics(**load_arrays(stats_file))
    _check_widths(folder, network.config, statistics, skeleton)
    return Checkpoint(
        network=network.to(device).eval(),
        statistics=statistics,
        skeleton=skeleton,
        checkpoint_id=checkpoint_id(folder),
        masks_padding=bool(config["masks_padding"]),
        about=_about(folder, config["about"]),
        folder=folder,
    )


def _about(folder: Path, about: object) -> dict[str, Any]:
    if not isinstance(about, dict):
        raise CheckpointError(f"checkpoint {folder}: `about` in config.json is no JSON object")
    return about


def _check_widths(
    folder: Path, network: NetworkConfig, statistics: Statistics, skeleton: Skeleton
) -> None:
    wanted = (skeleton.dim3, skeleton.dim2)
    if (network.dim3, network.dim2) != wanted:
        raise CheckpointError(f"checkpoint {folder}: the network does not fit {skeleton.name}")
    if (*statistics.mean3.shape, *statistics.mean2.shape) != wanted:
        raise CheckpointError(f"checkpoint {folder}: statistics do not fit {skeleton.name}")
