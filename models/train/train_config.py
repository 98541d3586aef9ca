"""Everything a training run is made of: saved whole before the run starts."""

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from torch import Tensor

from models.batches.augment import NO_MIX, CameraAugmentation
from models.batches.detector_noise import DetectorNoise
from models.batches.measured_noise import BASE_NOISE
from models.batches.pose_mix import PoseMix
from models.batches.proportions import SAME_BODY, Proportions
from models.network import NetworkConfig
from models.train.losses import PathWeights
from models.train.resuming import config_hash, differing_values

STEPS_PER_EPOCH = 730
"""Batches of 32 in an epoch of HumanML3D's 23,384 training motions: the paper counts epochs."""
STAGE_1_EPOCHS, STAGE_2_EPOCHS = 4000, 2000
PRECISIONS = ("no", "bf16")
SEEN = "seen"
"""The loss that is not a path's: see `TrainConfig.seen_weight`."""
LARGEST_SEED = 100_000_000_000
"""Every step's random stream has a number of its own, of 63 bits."""
SHARES = ("text_drop", "zero_step_text_drop", "zero_step_share", "ema_decay", "wild_ratio")


@dataclass(frozen=True)
class TrainConfig:
    """Defaults are the paper's Stage I; departures from it are named options."""

    network: NetworkConfig = field(default_factory=NetworkConfig)
    stage: Literal[1, 2] = 1
    only_3d: bool = False
    """Stage I without 2D: the 3D to 3D path alone (an ablation of the paper)."""
    fraction_3d: float = 1.0
    """Share of the training motions that keep their 3D; the others have only 2D."""
    subset_seed: int = 1
    """Chooses which motions keep their 3D; Stage II must see what Stage I saw."""
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
    zero_step_text_drop: float = 0.0
    """Probability of zeroing the text at t = 0, where it is larger than `text_drop`: labelling
    goes without text."""
    position_weight: float = 1.0
    """Weight of the 3D local-position features before the weights are scaled to mean 1."""
    camera: CameraAugmentation = field(default_factory=CameraAugmentation)
    noise: DetectorNoise = field(default_factory=DetectorNoise)
    mix: PoseMix = NO_MIX
    proportions: Proportions = SAME_BODY
    """Which bodies the 2D that is lifted shows."""
    wild_ratio: float = 0.0
    """Share of a batch that is in-the-wild clips; 1: nothing else (`models.train.wild_stage`)."""
    seen_weight: float = 0.0
    """Weight of the distance between the lift of in-the-wild clips and what was seen of them
    (`models.train.seen_loss`); not in the paper."""
    masks_padding: bool = False
    """Hide padded frames from attention; the published network attends to them."""
    accumulate: int = 1
    """Parts in which a batch goes through the network, one after the other: the batch's own
    gradient, with the memory of a part."""
    length_groups: int = 0
    """Batches of clips of about one length: so many batches of an epoch are filled together, and
    each is as long as its longest clip. What is learnt from a clip stays the same, as padding is
    hidden; 0: batches as drawn, padded to the window."""
    precision: Literal["no", "bf16"] = "no"
    compile: bool = False
    seed: int = 1
    log_every: int = 50
    validate_every: int = 1000
    validation_motions: int = 512
    """At most so many motions, evenly spread over the validation split, are validated on."""

    def __post_init__(self) -> None:
        longest = self.network.max_frames
        if not self.windows or not all(4 <= w <= longest for w in self.windows):
            raise ValueError(f"windows must lie in 4..{longest} frames, got {self.windows}")
        for name in ("steps", "batch_size", "log_every", "validate_every", "validation_motions"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        if abs(self.seed) > LARGEST_SEED:
            raise ValueError(f"seed must lie within {LARGEST_SEED} of 0, got {self.seed}")
        if not 0.0 < self.learning_rate < math.inf:
            raise ValueError(f"learning_rate {self.learning_rate} must be positive")
        if not self.gradient_clip >= 0.0:
            raise ValueError(f"gradient_clip {self.gradient_clip} must not be negative")
        if self.precision not in PRECISIONS:
            raise ValueError(f"precision must be one of {', '.join(PRECISIONS)}")
        self._check_3d()
        for name in SHARES:
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise ValueError(f"{name} must lie in 0..1, got {getattr(self, name)}")
        self._check_wild()
        self._check_groups()
        self._check_parts()

    def _check_3d(self) -> None:
        if not 0.0 < self.fraction_3d <= 1.0:
            raise ValueError(f"fraction_3d must be above 0 and at most 1, got {self.fraction_3d}")
        if self.only_3d and self.stage == 2:
            raise ValueError("only_3d is Stage I without 2D: Stage II trains 3D to 3D alone anyway")
        if self.mix.share and self.fraction_3d < 1.0:
            raise ValueError("mixing motions reads their 3D: it cannot go with fraction_3d below 1")

    def _check_wild(self) -> None:
        if not 0.0 <= self.seen_weight < math.inf:
            raise ValueError(f"seen_weight must be 0 or more, got {self.seen_weight}")
        if self.seen_weight and not self.wild_ratio:
            raise ValueError(
                "seen_weight holds in-the-wild clips against their views: without "
                "any, leave it at 0"
            )
        if not self.wild_ratio:
            return
        if not self.trains_2d:
            raise ValueError("in-the-wild clips train 2D: they need stage 1, and only_3d off")
        if self.bucketed or self.mix.share:
            raise ValueError("in-the-wild clips need padded windows: bucketed and mix must be off")
        if self.wild_ratio < 1.0 and self.batch_size < 2:
            raise ValueError("a batch of motion capture and in-the-wild clips needs batch_size 2")

    def _check_parts(self) -> None:
        if self.accumulate < 1 or self.batch_size % self.accumulate:
            raise ValueError(
                f"accumulate must divide batch_size {self.batch_size}, got {self.accumulate}"
            )
        if self.accumulate > 1 and (self.wild_ratio or self.fraction_3d < 1.0):
            raise ValueError(
                "accumulate needs clips that all count alike: no in-the-wild clips, and "
                "fraction_3d 1"
            )

    def _check_groups(self) -> None:
        if self.length_groups < 0:
            raise ValueError(f"length_groups must be 0 or more, got {self.length_groups}")
        if not self.length_groups:
            return
        if self.bucketed or self.mix.share or self.wild_ratio or not self.masks_padding:
            raise ValueError(
                "length_groups leaves out hidden padding: it needs masks_padding, and bucketed, "
                "mix and in-the-wild clips off"
            )

    @property
    def wild_count(self) -> int:
        """In-the-wild clips in a batch; at least one of either kind, unless the ratio is 0 or 1."""
        if self.wild_ratio in (0.0, 1.0):
            return int(self.batch_size * self.wild_ratio)
        return min(max(round(self.batch_size * self.wild_ratio), 1), self.batch_size - 1)

    def total(self, losses: Mapping[str, Tensor]) -> Tensor:
        """The weighted sum of a step's losses: of the paths, and of `SEEN` where asked for."""
        paths = {name: loss for name, loss in losses.items() if name != SEEN}
        total = self.weights.total(paths)
        return total + self.seen_weight * losses[SEEN] if SEEN in losses else total

    @property
    def trains_2d(self) -> bool:
        """Whether any path that reads or writes 2D is trained."""
        return self.stage == 1 and not self.only_3d

    @property
    def best_by(self) -> str:
        """The validation figure, smaller is better, that chooses the best checkpoint.

        A run that does not train the lift must not be judged by it.
        """
        return "pa_mpjpe_mm" if self.trains_2d else "loss 3d->3d"

    @property
    def keeps_last(self) -> bool:
        """Whether the last checkpoint counts as the best.

        Finetuning in the wild is judged by held-out clips, after training and once: a choice among
        its checkpoints by those clips would let them into training, and motion capture does not
        tell what it is for.
        """
        return self.wild_ratio > 0.0

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
            _check_types(given)
            return TrainConfig(**given)
        except TypeError as error:
            raise ValueError(f"not a training configuration: {error}") from error

    @property
    def config_hash(self) -> str:
        """12 hex digits that name this configuration."""
        return config_hash(self.to_json())


_KINDS = {bool: "true or false", int: "a whole number", float: "a number", str: "a word"}


def _check_types(given: Mapping[str, Any]) -> None:
    """Refuse what a file gives in place of a number, before it fails somewhere deep inside."""
    for field_ in dataclasses.fields(TrainConfig):
        kind, value = type(field_.default), given.get(field_.name, field_.default)
        fits: tuple[type, ...] = (int, float) if kind is float else (kind,)
        wrong = not isinstance(value, fits) or (isinstance(value, bool) and kind is not bool)
        if kind in _KINDS and wrong:
            raise ValueError(f"{field_.name} must be {_KINDS[kind]}, got {value!r}")


def differing_options(begun: TrainConfig, asked: TrainConfig) -> list[str]:
    """What keeps a run begun with one configuration from going on with another, in words.

    How often a run reports and whether it is compiled may change; its length too, unless the
    learning rate follows it.
    """
    free = {"log_every", "validate_every", "validation_motions", "compile"}
    if not begun.cosine_decay:
        free |= {"steps", "budget_seconds"}
    return differing_values(begun.to_json(), asked.to_json(), free)


_NESTED = {
    "network": NetworkConfig,
    "weights": PathWeights,
    "camera": CameraAugmentation,
    "noise": DetectorNoise,
    "mix": PoseMix,
    "proportions": Proportions,
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

TINY_NETWORK = NetworkConfig(
    width=64,
    feed_forward=192,
    root_feed_forward=64,
    heads=2,
    private_layers=1,
    shared_layers=2,
    root_layers=1,
    text_dim=384,
    dropout=0.0,
)
"""0.6 M parameters. On a CPU a third of a step would go into drawing dropout, and attention
without it runs on a faster kernel."""

BASE_NETWORK = NetworkConfig(
    width=256,
    feed_forward=512,
    root_feed_forward=128,
    private_layers=1,
    shared_layers=3,
    root_layers=1,
    text_dim=384,
)
"""Under 10 M parameters: 20 MB in bf16. Its 64 numbers a head run on the fast attention kernels."""

STAGE_2_RATE = 0.1
"""Stage II's learning rate relative to Stage I's: the paper's 1e-5 after 1e-4."""


def stage_two(stage_1: TrainConfig) -> TrainConfig:
    """Stage II of a Stage I: half as long at a tenth of the rate, as the paper's is.

    What Stage I does for the lift alone (steps at t = 0, spoilt or mixed 2D inputs) is left out.
    """
    return dataclasses.replace(
        stage_1,
        stage=2,
        only_3d=False,
        steps=max(1, stage_1.steps * STAGE_2_EPOCHS // STAGE_1_EPOCHS),
        budget_seconds=stage_1.budget_seconds * STAGE_2_EPOCHS / STAGE_1_EPOCHS,
        learning_rate=stage_1.learning_rate * STAGE_2_RATE,
        weights=PathWeights(),
        zero_step_share=0.0,
        zero_step_text_drop=0.0,
        position_weight=1.0,
        noise=DetectorNoise(),
        mix=NO_MIX,
        proportions=SAME_BODY,
    )


BASE = TrainConfig(
    network=BASE_NETWORK,
    steps=11_000,
    batch_size=256,
    windows=(32, 64, 96, 128, 160, 196),
    bucketed=True,
    learning_rate=8e-4,
    warmup_steps=300,
    cosine_decay=True,
    weight_decay=0.01,
    gradient_clip=1.0,
    ema_decay=0.9985,
    weights=PathWeights(w33=1.0, w23=2.0, w32=0.3, w22=0.5),
    zero_step_share=0.4,
    zero_step_text_drop=0.5,
    position_weight=3.0,
    camera=CameraAugmentation(continuous=0.6, elevation_deg=12.0),
    noise=BASE_NOISE,
    mix=PoseMix(share=0.5),
    masks_padding=True,
    precision="bf16",
)
"""Stage I of the shipped weights. 3D to 2D weighs least: nothing says which view is wanted."""

PRESETS: dict[str, TrainConfig] = {
    "paper": TrainConfig(),
    "base": BASE,
    "small": dataclasses.replace(
        BASE,
        network=SMALL_NETWORK,
        steps=20_000,
        batch_size=64,
        windows=(24, 40, 64, 96, 128, 160, 196),
        learning_rate=6e-4,
        warmup_steps=500,
        ema_decay=0.999,
        precision="no",
    ),
    # For a machine without a GPU: to try things out, and for ablations. Nothing is mixed or
    # spoilt, so that a run with less 3D differs from the others in nothing else.
    "tiny": dataclasses.replace(
        BASE,
        network=TINY_NETWORK,
        steps=4_000,
        batch_size=8,
        windows=(24, 40, 64, 96, 196),
        learning_rate=1e-3,
        warmup_steps=200,
        ema_decay=0.995,
        noise=DetectorNoise(),
        mix=NO_MIX,
        precision="no",
        validation_motions=64,
    ),
}
PRESETS |= {f"{name}-stage2": stage_two(config) for name, config in list(PRESETS.items())}
