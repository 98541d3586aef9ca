"""2D of a body that is partly out of sight, for measuring: a limb, or all below the waist."""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np

from models.lifting.noisy_view import AZIMUTH_DIGITS
from pipeline.arrays import Bool, Float32
from pipeline.skeletons import Skeleton

LIMB_JOINTS = 3
"""Of an arm: shoulder, elbow, wrist. The collar lies in the trunk."""
HIP_AND_ROOT = 2
"""Joints at the start of a leg's chain that stay in sight: the root always is, and from it and the
hips the picture gets its scale."""
BOTH_LEGS = "both legs"
MASK_STREAM = 1
"""Keeps this module's random numbers apart from those of the noise."""


@dataclass(frozen=True)
class Occlusion:
    """How much is hidden: one body part of a view, over the whole clip or one stretch of it."""

    whole_share: float = 0.5
    """Share of views in which the part is hidden over the whole clip."""
    shortest: float = 0.25
    """Shortest stretch otherwise, as a share of the clip."""
    longest: float = 0.75
    seed: int = 1

    def __post_init__(self) -> None:
        in_order = 0.0 < self.shortest <= self.longest <= 1.0
        if not 0.0 <= self.whole_share <= 1.0 or not in_order:
            raise ValueError(
                "an occlusion needs a whole_share in 0..1 and 0 < shortest <= longest <= 1, got "
                f"{self.whole_share}, {self.shortest} and {self.longest}"
            )


@cache
def body_parts(skeleton: Skeleton) -> Mapping[str, tuple[int, ...]]:
    """The joints of each part that may be hidden, by name; legs from the knee down."""
    lefts = {left for left, _ in skeleton.mirror_pairs}
    feet = {*skeleton.feet_left, *skeleton.feet_right}
    parts = {}
    for chain in skeleton.chains:
        side = "left" if chain[-1] in lefts else "right"
        if feet & set(chain):
            parts[f"{side} leg"] = chain[HIP_AND_ROOT:]
        elif chain[0] != 0:
            parts[f"{side} arm"] = chain[-LIMB_JOINTS:]
    parts[BOTH_LEGS] = (*parts["left leg"], *parts["right leg"])
    return dict(sorted(parts.items()))


def hide_part(
    view: Float32, occlusion: Occlusion, motion_id: str, azimuth_deg: float, skeleton: Skeleton
) -> tuple[Float32, Bool, str]:
    """Hide a part of the body; a function of seed, motion and azimuth, whatever is measured before.

    Args:
        view: (T, J, 2) clean, in the view's scale, root of frame 0 at 0.
        occlusion: How much.
        motion_id: Names the random stream, with the azimuth.
        azimuth_deg: Where the view was taken from, degrees.
        skeleton: Names the parts.

    Returns:
        (T, J, 2) the view with hidden joints at 0; (T, J) True where the joint is seen; and the
        part's name.
    """
    azimuth = round(azimuth_deg * AZIMUTH_DIGITS)
    stream = (occlusion.seed, zlib.crc32(motion_id.encode()), azimuth, MASK_STREAM)
    rng = np.random.default_rng(stream)
    parts = body_parts(skeleton)
    name = list(parts)[rng.integers(len(parts))]
    frames = len(view)
    whole = rng.random() < occlusion.whole_share
    share = 1.0 if whole else rng.uniform(occlusion.shortest, occlusion.longest)
    length = max(1, round(share * frames))
    start = int(rng.integers(frames - length + 1))
    seen = np.ones(view.shape[:2], dtype=np.bool_)
    seen[start : start + length, list(parts[name])] = False
    return np.where(seen[..., None], view, 0.0).astype(np.float32), seen, name
