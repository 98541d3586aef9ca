"""Where the joints of a BVH file are: forward kinematics over its channels, and 20 fps."""

from collections.abc import Mapping
from fractions import Fraction
from itertools import pairwise

import numpy as np
from scipy.signal import resample_poly

from pipeline import quaternions as quat
from pipeline.arrays import Float64
from pipeline.bvh_file import BvhFile

SAME_FPS = 1e-3
"""Relative difference under which two frame rates are one."""
LARGEST_DENOMINATOR = 1000
"""Of the ratio of two frame rates: 29.97 to 20 is 2000 to 2997."""


def joint_positions(bvh: BvhFile) -> dict[str, Float64]:
    """Global positions of every joint and bone tip, by name.

    A joint's rotations apply in the order of its channels; its position channels stand in for its
    offset. Of two joints with one name the first counts.

    Returns:
        Per name (T, 3), in the file's axes and length unit.
    """
    frames = len(bvh.values)
    places: list[Float64] = []
    turns: list[Float64] = []
    out: dict[str, Float64] = {}
    column = 0
    for node in bvh.nodes:
        values = bvh.values[:, column : column + len(node.channels)]
        column += len(node.channels)
        turn = _rotation(node.channels, values)
        place = _translation(node.offset, node.channels, values)
        if node.parent >= 0:
            place = places[node.parent] + quat.rotate(turns[node.parent], place)
            turn = quat.multiply(turns[node.parent], turn)
        places.append(place)
        turns.append(turn)
        out.setdefault(node.name, np.broadcast_to(place, (frames, 3)))
    return out


def _rotation(channels: tuple[str, ...], values: Float64) -> Float64:
    """(T, 4) of the rotation channels, the first one outermost."""
    out = np.zeros((len(values), 4))
    out[:, 0] = 1.0
    for channel, column in zip(channels, values.T, strict=True):
        if channel.endswith("rotation"):
            half = np.deg2rad(column) / 2.0
            turn = np.zeros((len(values), 4))
            turn[:, 0] = np.cos(half)
            turn[:, 1 + "xyz".index(channel[0])] = np.sin(half)
            out = quat.multiply(out, turn)
    return out


def _translation(
    offset: tuple[float, float, float], channels: tuple[str, ...], values: Float64
) -> Float64:
    out = np.tile(np.asarray(offset, dtype=np.float64), (len(values), 1))
    for channel, column in zip(channels, values.T, strict=True):
        if channel.endswith("position"):
            out[:, "xyz".index(channel[0])] = column
    return out


def resample(positions: Float64, fps: float, wanted: float) -> Float64:
    """Positions at another frame rate, without aliasing.

    Args:
        positions: (T, J, 3).
        fps: Of `positions`.
        wanted: Frames a second of the result.

    Returns:
        (ceil(T wanted / fps), J, 3); frame 0 stays where it is.
    """
    if abs(fps / wanted - 1.0) < SAME_FPS:
        return positions
    ratio = Fraction(wanted / fps).limit_denominator(LARGEST_DENOMINATOR)
    out = resample_poly(positions, ratio.numerator, ratio.denominator, axis=0, padtype="line")
    return np.asarray(out, dtype=np.float64)


def pieces(frames: int, longest: int) -> list[tuple[int, int]]:
    """First and one-past-last frames that cut a clip evenly into pieces of at most `longest`."""
    count = -(-frames // longest)
    bounds = [round(i * frames / count) for i in range(count + 1)]
    return list(pairwise(bounds))


def turned_upright(positions: Mapping[str, Float64], up: str) -> dict[str, Float64]:
    """The same joints with the axis `up` (`y`, `-z`, ...) turned to +Y by one rotation."""
    axis = np.zeros(3)
    axis["xyz".index(up[-1])] = -1.0 if up.startswith("-") else 1.0
    turn = quat.between(axis, np.array([0.0, 1.0, 0.0]))
    return {name: quat.rotate(turn, place) for name, place in positions.items()}
