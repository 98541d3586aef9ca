"""Sums of errors that add up: every table of the lift report is a mean over some of them."""

import operator
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import reduce

import numpy as np

from models.lifting.lift_metrics import (
    per_joint_error,
    per_joint_velocity_error,
    procrustes_align,
    root_aligned,
    root_path_error,
    scale_align,
)
from models.lifting.lift_observation import Truth
from pipeline.arrays import Bool, Float64
from pipeline.plausibility import Figure

WORLD, BODY, SCALED, SHAPES = 0, 1, 2, 3
"""Rows of a tally's sums: plain, heading removed, scaled; from SHAPES on one per shape, aligned."""


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
class Positions:
    """Errors of joint positions summed over some frames, millimetres, root aligned."""

    count: Float64
    """(J,) joint-frames that were summed."""
    sums: Float64
    """(SHAPES + F, J)"""

    def __add__(self, other: "Positions") -> "Positions":
        return Positions(self.count + other.count, self.sums + other.sums)

    def __sub__(self, other: "Positions") -> "Positions":
        return Positions(self.count - other.count, self.sums - other.sums)


@dataclass(frozen=True)
class Tally:
    """Errors summed over frames, joint by joint."""

    frames: int
    steps: int
    """From one frame to the next."""
    everything: Positions
    unseen: Positions
    """Of joints that the input did not show."""
    velocity: Float64
    """(J,) mm/s, over steps."""
    root_path: float
    """mm, over frames."""

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(
            self.frames + other.frames,
            self.steps + other.steps,
            self.everything + other.everything,
            self.unseen + other.unseen,
            self.velocity + other.velocity,
            self.root_path + other.root_path,
        )


@dataclass(frozen=True)
class Errors:
    """Means over frames and joints; see `ERROR_FIGURES` for meanings and units."""

    mpjpe_mm: float
    body_mpjpe_mm: float
    n_mpjpe_mm: float
    pa_mpjpe_mm: float
    velocity_mm_s: float | None = None
    """None where joints are told apart by whether they were seen."""
    root_path_mm: float | None = None
    """None where joints are told apart."""


ERROR_FIGURES: Mapping[str, Figure] = {
    "mpjpe_mm": Figure(
        "MPJPE",
        "mm",
        "Mean distance of all joints from the truth, root aligned; frame 0 faces +Z, the heading "
        "is the method's own.",
    ),
    "body_mpjpe_mm": Figure(
        "in body frame",
        "mm",
        "MPJPE with every frame turned to face +Z: the pose without the heading.",
    ),
    "n_mpjpe_mm": Figure(
        "N-MPJPE",
        "mm",
        "MPJPE after the best scaling of every frame (Rhodin et al. 2018).",
    ),
    "pa_mpjpe_mm": Figure(
        "PA-MPJPE",
        "mm",
        "After the best similarity transform of every frame: scale, rotation, translation.",
    ),
    "velocity_mm_s": Figure(
        "velocity error",
        "mm/s",
        "Mean distance between the joints' velocities, root aligned (MPJVE, Pavllo et al. 2019, "
        "per second).",
    ),
    "root_path_mm": Figure(
        "root path error",
        "mm",
        "Mean distance over the ground between the roots, each counted from frame 0, in which "
        "both face +Z. The baselines stand still.",
    ),
}
"""By the names of `Errors`' fields. For all of them, lower is better; the root counts as a joint,
as in the literature, with an error of zero where roots are aligned."""


def tally(predicted: Prediction, truth: Truth, fps: float, seen: Bool | None = None) -> Tally:
    """Errors of one prediction, summed over its frames.

    Args:
        predicted: T frames.
        truth: T frames.
        fps: Frames a second.
        seen: (T, J) True where the input showed the joint; None: everywhere.
    """
    world, true_world = root_aligned(predicted.world), root_aligned(truth.joints)
    errors = np.stack(
        [
            per_joint_error(world, true_world),
            per_joint_error(root_aligned(predicted.body), root_aligned(truth.body)),
            per_joint_error(scale_align(world, true_world), true_world),
            *(
                per_joint_error(procrustes_align(shape, truth.joints), truth.joints)
                for shape in predicted.shapes
            ),
        ]
    )
    hidden = np.zeros(world.shape[:2], np.bool_) if seen is None else ~seen
    every = Positions(np.full(world.shape[1], float(len(world))), errors.sum(axis=1))
    unseen = Positions(hidden.sum(axis=0).astype(np.float64), (errors * hidden).sum(axis=1))
    velocity = per_joint_velocity_error(world, true_world, fps)
    path = root_path_error(predicted.world[:, 0], truth.joints[:, 0])
    return Tally(len(world), len(velocity), every, unseen, velocity.sum(axis=0), float(path.sum()))


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
    return int(total.everything.sums[SHAPES:].sum(axis=1).argmin())


def errors(total: Tally, shape: int) -> Errors:
    """Means over all joints."""
    joints = len(total.velocity)
    velocity = float(total.velocity.sum()) / (total.steps * joints)
    return Errors(*_means(total.everything, shape), velocity, total.root_path / total.frames)


def seen_and_unseen(total: Tally, shape: int) -> tuple[Errors, Errors] | None:
    """Means over the joints that the input showed, and over those it did not; None: it showed all.

    A joint counts in the frames in which it was seen (or not), all such joint-frames alike.
    """
    if not total.unseen.count.any():
        return None
    shown = total.everything - total.unseen
    return Errors(*_means(shown, shape)), Errors(*_means(total.unseen, shape))


def joint_errors(total: Tally, shape: int) -> list[Errors]:
    """The means of each joint, in joint order."""
    sums = _chosen(total.everything, shape) / total.frames
    rows = np.concatenate([sums, total.velocity[None] / total.steps]).T
    return [Errors(*row) for row in rows.tolist()]


def _chosen(part: Positions, shape: int) -> Float64:
    """(4, J) the sums that `Errors` starts with."""
    return part.sums[[WORLD, BODY, SCALED, SHAPES + shape]]


def _means(part: Positions, shape: int) -> tuple[float, float, float, float]:
    world, body, scaled, aligned = _chosen(part, shape).sum(axis=1) / part.count.sum()
    return float(world), float(body), float(scaled), float(aligned)
