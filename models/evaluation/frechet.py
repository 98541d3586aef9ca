"""Frechet distance between two sets of vectors, each taken as one Gaussian."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from pipeline.arrays import AnyFloat, Float64


@dataclass(frozen=True)
class Gaussian:
    """What the distance sees of a set of vectors."""

    mean: Float64
    """(D,)."""
    covariance: Float64
    """(D, D), divided by n - 1."""

    @cached_property
    def root(self) -> Float64:
        """(D, D) the symmetric root of the covariance; found once, for a set compared often."""
        values, vectors = np.linalg.eigh(self.covariance)
        scaled = vectors * np.sqrt(np.maximum(values, 0.0))
        return np.asarray(scaled @ vectors.T)


def gaussian(vectors: AnyFloat) -> Gaussian:
    """Mean and covariance of (N, D) vectors, N >= 2, in float64.

    Raises:
        ValueError: Another shape, fewer than two vectors, or values that are not finite.
    """
    if vectors.ndim != 2:
        raise ValueError(f"vectors must be (N, D), got {vectors.shape}")
    if len(vectors) < 2:
        raise ValueError("a covariance needs at least two vectors")
    if not np.isfinite(vectors).all():
        raise ValueError("the Frechet distance needs finite vectors")
    exact = vectors.astype(np.float64)
    return Gaussian(exact.mean(axis=0), np.atleast_2d(np.cov(exact, rowvar=False)))


def frechet_between(first: Gaussian, second: Gaussian) -> float:
    """|m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2)) (Heusel et al. 2017, eq. 6).

    The trace of the root is the sum of the roots of the eigenvalues of C1^(1/2) C2 C1^(1/2), which
    is symmetric: no root of a matrix that is not, and singular covariances do no harm. The root
    is taken of the first one: give the set that is compared often there.

    Raises:
        ValueError: Vectors of different widths.
    """
    if first.mean.shape != second.mean.shape:
        raise ValueError(
            f"vectors of {len(first.mean)} and {len(second.mean)} numbers have no distance"
        )
    eigenvalues = np.linalg.eigvalsh(first.root @ second.covariance @ first.root)
    crossed = np.sqrt(np.maximum(eigenvalues, 0.0)).sum()
    gap = ((first.mean - second.mean) ** 2).sum()
    traces = np.trace(first.covariance) + np.trace(second.covariance)
    return float(gap + traces - 2.0 * crossed)


def frechet_distance(first: AnyFloat, second: AnyFloat) -> float:
    """`frechet_between` of two sets of vectors.

    Args:
        first: (N1, D) with N1 >= 2.
        second: (N2, D) with N2 >= 2.

    Raises:
        ValueError: Shapes that do not fit, or values that are not finite.
    """
    return frechet_between(gaussian(first), gaussian(second))
