"""`crossdiff train`: presets and changes to a training run."""

import dataclasses
from pathlib import Path
from typing import Any

from models.augment import CameraAugmentation
from models.text_encoder import MiniLM
from models.train_config import PRESETS, TrainConfig
from models.training import train
from models.training_data import build_bank, read_motions, training_statistics


def configure(preset: str, views: str, changes: dict[str, Any]) -> TrainConfig:
    """A preset with the given fields replaced; None keeps the preset's value.

    Raises:
        ValueError: A value out of range.
    """
    config = dataclasses.replace(
        PRESETS[preset], **{k: v for k, v in changes.items() if v is not None}
    )
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
    preset: str,
    views: str,
    changes: dict[str, Any],
    max_minutes: float | None,
    resume: bool,
) -> dict[str, Any]:
    """Load the set, train, and say where the checkpoints are."""
    config = configure(preset, views, changes)
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
        "finished": run.step == config.steps,
        "best_pa_mpjpe_mm": run.best_pa_mpjpe,
        "config_hash": config.config_hash,
    }
