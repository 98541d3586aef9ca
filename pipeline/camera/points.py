"""Following points of the picture with optical flow: many, everywhere, few bytes a frame.

A key frame gives the points. In every later frame each is looked for twice: from where it was in
the frame before, and with the key frame's own patch from there on. The second removes the drift of
the first, and where both disagree the point is dropped, as the usual check forward and backward
would do at the same price.
"""

from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.arrays import Float32, UInt8
from pipeline.camera.fit import cells_of
from pipeline.camera.settings import CameraSettings

WINDOW = (11, 11)
LEVELS = 3
"""Pyramid levels above the picture: follows up to about 50 px a frame."""
NEAR_LEVELS = 0
"""The key frame's patch starts at the answer of the frame before: no pyramid is needed. With one
level the same paths were found (24 known cameras), and a third more time was spent."""
STOP = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 8, 0.05)
"""Steps at most, and the step in pixels that ends the search; with 20 and 0.03 paths were no
better (median error 0.26 % of the width against 0.24 %)."""
SLOW_SHARE = 0.75
"""Of the points: people move too, and seldom cover more than the rest."""
CORNER_BLOCK = 5
CELLS = 220
"""Of these a small picture gets as many as it can."""
PARTS_PX = 64.0
"""Positions are kept in 64ths of a pixel, 16 bits: exact to 0.008 px, up to 511 px."""


@dataclass(frozen=True, eq=False)
class Sighting:
    """Which points of the key frame were found in one frame, and where."""

    index: NDArray[np.uint16] = field(repr=False)
    """(M,) into the key frame's points."""
    packed: NDArray[np.int16] = field(repr=False)
    """(M, 2) 64ths of a pixel of the reduced picture."""

    @property
    def points(self) -> Float32:
        """(M, 2) pixels of the reduced picture."""
        return self.packed.astype(np.float32) / np.float32(PARTS_PX)


@dataclass(eq=False)
class Stretch:
    """A key frame and the frames matched with it, the next key frame included."""

    first: int
    """The key frame's number in the shot."""
    points: NDArray[np.int16] = field(repr=False)
    """(N, 2) pixels of the reduced picture."""
    sightings: list[Sighting] = field(default_factory=list, repr=False)
    """Of the frames `first` + 1, + 2, ..."""


class PointFollower:
    """Follows points from frame to frame and starts anew where too few are left."""

    def __init__(self, settings: CameraSettings) -> None:
        """Nothing is seen yet."""
        self.stretches: list[Stretch] = []
        self.motion_px = np.inf
        """How far three quarters of the points moved at most between the last two frames."""
        self._settings = settings
        self._key = np.zeros((0, 0), np.uint8)
        self._last = self._key
        self._key_time = 0.0
        self._alive = np.zeros(0, np.uint16)
        self._where = np.zeros((0, 2), np.float32)
        self._size = (0, 0)
        self._key_cells = 0

    def add(self, gray: UInt8, number: int, time: float) -> None:
        """Take the next frame: (H, W) of the reduced picture, its number and its seconds."""
        if self.stretches:
            self._follow(gray)
            stretch = self.stretches[-1]
            packed = np.rint(self._where * PARTS_PX).astype(np.int16)
            stretch.sightings.append(Sighting(self._alive, packed))
        if not self.stretches or self._worn(time):
            self._start(gray, number, time)
        self._last = gray

    @property
    def bytes_kept(self) -> int:
        """Of points and sightings; two pictures come on top."""
        kept = sum(stretch.points.nbytes for stretch in self.stretches)
        return kept + sum(
            seen.index.nbytes + seen.packed.nbytes
            for stretch in self.stretches
            for seen in stretch.sightings
        )

    def _worn(self, time: float) -> bool:
        """Whether a new key frame is due.

        Cells count beside points: those of a caption stay, however far the camera moves on.
        """
        s, points = self._settings, len(self.stretches[-1].points)
        return (
            len(self._alive) < s.keep_share * points
            or cells_of(self._where, self._size) < s.keep_cells * self._key_cells
            or time - self._key_time >= s.key_s
        )

    def _start(self, gray: UInt8, number: int, time: float) -> None:
        points = grid_points(gray, self._settings)
        self.stretches.append(Stretch(number, points))
        self._key, self._key_time = gray, time
        self._alive = np.arange(len(points), dtype=np.uint16)
        self._where = points.astype(np.float32)
        self._size = (gray.shape[1], gray.shape[0])
        self._key_cells = cells_of(self._where, self._size)

    def _follow(self, gray: UInt8) -> None:
        self.motion_px = np.inf
        if not len(self._alive):
            return
        key_points = self.stretches[-1].points[self._alive].astype(np.float32)
        flowed, found = _flow(self._last, gray, self._where, self._where, LEVELS)
        exact, again = _flow(self._key, gray, key_points, flowed, NEAR_LEVELS)
        agree = np.hypot(*(exact - flowed).T) <= self._settings.agree_px
        height, width = gray.shape
        inside = ((exact >= 0) & (exact <= [width - 1, height - 1])).all(axis=1)
        kept = found & again & agree & inside
        if kept.any():
            moved = np.hypot(*(exact - self._where)[kept].T)
            slowest = int(SLOW_SHARE * (len(moved) - 1))
            self.motion_px = float(np.partition(moved, slowest)[slowest])
        self._alive, self._where = self._alive[kept], exact[kept]


def grid_points(gray: UInt8, settings: CameraSettings) -> NDArray[np.int16]:
    """The best corner of every cell of a grid, where there is one worth following.

    Args:
        gray: (H, W).
        settings: Cell size, threshold and how many.

    Returns:
        (N, 2) x and y in pixels, row by row.
    """
    enough = int(np.sqrt(gray.size / CELLS))
    cell = min(settings.cell_px, max(settings.least_cell_px, enough))
    corner = cv2.cornerMinEigenVal(gray, CORNER_BLOCK)
    rows, columns = corner.shape[0] // cell, corner.shape[1] // cell
    # Whole cells only, centred: what is left over is less than half a cell at every edge.
    top, left = (corner.shape[0] - rows * cell) // 2, (corner.shape[1] - columns * cell) // 2
    cells = corner[top : top + rows * cell, left : left + columns * cell]
    cells = cells.reshape(rows, cell, columns, cell).swapaxes(1, 2).reshape(rows * columns, -1)
    best = cells.argmax(axis=1)
    strength = cells[np.arange(len(cells)), best]
    chosen = np.flatnonzero(strength >= settings.min_corner)
    if len(chosen) > settings.max_points:
        order = np.argsort(-strength[chosen], kind="stable")[: settings.max_points]
        chosen = np.sort(chosen[order])
    row, column = np.divmod(chosen, columns) if columns else (chosen, chosen)
    y = top + row * cell + best[chosen] // cell
    x = left + column * cell + best[chosen] % cell
    found: NDArray[np.int16] = np.stack([x, y], axis=1).astype(np.int16)
    return found


def _flow(
    before: UInt8, now: UInt8, points: Float32, guess: Float32, levels: int
) -> tuple[Float32, NDArray[np.bool_]]:
    """Where points (N, 2) of `before` are in `now`, started from `guess`, and which were found."""
    moved, status, _ = cv2.calcOpticalFlowPyrLK(
        before, now, points[:, None], guess[:, None].copy(),
        winSize=WINDOW, maxLevel=levels, criteria=STOP, flags=cv2.OPTFLOW_USE_INITIAL_FLOW,
    )  # fmt: skip
    return moved[:, 0].astype(np.float32), status[:, 0] == 1
