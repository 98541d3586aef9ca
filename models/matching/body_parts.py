"""Which features of a 3D row belong to the whole body, the upper body, the lower body.

FID-U and FID-L come from matching networks that see one half of the body alone.
"""

from typing import Literal, get_args

import numpy as np

from pipeline.arrays import Int64
from pipeline.representation3d import field_slices
from pipeline.skeletons import SKELETONS, Skeleton

Part = Literal["all", "upper", "lower"]
PARTS: tuple[Part, ...] = get_args(Part)


def part_features(skeleton: Skeleton, part: Part) -> Int64:
    """(W,) ascending indices of the features of a row that a part's networks see.

    `all` is everything but the foot contacts (Guo et al. 2022 leave them out); `lower` is the root
    fields and the leg joints with the pelvis; `upper` is the rest of `all`.

    Args:
        skeleton: Whose rows; the legs are the chains that end in a foot.
        part: Which part.

    Raises:
        ValueError: No such part.
    """
    if part not in PARTS:
        raise ValueError(f"no body part '{part}': give {', '.join(PARTS)}")
    fields = field_slices(skeleton)
    everything = np.delete(np.arange(skeleton.dim3), np.r_[fields["contacts"]])
    if part == "all":
        return everything
    lower = _lower_features(skeleton)
    return lower if part == "lower" else np.setdiff1d(everything, lower)


def part_of_width(width: int) -> tuple[Skeleton, Part] | None:
    """The skeleton and the part whose networks take this many features a frame, or None."""
    for skeleton in SKELETONS.values():
        for part in PARTS:
            if len(part_features(skeleton, part)) == width:
                return skeleton, part
    return None


def leg_joints(skeleton: Skeleton) -> tuple[int, ...]:
    """Joints between the root and the toes, both sides, without the root, ascending."""
    feet = {*skeleton.feet_left, *skeleton.feet_right}
    legs = {joint for chain in skeleton.chains if feet & set(chain) for joint in chain}
    return tuple(sorted(legs - {0}))


def _lower_features(skeleton: Skeleton) -> Int64:
    fields = field_slices(skeleton)
    legs = np.asarray(leg_joints(skeleton))
    root = np.concatenate([np.r_[fields[name]] for name in ("yaw", "root_xz", "height")])
    # Positions and rotations have no entry for the root, velocities have.
    positions = fields["positions"].start + _entries(legs - 1, 3)
    rotations = fields["rotations"].start + _entries(legs - 1, 6)
    velocities = fields["velocities"].start + _entries(np.r_[0, legs], 3)
    return np.concatenate([root, positions, rotations, velocities])


def _entries(joints: Int64, width: int) -> Int64:
    """Places of some joints' numbers in a field with `width` numbers a joint."""
    return (joints[:, None] * width + np.arange(width)).reshape(-1)
