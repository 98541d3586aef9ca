"""`crossdiff train`: presets and changes to a training run."""

import dataclasses
import json
from pathlib import Path
from typing import Any

from models.augment import CameraAugmentation
from models.text_encoder import MiniLM
from models.train_config import PRESETS, TrainConfig
from models.training import train
from models.training_data import build_bank, read_motions, training_statistics


def starting_point(preset: str, file: Path | None) -> TrainConfig:
    """A preset, or the configuration that a run or a checkpoint was trained with.

    Raises:
        ValueError: The file holds no training configuration.
    """
    if file is None:
        return PRESETS[preset]
    try:
        values = json.loads(file.read_text())
    except json.JSONDecodeError as error:
        raise ValueError(f"--config {file} is not JSON: {error}") from error
    trained_with = values.get("about", {}).get("train") if isinstance(values, dict) else None
    try:
        return TrainConfig.from_json(trained_with or values)
    except ValueError as error:
        raise ValueError(f"--config {file}: {error}") from error


def configure(start: TrainConfig, views: str, changes: dict[str, Any]) -> TrainConfig:
    """A configuration with the given fields replaced; None keeps what it has.

    Raises:
        ValueError: A value out of range.
    """
    config = dataclasses.replace(start, **{k: v for k, v in changes.items() if v is not None})
    cameras = {
        "4": CameraAugmentation(),
        "continuous": CameraAugmentation(continuous=1.0, elevation_deg=12.0),
    }
    if views in cameras:
        config = dataclasses.replace(config, camera=cameras[views])
    return dataclasses.replace(
        config, network=dataclasses.replace(config.network, text_dim=MiniLM.width)
    )


def run_training(
    data: Path,
    out: Path,
    start: TrainConfig,
    views: str,
    changes: dict[str, Any],
    max_minutes: float | None,
    resume: bool,
) -> dict[str, Any]:
    """Load the set, train, and say where the checkpoints are."""
    config = configure(start, views, changes)
    motions = read_motions(data)
    splits = {s: [m for m in motions if m.split == s] for s in ("train", "val")}
    banks = {s: build_bank(part, config.network.text_dim) for s, part in splits.items()}
    sources = sorted({m.source for m in motions})
    run = train(
        config,
        banks["train"],
        banks["val"],
        training_statistics(splits["train"]),
        out,
        resume=resume,
        about={"text_encoder": MiniLM.encoder_id, "sources": sources},
        max_minutes=max_minutes,
    )
    return {
        "out": str(out),
        "best": str(out / "best"),
        "steps": run.step,
        "finished": run.step == config.steps or run.out_of_budget,
        "best_pa_mpjpe_mm": run.best_pa_mpjpe,
        "config_hash": config.config_hash,
    }
