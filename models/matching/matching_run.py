"""What the training of one part's networks holds, and how it is saved to be continued."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch

from models.matching.body_parts import Part
from models.matching.matching_config import MatchingConfig, differing_options
from models.matching.networks import MatchingNetwork, MovementConvDecoder
from models.train.resuming import write_state

STATE_FILE = "state.pt"


@dataclass
class MatchingRun:
    """What a training holds while it goes on."""

    config: MatchingConfig
    part: Part
    network: MatchingNetwork
    decoder: MovementConvDecoder
    movement_optimizer: torch.optim.Optimizer
    optimizer: torch.optim.Optimizer
    data: str
    """Names the training motions: a resumed run goes on with the same."""
    movement_step: int = 0
    step: int = 0
    seconds: float = 0.0
    """Training time so far, over all resumed parts."""
    best_score: float = -math.inf
    """Largest mean of R-Precision 1 to 3 on the validation split so far: R@3 alone saturates."""
    best_step: int = 0

    @property
    def done(self) -> bool:
        """Whether every step of both parts is taken."""
        return self.step >= self.config.steps


def start_run(
    config: MatchingConfig,
    part: Part,
    features: int,
    targets: int,
    sentence: int | None,
    data: str,
    device: torch.device | str = "cpu",
) -> MatchingRun:
    """Fresh networks and their optimizers.

    Args:
        config: Sizes, rates and seed.
        part: Body part.
        features: Numbers of a row that the part sees.
        targets: Numbers of a row that the movement decoder rebuilds.
        sentence: Width of sentence embeddings; None: words.
        data: Names the training motions.
        device: Where to train.
    """
    torch.manual_seed(config.seed)
    network = MatchingNetwork(config.sizes, features, sentence).to(device)
    sizes = config.sizes
    decoder = MovementConvDecoder(sizes.movement, sizes.movement_hidden, targets).to(device)
    movement = [*network.movement_encoder.parameters(), *decoder.parameters()]
    matching = [*network.motion_encoder.parameters(), *network.text_encoder.parameters()]
    if config.train_movement:
        matching += list(network.movement_encoder.parameters())
    return MatchingRun(
        config,
        part,
        network,
        decoder,
        torch.optim.Adam(movement, lr=config.learning_rate),
        torch.optim.AdamW(matching, lr=config.learning_rate, weight_decay=config.weight_decay),
        data,
    )


def save_state(run: MatchingRun, path: Path) -> None:
    """Everything that continues the run, written whole or not at all.

    The random streams are functions of seed and step: the steps are all they need.
    """
    state = {
        "config": run.config.to_json(),
        "part": run.part,
        "data": run.data,
        "network": run.network.state_dict(),
        "decoder": run.decoder.state_dict(),
        "movement_optimizer": run.movement_optimizer.state_dict(),
        "optimizer": run.optimizer.state_dict(),
        "movement_step": run.movement_step,
        "step": run.step,
        "seconds": run.seconds,
        "best_score": run.best_score,
        "best_step": run.best_step,
    }
    write_state(state, path)


def load_state(run: MatchingRun, path: Path) -> None:
    """Continue from `save_state`.

    Raises:
        ValueError: The file is damaged, or the run was begun with other options or data.
    """
    try:
        state: dict[str, Any] = torch.load(path, map_location=run.network.device, weights_only=True)
        begun = MatchingConfig.from_json(state["config"])
        _check_same(run, begun, state, path.parent)
        run.network.load_state_dict(state["network"])
        run.decoder.load_state_dict(state["decoder"])
        run.movement_optimizer.load_state_dict(state["movement_optimizer"])
        run.optimizer.load_state_dict(state["optimizer"])
        run.movement_step, run.step = int(state["movement_step"]), int(state["step"])
        run.seconds, run.best_score = float(state["seconds"]), float(state["best_score"])
        run.best_step = int(state["best_step"])
    except (RuntimeError, EOFError, UnpicklingError, KeyError, TypeError) as error:
        raise ValueError(
            f"{path} is damaged or of an older version; train into another --out"
        ) from error


def _check_same(
    run: MatchingRun, begun: MatchingConfig, state: Mapping[str, Any], folder: Path
) -> None:
    differing = differing_options(begun, run.config)
    if differing:
        raise ValueError(
            f"the training in {folder} was begun with {'; '.join(differing)}: resume with the "
            "options in its training.json, or train into another --out"
        )
    if state["data"] != run.data:
        raise ValueError(
            f"the training in {folder} was begun on other motions: resume with the --data and "
            "version in its training.json, or train into another --out"
        )
