"""Quaternion arithmetic over leading batch axes; (w, x, y, z), unit length, float64."""

import numpy as np

from pipeline.arrays import Float64


def multiply(a: Float64, b: Float64) -> Float64:
    """Hamilton product of (..., 4) arrays: the rotation b, then a."""
    aw, ax, ay, az = (a[..., i] for i in range(4))
    bw, bx, by, bz = (b[..., i] for i in range(4))
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
    uv = cross(axis, v)
    return np.asarray(v + 2.0 * (q[..., :1] * uv + cross(axis, uv)))


def cross(a: Float64, b: Float64) -> Float64:
    """Cross product of (..., 3) vectors: `numpy.cross` to the bit, in a third of its time."""
    ax, ay, az = (a[..., i] for i in range(3))
    bx, by, bz = (b[..., i] for i in range(3))
    return np.stack([ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx], axis=-1)


def between(a: Float64, b: Float64) -> Float64:
    """The shortest rotation taking direction a to direction b, both (..., 3).

    Opposite directions have no single shortest rotation: the result is then a half turn about an
    axis perpendicular to a, so that the quaternion stays finite and of unit length.
    """
    a, b = np.broadcast_arrays(a, b)
    w = np.sqrt((a**2).sum(-1) * (b**2).sum(-1)) + (a * b).sum(-1)
    q = np.concatenate([w[..., None], cross(a, b)], axis=-1)
    norm = np.linalg.norm(q, axis=-1, keepdims=True)
    opposite = ~(norm[..., 0] > 1e-9)
    q = np.asarray(q / np.maximum(norm, 1e-12))
    if opposite.any():
        q[opposite] = _half_turn(a[opposite])
    return q


def _half_turn(a: Float64) -> Float64:
    """(N, 4) half turns, each about an axis perpendicular to the direction a (N, 3)."""
    helper = np.where(np.abs(a[..., :1]) < 0.9, [1.0, 0.0, 0.0], [0.0, 1.0, 0.0])
    axis = cross(a, helper)
    axis /= np.maximum(np.linalg.norm(axis, axis=-1, keepdims=True), 1e-12)
    return np.concatenate([np.zeros((len(a), 1)), axis], axis=-1)


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
