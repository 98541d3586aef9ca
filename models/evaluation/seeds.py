"""Scores of a few trainings that differ in nothing but their seed, and how two such groups differ.

Three values are too few for the normal distribution's 1.96: over them it covers three quarters, not
95 %. Intervals over seeds are therefore Student's.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import t as student

from models.evaluation.intervals import Interval, interval

COVERED = 0.95
_UPPER_TAIL = (1.0 + COVERED) / 2.0


@dataclass(frozen=True)
class Difference:
    """How much larger one mean is than another."""

    mean: float
    half_width: float | None
    """Of the 95 % interval; None where nothing is known of the spread: a group has one value, or
    no value differs from its group's others."""

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {"mean": self.mean, "ci95": self.half_width}


def over_seeds(values: Sequence[float]) -> Interval:
    """Mean and Student's 95 % interval: t(n - 1) standard errors, of the sample's deviation.

    Equal values give no half width: a few of them do not say that the spread is zero.

    Args:
        values: One a seed.

    Raises:
        ValueError: No value, or one that is not finite.
    """
    plain = interval(values)
    if min(values) == max(values):  # one value, or equal ones: nothing is known of the spread
        return Interval(plain.mean, None, plain.values)
    quantile = float(student.ppf(_UPPER_TAIL, plain.n - 1))
    return Interval(plain.mean, quantile * math.sqrt(_squared_error(values)), plain.values)


def difference(first: Sequence[float], second: Sequence[float]) -> Difference:
    """Mean of the first less that of the second, with the 95 % interval of Welch (1947).

    The groups may be of other sizes and spreads.

    Raises:
        ValueError: A group has no value.
    """
    if not first or not second:
        raise ValueError("a difference needs at least one value in each group")
    mean = float(np.mean(first) - np.mean(second))
    if len(first) < 2 or len(second) < 2:
        return Difference(mean, None)
    if all(min(group) == max(group) for group in (first, second)):
        return Difference(mean, None)  # a few equal values do not say that the spread is zero
    errors = [_squared_error(group) for group in (first, second)]
    total = sum(errors)
    sizes = (len(first), len(second))
    freedom = total**2 / sum(e**2 / (n - 1) for e, n in zip(errors, sizes, strict=True))
    return Difference(mean, float(student.ppf(_UPPER_TAIL, freedom)) * math.sqrt(total))


def _squared_error(values: Sequence[float]) -> float:
    """Squared standard error of the mean."""
    return float(np.var(values, ddof=1)) / len(values)
