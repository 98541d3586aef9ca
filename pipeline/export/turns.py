"""Rotations over time: between two, without sudden changes of sign, and swings that do not flip."""

import numpy as np

from pipeline import quaternions as quat
from pipeline.arrays import Float64

NEAR_RAD, FAR_RAD = np.deg2rad(20.0), np.deg2rad(60.0)
"""Angle from the direction opposite to the rest pose under which the smallest rotation says nothing
about twist, and over which it says all."""
UNWIND_RAD = np.deg2rad(12.0)
"""Twist that is taken back in a frame at most, once a bone is far from that direction again."""


def slerp(a: Float64, b: Float64, share: Float64 | float) -> Float64:
    """The rotation a share of the way from a to b, the short way round; all (..., 4)."""
    turn = quat.shortest(quat.multiply(quat.inverse(a), b))
    sine = np.linalg.norm(turn[..., 1:], axis=-1, keepdims=True)
    half = np.arctan2(sine, turn[..., :1]) * np.asarray(share)[..., None]
    axis = turn[..., 1:] / np.maximum(sine, 1e-12)
    part = np.concatenate([np.cos(half), axis * np.sin(half)], axis=-1)
    return quat.multiply(a, part)


def same_sign(q: Float64) -> Float64:
    """The same rotations (T, ..., 4) written so that no two frames differ by their sign alone.

    Programs that interpolate numbers, not rotations, then go the short way.
    """
    against = np.where((q[1:] * q[:-1]).sum(axis=-1, keepdims=True) < 0.0, -1.0, 1.0)
    first = np.where(q[:1, ..., :1] < 0.0, -1.0, 1.0)
    return np.asarray(q * np.cumprod(np.concatenate([first, against]), axis=0))


def swings(rest: Float64, directions: Float64) -> Float64:
    """(T, 4) rotations that take a rest direction (3,) to unit directions (T, 3), without flips.

    Each is the smallest one, which has no twist about the bone. It is not unique for a bone that
    points opposite to its rest direction: one that passes there closely would spin about itself
    from one frame to the next. Within `NEAR_RAD` of it the bone is therefore carried along without
    twist from frame to frame, and what that leaves is unwound by `UNWIND_RAD` a frame afterwards.
    """
    smallest = quat.between(rest, directions)
    away = np.arccos(np.clip(-(directions @ rest), -1.0, 1.0))
    if len(directions) < 2 or away.min() >= FAR_RAD:
        return smallest
    carried = quat.multiply(quat.between(directions[:-1], directions[1:]), smallest[:-1])
    gap = quat.multiply(quat.inverse(smallest[1:]), carried)
    steps = 2.0 * np.arctan2(gap[:, 1:] @ rest, gap[:, 0])
    half = np.array(_twists(steps, np.clip((away - NEAR_RAD) / (FAR_RAD - NEAR_RAD), 0, 1))) / 2.0
    about = np.concatenate([np.cos(half)[:, None], np.sin(half)[:, None] * rest], axis=-1)
    return quat.multiply(smallest, about)


def _twists(steps: Float64, trust: Float64) -> list[float]:
    """Twist beyond the smallest rotation in each frame, radians, at most half a turn either way.

    Args:
        steps: (T-1,) twist that would carry each frame to the next one without any.
        trust: (T,) how far the smallest rotation is to be believed, 0 to 1.
    """
    twist, out = 0.0, [0.0]
    for step, believed in zip(steps.tolist(), trust[1:].tolist(), strict=True):
        twist = (twist + step + np.pi) % (2.0 * np.pi) - np.pi
        twist -= believed * min(max(twist, -UNWIND_RAD), UNWIND_RAD)
        out.append(float(twist))
    return out
