"""The rows of the paper's ablation table, what it claims by them, and what all rows share here."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

from models.batches.augment import NO_MIX, CameraAugmentation
from models.batches.detector_noise import DetectorNoise
from models.train.losses import PathWeights

PAPER_SOURCE = "Ren, Huang and Li, ECCV 2024: ablations on HumanML3D"
PAPER_SCORES = ("r_precision_3", "fid", "mm_dist", "diversity")
"""What the paper prints of each row, by the names of `scores.SCORES`."""
CLAIM_SCORES = ("r_precision_3", "fid", "mm_dist")
"""Scores with a better side; Diversity has none."""

RowKey = Literal["half", "full", "half-2d", "crossdiff", "unshared", "front"]
"""Names a row on the command line, in files and in metrics.json."""


@dataclass(frozen=True)
class AblationRow:
    """One way to train."""

    key: RowKey
    label: str
    paper: tuple[float, ...]
    """In the order of `PAPER_SCORES`."""
    fraction_3d: float = 1.0
    only_3d: bool = False
    shared: bool = True
    views: Literal["4", "1"] = "4"

    @property
    def paper_scores(self) -> Mapping[str, float]:
        """The paper's figures by name."""
        return dict(zip(PAPER_SCORES, self.paper, strict=True))


_ROWS = (
    AblationRow("half", "50 % 3D", (0.666, 0.586, 3.894, 9.513), fraction_3d=0.5, only_3d=True),
    AblationRow("full", "100 % 3D", (0.685, 0.224, 3.690, 9.445), only_3d=True),
    AblationRow("half-2d", "50 % 3D + 100 % 2D", (0.672, 0.422, 3.708, 9.345), fraction_3d=0.5),
    AblationRow("crossdiff", "100 % 3D + 100 % 2D (CrossDiff)", (0.730, 0.162, 3.358, 9.577)),
    AblationRow("unshared", "no shared encoder", (0.714, 0.187, 3.496, 9.488), shared=False),
    AblationRow("front", "front view only", (0.722, 0.186, 3.467, 9.798), views="1"),
)
ROWS: Mapping[RowKey, AblationRow] = MappingProxyType({row.key: row for row in _ROWS})
"""In the paper's order."""

OBJECTIVE: Mapping[str, Any] = MappingProxyType(
    {
        "weights": PathWeights(),
        "camera": CameraAugmentation(),
        "noise": DetectorNoise(),
        "mix": NO_MIX,
        "zero_step_share": 0.0,
        "zero_step_text_drop": 0.0,
        "position_weight": 1.0,
    }
)
"""Fields of `TrainConfig` that every row trains with, whatever the preset says: the paper's plain
objective. A preset's mixed motions read the 3D that some rows hide, and its extra lifting steps
take samples from rows that have no lift."""
UNKNOWN_CODE = "unknown"
"""Stands where a training does not say which code made it."""


@dataclass(frozen=True)
class Claim:
    """An ordering that the paper's table shows in all three scores."""

    name: str
    better: RowKey
    worse: RowKey

    def __str__(self) -> str:
        return f"{self.name}: {ROWS[self.better].label} beats {ROWS[self.worse].label}"


CLAIMS = (
    Claim("more 3D helps", "full", "half"),
    Claim("more 3D helps beside 2D", "crossdiff", "half-2d"),
    Claim("2D helps where half of the 3D is missing", "half-2d", "half"),
    Claim("2D helps beside all of the 3D", "crossdiff", "full"),
    Claim("the other half's 3D is worth more than its 2D", "full", "half-2d"),
    Claim("the shared encoder helps", "crossdiff", "unshared"),
    Claim("four views help", "crossdiff", "front"),
)


def run_name(row: RowKey, seed: int) -> str:
    """Of one training, in tables and players."""
    return f"{ROWS[row].label}, seed {seed}"


def paper_order(keys: Iterable[str]) -> tuple[RowKey, ...]:
    """The named rows, each once, in the paper's order.

    Raises:
        ValueError: None is named, or one that is no row.
    """
    named = set(keys)
    unknown = sorted(named.difference(ROWS))
    if unknown or not named:
        raise ValueError(f"--rows {' '.join(unknown)}: choose from {', '.join(ROWS)}")
    return tuple(key for key in ROWS if key in named)


def seed_numbers(count: int) -> tuple[int, ...]:
    """Seeds 1 to `count`.

    Raises:
        ValueError: None is asked for.
    """
    if count < 1:
        raise ValueError(f"--seeds {count}: train with at least one seed")
    return tuple(range(1, count + 1))
