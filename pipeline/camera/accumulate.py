"""From matched points to the path of a shot: fits chained over key frames, noise set to zero.

The quality of a path is the geometric mean over its frames of

    points x share x cells x (1 - rival)

each brought to 0..1: enough points on the background (30 suffice), their share of all points
outside people and captions (0.3 counts nothing, 0.8 fully), the part of the picture's cells that
they are in (0.05 nothing, 0.4 fully), and no second group of points with a motion of its own, by
the cells that it covers (a fifth of the background's is free, as many are too many): parallax,
crowds, water, a large object, captions. Every frame that nothing is known of halves it.
"""

from collections.abc import Sequence

import numpy as np

from pipeline.arrays import Float64
from pipeline.camera.fit import COLUMNS, ROWS, StepFit
from pipeline.camera.path import CameraPath
from pipeline.camera.people import person_covers
from pipeline.camera.points import Stretch
from pipeline.camera.settings import CameraSettings
from pipeline.camera.similarity import IDENTITY, after, move
from pipeline.camera.stretch_fit import background_matches, bridged, fit_stretch
from pipeline.pose.protocol import PersonTrack

ENOUGH_POINTS = 30
SHARE_RANGE = (0.3, 0.8)
COVERAGE_RANGE = (0.05, 0.4)
RIVAL_RANGE = (0.2, 1.0)
LEAST_QUALITY = 0.01
"""A frame's quality counts at least this in the geometric mean."""
BROKEN_FACTOR = 0.5


def camera_path(
    stretches: Sequence[Stretch],
    times: Float64,
    size: tuple[int, int],
    reduction: Float64,
    tracks: Sequence[PersonTrack],
    settings: CameraSettings,
) -> CameraPath:
    """Fit every frame outside people and chain the key frames.

    Args:
        stretches: Points of the key frames and where they were found; together all frames.
        times: (T,) seconds of the frames.
        size: (width, height) of the picture.
        reduction: (2,) pixels of the picture for one of the reduced picture, x and y.
        tracks: Everybody seen in the shot.
        settings: Limits.
    """
    covers = person_covers(tracks, times, settings.person_share)
    scale = float(reduction.max())
    path = np.tile(np.asarray(IDENTITY), (len(times), 1))
    qualities, broken = np.ones(len(times)), 0
    for stretch in stretches:
        matches = background_matches(stretch, reduction, covers)
        fits = fit_stretch(matches, len(stretch.points), size, scale, settings)
        steps, lost = bridged(fits)
        if _largest_shift(steps, size) < settings.still_px * scale:
            steps = np.zeros_like(steps)
        frames = slice(stretch.first + 1, stretch.first + 1 + len(fits))
        path[frames] = after(steps, path[stretch.first])
        qualities[frames] = [_step_quality(fit) for fit in fits]
        broken += lost
    moved = _largest_shift(path, size) > settings.still_share * size[0]
    return CameraPath(
        times=times,
        similarity=path if moved else np.zeros_like(path),
        quality=_geometric_mean(qualities[1:]) * BROKEN_FACTOR**broken,
        moved=moved,
        broken=broken,
    )


def _largest_shift(similarity: Float64, size: tuple[int, int]) -> float:
    """How far a corner of the picture ever moves, pixels."""
    width, height = size
    corners = np.array([[0.0, 0.0], [width, 0.0], [0.0, height], [width, height]])
    shifts = np.linalg.norm(move(similarity, corners) - corners, axis=-1)
    return float(shifts.max(initial=0.0))


def _step_quality(fit: StepFit) -> float:
    if fit.broken:
        return 0.0
    points = min(1.0, fit.points / ENOUGH_POINTS)
    share = _ramp(fit.share, SHARE_RANGE)
    coverage = _ramp(fit.cells / (COLUMNS * ROWS), COVERAGE_RANGE)
    return points * share * coverage * (1.0 - _ramp(fit.rival_cells / fit.cells, RIVAL_RANGE))


def _ramp(value: float, limits: tuple[float, float]) -> float:
    low, high = limits
    return min(1.0, max(0.0, (value - low) / (high - low)))


def _geometric_mean(values: Float64) -> float:
    """1 of nothing: a single frame has no motion to be unsure of."""
    return float(np.exp(np.log(values.clip(LEAST_QUALITY)).mean())) if len(values) else 1.0
