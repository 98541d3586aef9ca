"""What a training run holds, and how it is saved to be continued."""

import math
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch

from models.network import CrossDiff
from models.train_config import TrainConfig
from pipeline.normalisation import Statistics
from pipeline.skeletons import Skeleton


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
    best_pa_mpjpe: float = math.inf

    @property
    def out_of_budget(self) -> bool:
        """Whether the configuration's time budget, if it has one, is used up."""
        budget = self.config.budget_seconds
        return budget > 0 and self.seconds >= budget


def start_run(
    config: TrainConfig, statistics: Statistics, device: torch.device, skeleton: Skeleton
) -> Run:
    """A fresh network, its average and AdamW.

    In Stage II the parts that only read or write 2D are frozen: no loss reaches them.
    """
    torch.manual_seed(config.seed)
    network = CrossDiff(config.network).to(device)
    if config.stage == 2:
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
        fused=device.type == "cuda",
    )
    return Run(config, network, averaged, optimizer, statistics, skeleton)


def save_state(run: Run, path: Path) -> None:
    """Everything that continues the run, written whole or not at all."""
    state = {
        "step": run.step,
        "seconds": run.seconds,
        "best_pa_mpjpe": run.best_pa_mpjpe,
        "config_hash": run.config.config_hash,
        "network": run.network.state_dict(),
        "averaged": run.averaged.state_dict(),
        "optimizer": run.optimizer.state_dict(),
    }
    partial = path.with_suffix(".partial")
    torch.save(state, partial)
    partial.replace(path)


def load_state(run: Run, path: Path) -> None:
    """Continue from `save_state`.

    Raises:
        ValueError: The file is damaged, or the state belongs to another configuration.
    """
    device = run.network.embed_text.weight.device
    try:
        state: dict[str, Any] = torch.load(path, map_location=device, weights_only=True)
    except (RuntimeError, EOFError, UnpicklingError) as error:
        raise ValueError(f"{path} is damaged; train into another --out") from error
    if state["config_hash"] != run.config.config_hash:
        raise ValueError(
            f"{path} belongs to another configuration; resume with the options in "
            "config.json beside it, or train into another --out"
        )
    run.network.load_state_dict(state["network"])
    run.averaged.load_state_dict(state["averaged"])
    run.optimizer.load_state_dict(state["optimizer"])
    run.step, run.seconds = int(state["step"]), float(state["seconds"])
    run.best_pa_mpjpe = float(state["best_pa_mpjpe"])
