"""Everything that training a matching network is made of: saved whole before it starts."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from models.matching.networks import UNIT_ROWS, MatchingSizes
from models.train.resuming import config_hash, differing_values

Loss = Literal["contrastive", "infonce"]
LOSSES: tuple[Loss, ...] = get_args(Loss)


@dataclass(frozen=True)
class MatchingConfig:
    """Defaults are the published ones (Guo et al. 2022, their options and commands)."""

    sizes: MatchingSizes = field(default_factory=MatchingSizes)
    feature_bias: float = 5.0
    """The root's features weigh so many times more: their deviations are divided by it."""
    movement_steps: int = 270 * 21_000
    """Of the movement autoencoder: 270 epochs over every window of HumanML3D."""
    movement_batch: int = 128
    movement_window: int = 24
    """Rows of a window."""
    sparsity: float = 1e-3
    """Weight of the movements' mean size."""
    smoothness: float = 1e-3
    """Weight of the mean difference between neighbouring movements."""
    steps: int = 300 * 2_900
    """Of the text and motion encoders: 300 epochs of HumanML3D in batches of 8."""
    batch_size: int = 8
    learning_rate: float = 1e-4
    """Of Adam, in both parts of the training."""
    cosine_decay: bool = False
    """Let the rate of the second part fall to 1 % over its steps; published: constant."""
    weight_decay: float = 0.0
    gradient_clip: float = 0.5
    loss: Loss = "contrastive"
    margin: float = 10.0
    """Distance from which a mismatched pair costs nothing (contrastive)."""
    temperature: float = 1.0
    """Distance that makes a mismatch e times less likely (infonce)."""
    train_movement: bool = False
    """Train the movement encoder on with the others; published: it stays as the autoencoder's."""
    validate_every: int = 2_900
    seed: int = 1

    def __post_init__(self) -> None:
        whole = ("movement_steps", "movement_batch", "steps", "batch_size", "validate_every")
        for name in whole:
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        if self.seed < 0:
            raise ValueError(f"seed must be at least 0, got {self.seed}")
        for name in ("feature_bias", "learning_rate", "margin", "temperature", "gradient_clip"):
            if not getattr(self, name) > 0.0:
                raise ValueError(f"{name} must be positive, got {getattr(self, name)}")
        if self.movement_window < UNIT_ROWS or self.movement_window % UNIT_ROWS:
            raise ValueError(f"movement_window must be a multiple of 4, got {self.movement_window}")
        if self.batch_size < 2:
            raise ValueError("batch_size must be at least 2: one pair has no mismatch")
        if self.loss not in LOSSES:
            raise ValueError(f"loss must be one of {', '.join(LOSSES)}, got {self.loss!r}")

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return dataclasses.asdict(self)

    @staticmethod
    def from_json(values: Mapping[str, Any]) -> "MatchingConfig":
        """The inverse of `to_json`.

        Raises:
            ValueError: A field is unknown or has a wrong value.
        """
        try:
            given = dict(values)
            if "sizes" in given:
                given["sizes"] = MatchingSizes(**given["sizes"])
            return MatchingConfig(**given)
        except TypeError as error:
            raise ValueError(f"not a configuration of matching networks: {error}") from error

    @property
    def config_hash(self) -> str:
        """12 hex digits that name this configuration."""
        return config_hash(self.to_json())


def differing_options(begun: MatchingConfig, asked: MatchingConfig) -> list[str]:
    """What keeps a training begun with one configuration from going on with another, in words.

    How often it is validated may change; its length too, unless the rate follows it.
    """
    free = {"validate_every"} if begun.cosine_decay else {"validate_every", "steps"}
    return differing_values(begun.to_json(), asked.to_json(), free)


PRESETS: dict[str, MatchingConfig] = {
    "paper": MatchingConfig(),
    "small": MatchingConfig(
        sizes=MatchingSizes(
            movement_hidden=128, movement=128, motion_hidden=128, text_hidden=256, embedding=128
        ),
        movement_steps=1_500,
        steps=2_000,
        batch_size=64,
        learning_rate=1e-3,
        cosine_decay=True,
        weight_decay=0.01,
        loss="infonce",
        validate_every=200,
    ),
}
