"""What a training run holds, and how it is saved to be continued."""

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch

from models.data.training_data import MotionBank
from models.data.wild_bank import WildBank
from models.network import CrossDiff
from models.train.resuming import HASH_DIGITS, write_state
from models.train.step_clock import TimeSplit
from models.train.train_config import TrainConfig, differing_options
from pipeline.normalisation import Statistics
from pipeline.skeletons import Skeleton

STATE_FILE = "state.pt"


@dataclass
class Run:
    """What a run holds while it goes on."""

    config: TrainConfig
    network: CrossDiff
    averaged: CrossDiff
    """EMA of the network; the network itself when no averaging is asked for."""
    optimizer: torch.optim.Optimizer
    statistics: Statistics
    skeleton: Skeleton
    step: int = 0
    seconds: float = 0.0
    """Training time so far, over all resumed parts."""
    best_score: float = math.inf
    """Smallest value so far of the validation figure `config.best_by`."""
    data: Mapping[str, Any] = field(default_factory=dict)
    """From `data_fingerprint`: what the run was begun on."""
    split: TimeSplit = field(default_factory=TimeSplit)
    """Where the time of the timed steps went, since this process began."""

    @property
    def out_of_budget(self) -> bool:
        """Whether the configuration's time budget, if it has one, is used up."""
        budget = self.config.budget_seconds
        return budget > 0 and self.seconds >= budget


def start_run(
    config: TrainConfig, statistics: Statistics, device: torch.device, skeleton: Skeleton
) -> Run:
    """A fresh network, its average and AdamW.

    Where only 3D to 3D is trained, the parts that only read or write 2D are frozen: no loss
    reaches them.
    """
    torch.manual_seed(config.seed)
    network = CrossDiff(config.network).to(device)
    if not config.trains_2d:
        for parameter in network.own_parameters("2d"):
            parameter.requires_grad_(False)
    averaged = network
    if config.ema_decay:
        averaged = CrossDiff(config.network).to(device)
        averaged.load_state_dict(network.state_dict())
        averaged.requires_grad_(False)
    optimizer = torch.optim.AdamW(
        network.parameters(),
        lr=config.learning_rate,
        weight_decay=config.weight_decay,
        fused=device.type in ("cpu", "cuda"),
    )
    return Run(config, network, averaged, optimizer, statistics, skeleton)


def statistics_hash(statistics: Statistics) -> str:
    """12 hex digits that name a normalisation."""
    digest = hashlib.sha256()
    for name, values in statistics.arrays().items():
        digest.update(name.encode() + values.tobytes())
    return digest.hexdigest()[:HASH_DIGITS]


def data_fingerprint(
    training: MotionBank, statistics: Statistics, wild: WildBank | None = None
) -> dict[str, Any]:
    """What a resumed run compares, so that it goes on with the data it was begun on."""
    digest = hashlib.sha256()
    # Every motion's length, captions and second frame: enough to tell two sets apart, and quick.
    for part in (training.rows, training.captions, training.joints[:, 1]):
        digest.update(part.contiguous().cpu().numpy().tobytes())
    return {
        "training_motions": len(training),
        "training_set": digest.hexdigest()[:HASH_DIGITS],
        "statistics": statistics_hash(statistics),
        **({} if wild is None else {"wild_motions": len(wild), "wild_set": _wild_hash(wild)}),
    }


def _wild_hash(wild: WildBank) -> str:
    """12 hex digits that change with the clips, their labels, captions and weights."""
    digest, motions = hashlib.sha256(), wild.motions
    parts = (
        motions.rows, motions.features3[:, 0], motions.captions, motions.text,
        wild.view[:, 1], wild.seen, wild.label_weight,
    )  # fmt: skip
    for part in parts:
        digest.update(part.contiguous().cpu().numpy().tobytes())
    return digest.hexdigest()[:HASH_DIGITS]


def save_state(run: Run, path: Path) -> None:
    """Everything that continues the run, written whole or not at all.

    The random streams are functions of seed and step: the step is all they need.
    """
    state = {
        "step": run.step,
        "seconds": run.seconds,
        "best_score": run.best_score,
        "config": run.config.to_json(),
        "data": dict(run.data),
        "network": run.network.state_dict(),
        "averaged": run.averaged.state_dict(),
        "optimizer": run.optimizer.state_dict(),
    }
    write_state(state, path)


def load_state(run: Run, path: Path) -> None:
    """Continue from `save_state`.

    Raises:
        ValueError: The file is damaged, or the run was begun with other options or data.
    """
    device = run.network.embed_text.weight.device
    try:
        state: dict[str, Any] = torch.load(path, map_location=device, weights_only=True)
        begun = TrainConfig.from_json(state["config"])
    except (RuntimeError, EOFError, UnpicklingError, KeyError, TypeError) as error:
        raise ValueError(
            f"{path} is damaged or of an older version; train into another --out"
        ) from error
    _same_options(begun, run.config, path.parent)
    _same_data(state["data"], run.data, path.parent)
    run.network.load_state_dict(state["network"])
    run.averaged.load_state_dict(state["averaged"])
    run.optimizer.load_state_dict(state["optimizer"])
    run.step, run.seconds = int(state["step"]), float(state["seconds"])
    run.best_score = float(state["best_score"])


def _same_options(begun: TrainConfig, asked: TrainConfig, out: Path) -> None:
    differing = differing_options(begun, asked)
    if differing:
        raise ValueError(
            f"the run in {out} was begun with {'; '.join(differing)}: resume with the options in "
            "its config.json, or train into another --out"
        )


def _same_data(begun: Mapping[str, Any], given: Mapping[str, Any], out: Path) -> None:
    differing = [
        f"{name} {value}, not {given.get(name)}"
        for name, value in begun.items()
        if value != given.get(name)
    ]
    if differing:
        raise ValueError(
            f"the run in {out} was begun on other data ({'; '.join(differing)}): resume with the "
            "--data and version in its config.json, or train into another --out"
        )
