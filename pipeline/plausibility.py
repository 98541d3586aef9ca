"""Whether a body could have moved like that: feet, floor, shaking, bones. No ground truth needed.

The floor is y = 0 of the motion's own coordinates: canonical motion has the lowest joint of its
whole clip there (`pipeline.canonical`), and the feature rows count the root's height from there, so
it is what a network was taught. Joints lie inside the body, so no sole is measured. Real motion has
no zeros either: who jumps floats, who walks lets a foot roll. Hold a figure against the one that
motion capture of the same kind has.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass
from typing import NamedTuple

import numpy as np

from pipeline.arrays import AnyFloat, Float64
from pipeline.skeletons import HUMANML3D, Skeleton

STANCE_HEIGHT_M = 0.08
"""A foot can only stand below this height above the clip's own lowest joint."""
STANCE_SPEED_M_S = math.sqrt(HUMANML3D.contact_threshold) * HUMANML3D.fps
"""A foot can only stand below this speed, about 0.89 m/s: HumanML3D's rule for contacts as a speed,
which means the same at every frame rate and in every length unit."""
SKID_HEIGHT_M = 0.05
"""Below this height above the clip's lowest joint a foot touches the ground, when skids count."""
SKID_SPEED_M_S = 0.5
"""Over the ground; what touches it and is faster skids: 2.5 cm a frame at 20 frames a second."""
FLOOR_TOLERANCE_M = 0.005
"""A lowest joint this close to the floor touches it."""
MIN_FRAMES = 4
"""A third difference needs as many."""
MM_PER_METRE = 1000.0
PERCENT = 100.0


class Figure(NamedTuple):
    """A figure in words."""

    label: str
    unit: str
    meaning: str


FIGURES: Mapping[str, Figure] = {
    "foot_skating": Figure(
        "skating",
        "m/s",
        "Mean speed over the ground of feet that should stand still: within 8 cm of the clip's "
        "lowest joint and slower than 0.89 m/s, HumanML3D's rule for contacts; unknown where no "
        "foot stands, so read it with the skating ratio.",
    ),
    "skating_ratio": Figure(
        "skating ratio",
        "%",
        "Share of frames in which a foot skids: within 5 cm of the clip's lowest joint, from one "
        "frame to the next, and faster than 0.5 m/s over the ground (Karunratanakul et al. 2023).",
    ),
    "floating": Figure(
        "floating",
        "mm",
        "Height of the lowest joint over the floor (y = 0), mean over frames; 5 mm and less count "
        "as touching (PhysDiff's rule, on joints); jumps count too.",
    ),
    "penetration": Figure(
        "penetration",
        "mm",
        "Depth of the lowest joint under the floor (y = 0), mean over frames; 5 mm and less count "
        "as touching (PhysDiff's rule, on joints).",
    ),
    "jitter": Figure(
        "jitter",
        "m/s³",
        "Mean length of the third time derivative of all joints (jerk): how much the motion "
        "shakes; it grows with the frame rate.",
    ),
    "bone_variation": Figure(
        "bone variation",
        "%",
        "Standard deviation over time of a bone's length in percent of its mean, mean over bones: "
        "0 for a rigid skeleton.",
    ),
}
"""By the names of `Plausibility`'s fields. For all of them, lower is better."""


@dataclass(frozen=True)
class Plausibility:
    """Physical figures of one motion, or their means; see `FIGURES` for meanings and units."""

    foot_skating: float | None
    """None where no foot stands."""
    skating_ratio: float
    floating: float
    penetration: float
    jitter: float
    bone_variation: float


def plausibility(joints3d: AnyFloat, skeleton: Skeleton) -> Plausibility:
    """All physical figures of one motion.

    Args:
        joints3d: (T, J, 3) metres, y up, the floor at y = 0. Multiply KIT-ML's joints by
            `skeleton.metres_per_unit` first.
        skeleton: Names feet and bones, and has the frame rate.

    Raises:
        ValueError: Under four frames, another skeleton's joints, or values that are not finite.
    """
    if joints3d.ndim != 3 or joints3d.shape[1:] != (skeleton.n_joints, 3):
        raise ValueError(f"joints must be (T, {skeleton.n_joints}, 3), got {joints3d.shape}")
    if len(joints3d) < MIN_FRAMES:
        raise ValueError(
            f"plausibility needs a motion of {MIN_FRAMES} frames or more, got {len(joints3d)}"
        )
    if not np.isfinite(joints3d).all():
        raise ValueError("plausibility needs finite joints: the motion holds NaN or infinity")
    joints = joints3d.astype(np.float64)
    lowest = joints[..., 1].min(axis=1)
    return Plausibility(
        foot_skating=foot_skating(joints, skeleton),
        skating_ratio=skating_ratio(joints, skeleton),
        floating=_beyond_tolerance(lowest),
        penetration=_beyond_tolerance(-lowest),
        jitter=jitter(joints, skeleton),
        bone_variation=bone_variation(joints, skeleton),
    )


