"""All fits of one key frame: points on people and on captions left out, gaps bridged."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from pipeline.arrays import Bool, Float64, Int64
from pipeline.camera.fit import BROKEN, StepFit, cells_of, common_motion, fit_step
from pipeline.camera.people import PersonCover, outside_all
from pipeline.camera.points import Stretch
from pipeline.camera.settings import CameraSettings
from pipeline.camera.similarity import IDENTITY, at_times


@dataclass(frozen=True, eq=False)
class Matches:
    """Points of a key frame in one later frame, both in pixels of the picture as stored."""

    index: Int64 = field(repr=False)
    """(M,) into the key frame's points."""
    before: Float64 = field(repr=False)
    """(M, 2)"""
    now: Float64 = field(repr=False)
    """(M, 2)"""


def background_matches(
    stretch: Stretch, reduction: Float64, covers: Sequence[PersonCover]
) -> list[Matches]:
    """Of every frame after the key frame: the points that lie on nobody, then and now."""
    key = full_size(stretch.points.astype(np.float64), reduction)
    free = outside_all(key, stretch.first, covers)
    matches = []
    for number, sighting in enumerate(stretch.sightings, start=stretch.first + 1):
        now = full_size(sighting.points.astype(np.float64), reduction)
        kept = free[sighting.index] & outside_all(now, number, covers)
        index = sighting.index[kept].astype(np.int64)
        matches.append(Matches(index, key[index], now[kept]))
    return matches


def fit_stretch(
    matches: Sequence[Matches], points: int, size: tuple[int, int], scale: float, s: CameraSettings
) -> list[StepFit]:
    """Fit every frame of a stretch.

    Args:
        matches: Of each frame.
        points: How many the key frame has.
        size: (width, height) of the picture.
        scale: Pixels of the picture for one of the reduced picture.
        s: Limits.
    """
    overlay, cells = _overlay(matches, points, size, scale, s)
    fits = []
    for match in matches:
        kept = ~overlay[match.index]
        before, now = match.before[kept], match.now[kept]
        fit = fit_step(before, now, size, _tolerance(before, now, scale, s), s.min_points)
        more = max(fit.rival_cells, cells)
        fits.append(
            fit
            if fit is BROKEN
            else StepFit(fit.similarity, fit.points, fit.share, fit.cells, more)
        )
    return fits


def _overlay(
    matches: Sequence[Matches], points: int, size: tuple[int, int], scale: float, s: CameraSettings
) -> tuple[Bool, int]:
    """(N,) points of captions and logos, and how many of the picture's cells those have.

    They never move in the picture while what covers more of it does, in common. When that covers
    less, the camera stands and something large passes by.
    """
    nothing = np.zeros(points, dtype=np.bool_)
    farthest = np.zeros(points)
    for match in matches:
        shift = np.hypot(*(match.now - match.before).T)
        farthest[match.index] = np.maximum(farthest[match.index], shift)
    still = farthest < s.still_px * scale
    spread = [
        float(np.median(np.hypot(*(m.now - m.before)[~still[m.index]].T)))
        if (~still[m.index]).sum() >= s.min_points
        else 0.0
        for m in matches
    ]
    if not spread or max(spread) < s.overlay_px * scale:
        return nothing, 0
    match = matches[int(np.argmax(spread))]
    standing = still[match.index]
    moving = ~standing
    before, now = match.before[moving], match.now[moving]
    group = common_motion(before, now, size, _tolerance(before, now, scale, s), s.min_points)
    cells = cells_of(match.now[standing], size)
    return (still, cells) if group is not None and group.cells > cells else (nothing, 0)


def _tolerance(before: Float64, now: Float64, scale: float, s: CameraSettings) -> float:
    """How near to the similarity a point of the background comes, pixels of the picture."""
    shift = float(np.median(np.hypot(*(now - before).T))) if len(now) else 0.0
    return s.inlier_px * scale + s.bend * shift


def bridged(fits: Sequence[StepFit]) -> tuple[Float64, int]:
    """(N, 4) steps from the key frame, and how many of them are not known.

    A broken step between fitted ones lies between them; after the last one the camera is taken to
    stand still. Only the latter is a loss: all that follows rests on it.
    """
    known = np.array([0, *(i for i, fit in enumerate(fits, start=1) if not fit.broken)])
    rows = np.array([np.asarray(IDENTITY), *(fit.similarity for fit in fits)])
    wanted = np.arange(1.0, len(fits) + 1)
    return at_times(known.astype(np.float64), rows[known], wanted), len(fits) - int(known[-1])


def full_size(points: Float64, reduction: Float64) -> Float64:
    """Pixels of the reduced picture -> of the picture; a pixel's middle is a whole number."""
    return (points + 0.5) * reduction - 0.5
