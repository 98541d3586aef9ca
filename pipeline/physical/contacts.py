"""When a foot stands: low and slow, for longer than chance."""

from dataclasses import dataclass

import numpy as np

from pipeline.arrays import Bool, Float64
from pipeline.cleaning import spans
from pipeline.physical.settings import CleanUpSettings
from pipeline.skeletons import Skeleton

GROUND_PERCENTILE = 5.0
"""Of the height of the feet's lowest joint, over time: a single deep frame is not the ground."""
GAP_FRAMES = 1
"""A contact broken for so long is one contact."""


@dataclass(frozen=True)
class FootContacts:
    """Contacts of one foot from each frame to the next."""

    ankle: int
    toe: int
    """The foot joint: the ball of the foot."""
    ankle_stands: Bool
    """(T-1,)"""
    toe_stands: Bool
    """(T-1,)"""

    @property
    def stands(self) -> Bool:
        """(T-1,) one of the two stands."""
        return self.ankle_stands | self.toe_stands

    def slide(self, joints: Float64) -> Float64:
        """(T-1, 3) how far what stands moves to the next frame: the toe before the ankle."""
        toe, ankle = (np.diff(joints[:, j], axis=0) for j in (self.toe, self.ankle))
        moved = np.where(self.toe_stands[:, None], toe, ankle)
        return np.asarray(np.where(self.stands[:, None], moved, 0.0))


def ground_height(joints: Float64, skeleton: Skeleton, seen: Bool | None = None) -> float | None:
    """Height of the ground under a motion, from its feet; None where no foot was seen.

    Args:
        joints: (T, J, 3) metres, y up.
        skeleton: Names the feet.
        seen: (T, J) joints that the motion rests on; None: all.
    """
    lowest = []
    for ankle, toe in (skeleton.feet_left, skeleton.feet_right):
        height = joints[:, [ankle, toe], 1].min(axis=1)
        lowest.append(height if seen is None else np.where(seen[:, ankle], height, np.inf))
    known = np.minimum(*lowest)
    known = known[np.isfinite(known)]
    return float(np.percentile(known, GROUND_PERCENTILE)) if len(known) else None


def find_contacts(
    joints: Float64,
    ground: float,
    skeleton: Skeleton,
    settings: CleanUpSettings,
    seen: Bool | None = None,
) -> tuple[FootContacts, ...]:
    """Left and right foot's contacts.

    As `pipeline.plausibility` tells standing feet: a joint near the ground and slow in 3D.

    Args:
        joints: (T, J, 3) metres, y up.
        ground: Height of the ground, metres.
        skeleton: Names the feet, has the frame rate.
        settings: Limits.
        seen: (T, J) joints that the motion rests on; None: all. A foot whose ankle nobody saw
            stands nowhere: its place is a guess. Feet themselves are in few detectors' joint sets.
    """
    out = []
    shortest = max(1, round(settings.contact_s * skeleton.fps))
    for ankle, toe in (skeleton.feet_left, skeleton.feet_right):
        flags = []
        for joint in (ankle, toe):
            low = joints[:, joint, 1] - ground < settings.contact_height_m
            if seen is not None:
                low &= seen[:, ankle]
            speed = np.linalg.norm(np.diff(joints[:, joint], axis=0), axis=-1) * skeleton.fps
            flags.append(low[:-1] & low[1:] & (speed < settings.contact_speed_m_s))
        either = _steady(flags[0] | flags[1], shortest)
        # Over a bridged gap the toe counts as what stands.
        bridged = either & ~(flags[0] | flags[1])
        out.append(FootContacts(ankle, toe, flags[0] & either, (flags[1] & either) | bridged))
    return tuple(out)


def frames_of(stands: Bool) -> Bool:
    """(T,) frames at either end of a (T-1,) step."""
    padded = np.concatenate([[False], stands, [False]])
    return np.asarray(padded[1:] | padded[:-1])


def _steady(flags: Bool, shortest: int) -> Bool:
    """Short gaps closed, then short contacts dropped."""
    out = flags.copy()
    for start, stop in spans(~flags):
        if start > 0 and stop < len(flags) and stop - start <= GAP_FRAMES:
            out[start:stop] = True
    for start, stop in spans(out):
        if stop - start < shortest:
            out[start:stop] = False
    return out