def mean_plausibility(figures: Sequence[Plausibility]) -> Plausibility:
    """Means over motions; each motion counts once, whatever its length.

    The mean of `foot_skating` is over the motions in which a foot stands (all but
    `count_unstanding`), None where there is none.

    Raises:
        ValueError: No motion.
    """
    if not figures:
        raise ValueError("no motion to average the physical figures over")
    skating = [each.foot_skating for each in figures if each.foot_skating is not None]
    others = np.array([astuple(each)[1:] for each in figures], np.float64).mean(axis=0)
    return Plausibility(float(np.mean(skating)) if skating else None, *others.tolist())


def count_unstanding(figures: Iterable[Plausibility]) -> int:
    """Motions in which no foot stands: the mean of `foot_skating` is not over them."""
    return sum(each.foot_skating is None for each in figures)


def foot_skating(joints3d: AnyFloat, skeleton: Skeleton) -> float | None:
    """Mean horizontal speed of standing feet, m/s; None where no foot stands.

    Who glides faster than a standing foot may move is not in it: see `skating_ratio`.

    The ground is taken where the clip has its lowest joint, so that a motion which floats or sinks
    as a whole is not excused. A foot is looked at from one frame to the next (Yuan et al. 2023,
    PhysDiff, likewise), and stands by Guo et al.'s (2022) contact rule.

    Args:
        joints3d: (T, J, 3) metres, y up.
        skeleton: Names the feet, and has the frame rate.
    """
    feet = [*skeleton.feet_left, *skeleton.feet_right]
    height = joints3d[:-1, feet, 1] - joints3d[..., 1].min()
    step = np.diff(joints3d[:, feet].astype(np.float64), axis=0) * skeleton.fps
    stands = (np.linalg.norm(step, axis=-1) < STANCE_SPEED_M_S) & (height < STANCE_HEIGHT_M)
    if not stands.any():
        return None
    return float(np.linalg.norm(step[..., [0, 2]], axis=-1)[stands].mean())


def skating_ratio(joints3d: AnyFloat, skeleton: Skeleton) -> float:
    """Share of frames in which a foot skids over the ground, percent; 0 under two frames.

    Karunratanakul et al. 2023 (GMD), with the ground where the clip has its lowest joint, with all
    joints of the feet, and with a speed in place of a distance a frame, so that it means the same
    at every frame rate.

    Args:
        joints3d: (T, J, 3) metres, y up.
        skeleton: Names the feet, and has the frame rate.
    """
    if len(joints3d) < 2:
        return 0.0
    feet = joints3d[:, [*skeleton.feet_left, *skeleton.feet_right]].astype(np.float64)
    low = feet[..., 1] - joints3d[..., 1].min() < SKID_HEIGHT_M
    speed = np.linalg.norm(np.diff(feet[..., [0, 2]], axis=0), axis=-1) * skeleton.fps
    skids = low[:-1] & low[1:] & (speed > SKID_SPEED_M_S)
    return float(skids.any(axis=1).mean() * PERCENT)


def jitter(joints3d: AnyFloat, skeleton: Skeleton) -> float:
    """Mean magnitude of the third time difference of all joints, m/s^3; 0 under four frames.

    Args:
        joints3d: (T, J, 3) metres.
        skeleton: Has the frame rate.
    """
    if len(joints3d) < MIN_FRAMES:
        return 0.0
    third = np.diff(joints3d.astype(np.float64), n=3, axis=0)
    return float(np.linalg.norm(third, axis=-1).mean() * skeleton.fps**3)


def bone_variation(joints3d: AnyFloat, skeleton: Skeleton) -> float:
    """Standard deviation over time of each bone's length over its mean, mean over bones, percent.

    Args:
        joints3d: (T, J, 3), any unit.
        skeleton: Names the bones.
    """
    parents, children = (list(ends) for ends in zip(*skeleton.bones, strict=True))
    bones = joints3d[:, children].astype(np.float64) - joints3d[:, parents]
    lengths = np.linalg.norm(bones, axis=-1)
    mean = np.maximum(lengths.mean(axis=0), np.finfo(np.float64).tiny)
    return float((lengths.std(axis=0) / mean).mean() * PERCENT)


def _beyond_tolerance(height: Float64) -> float:
    """Mean of (T,) heights in metres as mm; those within the tolerance, or below, count as 0."""
    return float(np.where(height > FLOOR_TOLERANCE_M, height, 0.0).mean() * MM_PER_METRE)
