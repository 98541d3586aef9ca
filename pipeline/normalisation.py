"""Mean and grouped standard deviation of feature rows, as HumanML3D computes them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from pipeline import representation2d, representation3d
from pipeline.arrays import Float32, Float64
from pipeline.skeletons import Skeleton

SMALLEST_STD = 1e-4
"""A group that never moves would divide by zero."""


@dataclass(frozen=True)
class Statistics:
    """What z-normalises both representations; all float32."""

    mean3: Float32
    """(D3,)"""
    std3: Float32
    mean2: Float32
    """(D2,), over all four views of the training split."""
    std2: Float32

    def __post_init__(self) -> None:
        if self.mean3.shape != self.std3.shape or self.mean2.shape != self.std2.shape:
            raise ValueError("mean and std differ in shape")
        if not all(np.isfinite(a).all() for a in self.arrays().values()):
            raise ValueError("statistics hold values that are not finite")
        if not (self.std3 > 0).all() or not (self.std2 > 0).all():
            raise ValueError("a standard deviation is not positive")

    def arrays(self) -> dict[str, Float32]:
        """By name, for saving."""
        return {"mean3": self.mean3, "std3": self.std3, "mean2": self.mean2, "std2": self.std2}


@dataclass(frozen=True)
class Moments:
    """Count, mean and variance of every feature: what merges exactly, before any grouping."""

    count: int
    """Feature rows."""
    mean: Float64
    """(D,)"""
    variance: Float64
    """(D,) of the rows themselves (divided by count), not grouped."""

    def __post_init__(self) -> None:
        if self.count < 1 or self.mean.shape != self.variance.shape or self.mean.ndim != 1:
            raise ValueError(
                f"moments of {self.count} rows with mean {self.mean.shape} and variance "
                f"{self.variance.shape}"
            )

    @staticmethod
    def of(rows: Iterable[Float32]) -> "Moments":
        """Moments of all rows of some (T, D) arrays.

        Raises:
            ValueError: There is no array.
        """
        return merge_moments(
            Moments(len(x), x.mean(0, np.float64), x.var(0, np.float64)) for x in rows if len(x)
        )

    def grouped(self, groups: Mapping[str, slice]) -> tuple[Float32, Float32]:
        """(D,) mean, and (D,) standard deviation averaged inside each group."""
        std = np.sqrt(self.variance)
        for where in groups.values():
            std[where] = max(float(std[where].mean()), SMALLEST_STD)
        return self.mean.astype(np.float32), std.astype(np.float32)


def merge_moments(parts: Iterable[Moments]) -> Moments:
    """Moments of all rows of all parts together (Chan, Golub and LeVeque 1979).

    Raises:
        ValueError: No part.
    """
    out: Moments | None = None
    for part in parts:
        out = part if out is None else _merged(out, part)
    if out is None:
        raise ValueError("no motion to compute statistics from")
    return out


def _merged(a: Moments, b: Moments) -> Moments:
    count = a.count + b.count
    share = b.count / count
    apart = b.mean - a.mean
    variance = a.variance * (1 - share) + b.variance * share + apart**2 * share * (1 - share)
    return Moments(count, a.mean + apart * share, variance)


def grouped_statistics(moments3: Moments, moments2: Moments, skeleton: Skeleton) -> Statistics:
    """What z-normalises, from moments: one standard deviation per group of features."""
    mean3, std3 = moments3.grouped(representation3d.field_slices(skeleton))
    mean2, std2 = moments2.grouped(representation2d.field_slices(skeleton))
    return Statistics(mean3, std3, mean2, std2)


def compute_statistics(
    features3: Iterable[Float32], features2: Iterable[Float32], skeleton: Skeleton
) -> Statistics:
    """Statistics of a training split.

    Args:
        features3: (T, D3) per motion.
        features2: (T, D2) per motion and view.
        skeleton: Gives the feature groups that share a standard deviation.
    """
    return grouped_statistics(Moments.of(features3), Moments.of(features2), skeleton)
