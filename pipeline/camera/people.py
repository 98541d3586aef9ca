"""Where people are in each frame, so that the background can be told from them."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from pipeline.arrays import Bool, Float32, Float64, Int64
from pipeline.pose.protocol import PersonTrack


@dataclass(frozen=True, eq=False)
class PersonCover:
    """The part of the picture that one person covers: a disc around every joint."""

    frames: Int64 = field(repr=False)
    """(N,) numbers of the frames between the first and the last sighting, ascending."""
    joints: Float32 = field(repr=False)
    """(N, J, 2) pixels, interpolated where a joint was lost; NaN where it never was seen."""
    radius: Float32 = field(repr=False)
    """(N,) pixels."""

    def holds(self, points: Float64, frame: int) -> Bool:
        """(P,) which of the points (P, 2) the person covers in a frame."""
        at = int(np.searchsorted(self.frames, frame))
        if at == len(self.frames) or self.frames[at] != frame:
            return np.zeros(len(points), dtype=np.bool_)
        away = points[:, None] - self.joints[at][None]
        near: Bool = (away**2).sum(axis=-1) <= self.radius[at] ** 2
        held: Bool = near.any(axis=1)
        return held


def person_covers(tracks: Sequence[PersonTrack], times: Float64, share: float) -> list[PersonCover]:
    """What everybody covers, over all frames of a shot.

    Joints lie inside a body and a third of a limb apart at most: discs cover it, and leave the
    background between spread arms, which a box would take away. Joints guessed beyond the
    picture's edge count as well.

    Args:
        tracks: All persons of the shot.
        times: (T,) seconds of the shot's frames, on the tracks' clock.
        share: A disc's radius as a share of the longer side of the person's box.
    """
    covers = []
    for track in tracks:
        pose = track.pose
        found = np.isfinite(pose.joints).all(axis=-1)
        seen = found.any(axis=1)
        if not seen.any():
            continue
        clock, boxes = pose.times[seen], pose.boxes[seen]
        frames = np.flatnonzero((times >= clock[0]) & (times <= clock[-1]))
        joints = np.full((len(frames), found.shape[1], 2), np.nan, np.float32)
        for j in np.flatnonzero(found.any(axis=0)):
            for axis in range(2):
                known = pose.joints[found[:, j], j, axis]
                joints[:, j, axis] = np.interp(times[frames], pose.times[found[:, j]], known)
        longer = (boxes[:, 2:] - boxes[:, :2]).max(axis=1)
        radius = share * np.interp(times[frames], clock, longer)
        covers.append(PersonCover(frames.astype(np.int64), joints, radius.astype(np.float32)))
    return covers


def outside_all(points: Float64, frame: int, covers: Sequence[PersonCover]) -> Bool:
    """(P,) which of the points (P, 2) nobody covers in a frame."""
    free = np.ones(len(points), dtype=np.bool_)
    for cover in covers:
        free &= ~cover.holds(points, frame)
    return free
