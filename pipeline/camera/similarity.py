"""Similarities of the picture plane as four numbers: log scale, angle, shift.

(a, b, tx, ty) moves x to exp(a) R(b) x + (tx, ty), in pixels with y down; R(b) turns x towards y.
Scale and angle add up when similarities follow one another, so they may be interpolated.
"""

import numpy as np

from pipeline.arrays import AnyFloat, Float64

IDENTITY = (0.0, 0.0, 0.0, 0.0)


def move(similarity: Float64, points: AnyFloat) -> Float64:
    """Move points.

    Args:
        similarity: (..., 4).
        points: (..., J, 2) pixels.

    Returns:
        (..., J, 2) pixels; NaN stays NaN.
    """
    a, b = _turn(similarity)
    x, y = points[..., 0], points[..., 1]
    tx, ty = similarity[..., 2, None], similarity[..., 3, None]
    return np.stack([a * x - b * y + tx, b * x + a * y + ty], axis=-1)


def move_back(similarity: Float64, points: AnyFloat) -> Float64:
    """The inverse of `move`, the same shapes."""
    a, b = _turn(similarity)
    square = a * a + b * b
    x = points[..., 0] - similarity[..., 2, None]
    y = points[..., 1] - similarity[..., 3, None]
    return np.stack([(a * x + b * y) / square, (a * y - b * x) / square], axis=-1)


def after(outer: Float64, inner: Float64) -> Float64:
    """`outer` after `inner`, each (..., 4), as one similarity (..., 4)."""
    shift = move(outer, inner[..., None, 2:])[..., 0, :]
    return np.concatenate([outer[..., :2] + inner[..., :2], shift], axis=-1)


def from_matrix(matrix: Float64) -> Float64:
    """(2, 3) scaled rotation and shift, as OpenCV writes it -> (4,)."""
    a, b = float(matrix[0, 0]), float(matrix[1, 0])
    return np.array([np.log(np.hypot(a, b)), np.arctan2(b, a), matrix[0, 2], matrix[1, 2]])


def at_times(times: Float64, similarity: Float64, wanted: Float64) -> Float64:
    """(T, 4) at `times` (T,) -> (N, 4) at `wanted` (N,): lines between, held beyond both ends."""
    return np.stack([np.interp(wanted, times, column) for column in similarity.T], axis=-1)


def _turn(similarity: Float64) -> tuple[Float64, Float64]:
    scale = np.exp(similarity[..., 0, None])
    angle = similarity[..., 1, None]
    return scale * np.cos(angle), scale * np.sin(angle)
