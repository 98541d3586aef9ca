"""Quaternion arithmetic over leading batch axes; (w, x, y, z), unit length, float64."""

import numpy as np

from pipeline.arrays import Float64


def multiply(a: Float64, b: Float64) -> Float64:
    """Hamilton product of (..., 4) arrays: the rotation b, then a."""
    aw, ax, ay, az = np.moveaxis(a, -1, 0)
    bw, bx, by, bz = np.moveaxis(b, -1, 0)
    return np.stack(
        [
            aw * bw - ax * bx - ay * by - az * bz,
            aw * bx + ax * bw + ay * bz - az * by,
            aw * by - ax * bz + ay * bw + az * bx,
            aw * bz + ax * by - ay * bx + az * bw,
        ],
        axis=-1,
    )


def inverse(q: Float64) -> Float64:
    """Inverse of unit quaternions (..., 4)."""
    return np.asarray(q * np.array([1.0, -1.0, -1.0, -1.0]))


def shortest(q: Float64) -> Float64:
    """The same rotations (..., 4) written with w >= 0: an angle of at most half a turn."""
    return np.where(q[..., :1] < 0.0, -q, q)


def rotate(q: Float64, v: Float64) -> Float64:
    """Rotate vectors (..., 3) by quaternions (..., 4); leading axes broadcast."""
    axis = q[..., 1:]
    uv = np.cross(axis, v)
    return np.asarray(v + 2.0 * (q[..., :1] * uv + np.cross(axis, uv)))


def between(a: Float64, b: Float64) -> Float64:
    """The shortest rotation taking direction a to direction b, both (..., 3).

    Opposite directions have no single shortest rotation: the result is then a half turn about an
    axis perpendicular to a, so that the quaternion stays finite and of unit length.
    """
    a, b = np.broadcast_arrays(a, b)
    cross = np.cross(a, b)
    w = np.sqrt((a**2).sum(-1) * (b**2).sum(-1)) + (a * b).sum(-1)
    q = np.concatenate([w[..., None], cross], axis=-1)
    norm = np.linalg.norm(q, axis=-1, keepdims=True)
    helper = np.where(np.abs(a[..., :1]) < 0.9, [1.0, 0.0, 0.0], [0.0, 1.0, 0.0])
    axis = np.cross(a, helper)
    axis /= np.maximum(np.linalg.norm(axis, axis=-1, keepdims=True), 1e-12)
    half_turn = np.concatenate([np.zeros_like(norm), axis], axis=-1)
    return np.where(norm > 1e-9, q / np.maximum(norm, 1e-12), half_turn)


def to_6d(q: Float64) -> Float64:
    """First two columns of the rotation matrix, (..., 6) (Zhou et al. 2019)."""
    x = rotate(q, np.broadcast_to([1.0, 0.0, 0.0], (*q.shape[:-1], 3)))
    y = rotate(q, np.broadcast_to([0.0, 1.0, 0.0], (*q.shape[:-1], 3)))
    return np.concatenate([x, y], axis=-1)


def about_y(angle: Float64) -> Float64:
    """Rotation about the vertical by `angle` radians (...,) -> (..., 4)."""
    half = np.asarray(angle) / 2.0
    zero = np.zeros_like(half)
    return np.stack([np.cos(half), zero, np.sin(half), zero], axis=-1)
