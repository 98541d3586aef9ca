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


@dataclass
class _Moments:
    count: int
    total: Float64
    squares: Float64

    @staticmethod
    def of(rows: Iterable[Float32]) -> "_Moments":
        out: _Moments | None = None
        for row in rows:
            x = row.astype(np.float64)
            part = _Moments(len(x), x.sum(0), (x**2).sum(0))
            if out is None:
                out = part
            else:
                out.count += part.count
                out.total += part.total
                out.squares += part.squares
        if out is None:
            raise ValueError("no motion to compute statistics from")
        return out

    def mean_and_std(self, groups: Mapping[str, slice]) -> tuple[Float32, Float32]:
        mean = self.total / self.count
        std = np.sqrt(np.maximum(self.squares / self.count - mean**2, 0.0))
        for where in groups.values():
            std[where] = max(float(std[where].mean()), SMALLEST_STD)
        return mean.astype(np.float32), std.astype(np.float32)


def compute_statistics(
    features3: Iterable[Float32], features2: Iterable[Float32], skeleton: Skeleton
) -> Statistics:
    """Statistics of a training split.

    Args:
        features3: (T, D3) per motion.
        features2: (T, D2) per motion and view.
        skeleton: Gives the feature groups that share a standard deviation.
    """
    mean3, std3 = _Moments.of(features3).mean_and_std(representation3d.field_slices(skeleton))
    mean2, std2 = _Moments.of(features2).mean_and_std(representation2d.field_slices(skeleton))
    return Statistics(mean3, std3, mean2, std2)
