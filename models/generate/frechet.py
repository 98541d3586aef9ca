"""Frechet distance between two sets of vectors, each taken as one Gaussian."""

import numpy as np

from pipeline.arrays import AnyFloat, Float64


def frechet_distance(first: AnyFloat, second: AnyFloat) -> float:
    """|m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2)) (Heusel et al. 2017, eq. 6).

    The trace of the root is the sum of the roots of the eigenvalues of C1^(1/2) C2 C1^(1/2), which
    is symmetric: no root of a matrix that is not, and singular covariances do no harm.

    Args:
        first: (N1, D) with N1 >= 2.
        second: (N2, D) with N2 >= 2.

    Raises:
        ValueError: Shapes that do not fit.
    """
    if first.ndim != 2 or second.ndim != 2 or first.shape[1] != second.shape[1]:
        raise ValueError(f"vectors must be (N, D) twice, got {first.shape} and {second.shape}")
    if min(len(first), len(second)) < 2:
        raise ValueError("a covariance needs at least two vectors")
    a, b = first.astype(np.float64), second.astype(np.float64)
    cov_a, cov_b = (np.atleast_2d(np.cov(x, rowvar=False)) for x in (a, b))
    root = _root(cov_a)
    eigenvalues = np.linalg.eigvalsh(root @ cov_b @ root)
    crossed = np.sqrt(np.maximum(eigenvalues, 0.0)).sum()
    gap = ((a.mean(axis=0) - b.mean(axis=0)) ** 2).sum()
    return float(gap + np.trace(cov_a) + np.trace(cov_b) - 2.0 * crossed)


def _root(covariance: Float64) -> Float64:
    """The symmetric root of a covariance."""
    values, vectors = np.linalg.eigh(covariance)
    scaled = vectors * np.sqrt(np.maximum(values, 0.0))
    return np.asarray(scaled @ vectors.T)
