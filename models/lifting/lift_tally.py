"""Sums of errors that add up: every table of the lift report is a mean over some of them."""

import operator
from collections.abc import Iterable
from dataclasses import dataclass
from functools import reduce

import numpy as np

from models.lifting.lift_metrics import per_joint_error, procrustes_align, root_aligned
from models.lifting.lift_observation import Truth
from pipeline.arrays import Float64


@dataclass(frozen=True)
class Prediction:
    """A method's answer to one observation, metres."""

    world: Float64
    """(T, J, 3): frame 0 faces +Z."""
    body: Float64
    """(T, J, 3): root at 0, each frame turned to face +Z."""
    shapes: tuple[Float64, ...]
    """One (T, J, 3) for each frame of reference that the method was fitted in: PA-MPJPE does not
    ask which, and the one with which the method does best is reported."""


@dataclass(frozen=True)
class Tally:
    """Errors summed over frames, millimetres, joint by joint, root aligned."""

    frames: int
    world: Float64
    """(J,)"""
    body: Float64
    """(J,)"""
    aligned: Float64
    """(F, J) one row per entry of `Prediction.shapes`."""

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(
            self.frames + other.frames,
            self.world + other.world,
            self.body + other.body,
            self.aligned + other.aligned,
        )


@dataclass(frozen=True)
class Errors:
    """Means over frames and joints, millimetres, root aligned."""

    mpjpe_mm: float
    """In the world: frame 0 faces +Z, the heading is the method's own."""
    body_mpjpe_mm: float
    """Every frame turned to face +Z: the pose without the heading."""
    pa_mpjpe_mm: float
    """After the best similarity transform of every frame."""


def tally(predicted: Prediction, truth: Truth) -> Tally:
    """Errors of one prediction, summed over its frames."""
    world = per_joint_error(root_aligned(predicted.world), root_aligned(truth.joints))
    body = per_joint_error(root_aligned(predicted.body), root_aligned(truth.body))
    aligned = [
        per_joint_error(procrustes_align(shape, truth.joints), truth.joints).sum(axis=0)
        for shape in predicted.shapes
    ]
    return Tally(len(world), world.sum(axis=0), body.sum(axis=0), np.stack(aligned))


def joined(parts: Iterable[Tally]) -> Tally:
    """Every frame of every part counts once.

    Raises:
        ValueError: No part.
    """
    given = list(parts)
    if not given:
        raise ValueError("no motion to measure")
    return reduce(operator.add, given)


def best_shape(total: Tally) -> int:
    """Index of the frame of reference in which a method's PA-MPJPE is smallest."""
    return int(total.aligned.sum(axis=1).argmin())


def errors(total: Tally, shape: int) -> Errors:
    """Means over all joints; the root counts, as in the literature, with an error of zero."""
    count = total.frames * len(total.world)
    sums = (total.world, total.body, total.aligned[shape])
    return Errors(*(float(s.sum()) / count for s in sums))


def joint_errors(total: Tally, shape: int) -> list[Errors]:
    """The means of each joint, in joint order."""
    sums = (total.world, total.body, total.aligned[shape])
    rows = np.stack(sums, axis=-1) / total.frames
    return [Errors(*row) for row in rows.tolist()]
