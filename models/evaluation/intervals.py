"""A score over replications: its mean and how sure it is."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

NORMAL_95 = 1.96
"""Half width of a 95 % interval in standard errors, as Guo et al. (2022) print it."""


@dataclass(frozen=True)
class Interval:
    """Mean of a score over replications with its 95 % interval."""

    mean: float
    half_width: float | None
    """1.96 standard deviations over the root of n; None where n is 1: nothing is known of it."""
    values: tuple[float, ...]
    """One a replication, in their order."""

    @property
    def n(self) -> int:
        """Replications."""
        return len(self.values)

    @property
    def ends(self) -> tuple[float, float]:
        """Lowest and highest value of the interval; the mean alone where nothing is known of it."""
        half = self.half_width or 0.0
        return self.mean - half, self.mean + half

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "mean": self.mean,
            "ci95": self.half_width,
            "n": self.n,
            "values": list(self.values),
        }

    def __str__(self) -> str:
        if self.half_width is None:
            return f"{self.mean:.3f}"
        return f"{self.mean:.3f} ± {self.half_width:.3f}"


def interval(values: Sequence[float]) -> Interval:
    """The interval of some replications' scores.

    The standard deviation is that of the replications themselves (divided by n), as published.

    Raises:
        ValueError: No value, or one that is not finite.
    """
    if not values:
        raise ValueError("an interval needs at least one replication")
    if not all(math.isfinite(v) for v in values):
        raise ValueError(f"scores must be finite, got {list(values)}")
    known = np.asarray(values, np.float64)
    half = NORMAL_95 * float(known.std()) / math.sqrt(len(known)) if len(known) > 1 else None
    return Interval(float(known.mean()), half, tuple(float(v) for v in known))
