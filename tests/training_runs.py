"""Tiny training runs in this process: configurations, silence, and when two runs are the same."""

import dataclasses
import json
from pathlib import Path

import torch
from training_victim import TINY

from models.train.run_state import Run
from models.train.train_config import TrainConfig


def silent(_message: str) -> None:
    return None


def changed(**fields) -> TrainConfig:
    """TINY with other values."""
    return dataclasses.replace(TINY, **fields)


def logged(out: Path) -> list[dict]:
    """The validation log."""
    return [json.loads(line) for line in (out / "validation.jsonl").read_text().splitlines()]


def assert_same_run(ours: Run, wanted: Run) -> None:
    """Same step, weights, averaged weights and optimizer, to 1e-6."""
    assert ours.step == wanted.step
    for part in ("network", "averaged"):
        states = (getattr(run, part).state_dict() for run in (ours, wanted))
        torch.testing.assert_close(*states, atol=1e-6, rtol=0)
    kept = [run.optimizer.state_dict()["state"] for run in (ours, wanted)]
    assert len(kept[1]) > 0
    torch.testing.assert_close(kept[0], kept[1], atol=1e-6, rtol=0)
