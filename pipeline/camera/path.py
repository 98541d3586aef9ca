"""How a camera moved over one shot, and joints with that motion taken out or put back."""

from dataclasses import dataclass, field, replace

import numpy as np
from scipy.interpolate import Akima1DInterpolator

from pipeline.arrays import AnyFloat, Float64
from pipeline.camera.similarity import at_times, move, move_back

AKIMA_POINTS = 5
"""Akima's curve looks at two neighbours on either side; through fewer points lines are drawn."""


@dataclass(frozen=True, eq=False)
class CameraPath:
    """The background's motion in the picture, from the first frame of a shot on."""

    times: Float64 = field(repr=False)
    """(T,) seconds, strictly increasing: the frames that were watched."""
    similarity: Float64 = field(repr=False)
    """(T, 4) log scale, angle in radians (x towards y, y down), shift x and y in pixels: maps a
    point of the background in the first frame to where it is in frame t."""
    quality: float
    """In [0, 1]: how sure the path is; see `pipeline.camera.accumulate`."""
    moved: bool
    """Whether the camera moved by more than noise. If not, every similarity is the identity."""
    broken: int = 0
    """Places where too little could be matched and the camera was taken to stand still."""

    def __post_init__(self) -> None:
        """Refuse what cannot be interpolated."""
        if len(self.times) == 0 or self.similarity.shape != (len(self.times), 4):
            raise ValueError(
                f"a camera path needs one row of 4 for each of its frames, at least one; got "
                f"{self.similarity.shape} for {len(self.times)} times"
            )
        if len(self.times) > 1 and not bool(np.all(np.diff(self.times) > 0)):
            raise ValueError("times of a camera path must increase strictly")
        if not np.isfinite(self.similarity).all():
            raise ValueError("a camera path must be finite")

    def to_first(self, points: AnyFloat, times: Float64) -> AnyFloat:
        """Points as the camera of the first frame would have seen them.

        Between frames scale (its logarithm), angle and shift are interpolated; before the first
        and after the last frame the camera stands still. A path that did not move changes no bit.

        Args:
            points: (N, J, 2) pixels of the picture as stored; NaN stays NaN.
            times: (N,) seconds, on the clock of the video.

        Returns:
            (N, J, 2), the type of `points`. Joints may lie outside the picture.

        Raises:
            ValueError: Points and times do not match.
        """
        return move_back(self._at(points, times), points).astype(points.dtype)

    def to_picture(self, points: AnyFloat, times: Float64) -> AnyFloat:
        """The inverse of `to_first`: from the first frame's picture to that of each time."""
        return move(self._at(points, times), points).astype(points.dtype)

    def _at(self, points: AnyFloat, times: Float64) -> Float64:
        if points.ndim != 3 or points.shape[2] != 2 or points.shape[:1] != times.shape:
            raise ValueError(
                f"points must be (N, J, 2) with N times, got {points.shape} and {times.shape}"
            )
        return at_times(self.times, self.similarity, times)


def between(known: CameraPath, times: Float64) -> CameraPath:
    """A path over more frames than were matched.

    Akima's curve through the known ones: a camera that shakes goes on beyond a line between them,
    and one that stood still before and after stands still between.

    Args:
        known: The path over some frames, the first and the last of `times` among them.
        times: (T,) seconds of all frames, strictly increasing.
    """
    if len(times) == len(known.times):
        return known
    if len(known.times) < AKIMA_POINTS:
        rows = at_times(known.times, known.similarity, times)
    else:
        rows = Akima1DInterpolator(known.times, known.similarity, axis=0)(times)
        # What was matched stays as it was, to the bit.
        rows[np.searchsorted(times, known.times)] = known.similarity
    return replace(known, times=times, similarity=np.asarray(rows, np.float64))
