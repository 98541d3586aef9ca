"""Everything a training run is made of: saved whole before the run starts."""

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from models.augment import CameraAugmentation, DetectorNoise
from models.losses import PathWeights
from models.network import NetworkConfig

STEPS_PER_EPOCH = 730
"""Batches of 32 in an epoch of HumanML3D's 23,384 training motions: the paper counts epochs."""
STAGE_1_EPOCHS, STAGE_2_EPOCHS = 4000, 2000


@dataclass(frozen=True)
class TrainConfig:
    """Defaults are the paper's Stage I; departures from it are named options."""

    network: NetworkConfig = field(default_factory=NetworkConfig)
    stage: Literal[1, 2] = 1
    steps: int = STAGE_1_EPOCHS * STEPS_PER_EPOCH
    batch_size: int = 32
    windows: tuple[int, ...] = (196,)
    """Crop lengths in feature rows; one is drawn per step, so batches hold one length."""
    bucketed: bool = False
    """Draw only motions at least as long as the step's window, so that nothing is padded."""
    budget_seconds: float = 0.0
    """When positive, training ends after this long, and `cosine_decay` runs over this time instead
    of over `steps`: for a machine that is lent by the minute."""
    learning_rate: float = 1e-4
    warmup_steps: int = 0
    cosine_decay: bool = False
    """Let the learning rate fall to 1 % of its top over the run; the paper keeps it constant."""
    weight_decay: float = 0.0
    gradient_clip: float = 0.0
    """Largest gradient norm; 0 leaves gradients alone."""
    ema_decay: float = 0.0
    """Decay of the averaged weights that are validated and saved; 0 saves the raw ones."""
    weights: PathWeights = field(default_factory=PathWeights)
    text_drop: float = 0.1
    """Probability of zeroing a sample's text (classifier-free guidance)."""
    zero_step_share: float = 0.0
    """Share of samples drawn at t = 0, the step the labelling pass uses; uniform t gives 0.001."""
    position_weight: float = 1.0
    """Weight of the 3D local-position features before the weights are scaled to mean 1."""
    camera: CameraAugmentation = field(default_factory=CameraAugmentation)
    noise: DetectorNoise = field(default_factory=DetectorNoise)
    masks_padding: bool = False
    """Hide padded frames from attention; the published network attends to them."""
    precision: Literal["no", "bf16"] = "no"
    compile: bool = False
    seed: int = 1
    log_every: int = 50
    validate_every: int = 1000

    def __post_init__(self) -> None:
        longest = self.network.max_frames
        if not self.windows or not all(4 <= w <= longest for w in self.windows):
            raise ValueError(f"windows must lie in 4..{longest} frames, got {self.windows}")
        for name in ("steps", "batch_size", "log_every", "validate_every"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        for name in ("text_drop", "zero_step_share", "ema_decay"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise ValueError(f"{name} must lie in 0..1, got {getattr(self, name)}")

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return dataclasses.asdict(self)

    @staticmethod
    def from_json(values: Mapping[str, Any]) -> "TrainConfig":
        """The inverse of `to_json`.

        Raises:
            ValueError: A field is unknown or has a wrong value.
        """
        try:
            given = dict(values)
            for name, kind in _NESTED.items():
                if name in given:
                    given[name] = kind(**given[name])
            if "windows" in given:
                given["windows"] = tuple(given["windows"])
            return TrainConfig(**given)
        except TypeError as error:
            raise ValueError(f"not a training configuration: {error}") from error

    @property
    def config_hash(self) -> str:
        """12 hex digits that name this configuration."""
        text = json.dumps(self.to_json(), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:12]


_NESTED = {
    "network": NetworkConfig,
    "weights": PathWeights,
    "camera": CameraAugmentation,
    "noise": DetectorNoise,
}

SMALL_NETWORK = NetworkConfig(
    width=160,
    feed_forward=320,
    root_feed_forward=96,
    private_layers=1,
    shared_layers=4,
    root_layers=1,
    text_dim=384,
)
"""Under 5 M parameters."""

BASE_NETWORK = NetworkConfig(
    width=224,
    feed_forward=512,
    root_feed_forward=128,
    private_layers=4,
    shared_layers=6,
    root_layers=1,
    text_dim=384,
)
"""Under 16 M parameters: 31 MB in bf16."""

PRESETS: dict[str, TrainConfig] = {
    "paper": TrainConfig(),
    "paper-stage2": TrainConfig(
        stage=2, steps=STAGE_2_EPOCHS * STEPS_PER_EPOCH, learning_rate=1e-5
    ),
    "small": TrainConfig(
        network=SMALL_NETWORK,
        steps=20_000,
        batch_size=64,
        windows=(24, 40, 64, 96, 128, 160, 196),
        bucketed=True,
        learning_rate=6e-4,
        warmup_steps=500,
        cosine_decay=True,
        weight_decay=0.01,
        gradient_clip=1.0,
        ema_decay=0.999,
        zero_step_share=0.4,
        position_weight=3.0,
        camera=CameraAugmentation(continuous=0.5, elevation_deg=12.0),
        noise=DetectorNoise(share=0.5),
        masks_padding=True,
    ),
}
PRESETS["base"] = dataclasses.replace(
    PRESETS["small"], network=BASE_NETWORK, learning_rate=4e-4, precision="bf16"
)
