"""One similarity from matched points, and how far it can be trusted."""

from dataclasses import dataclass, field

import cv2
import numpy as np

from pipeline.arrays import AnyFloat, Bool, Float64
from pipeline.camera.similarity import IDENTITY, from_matrix, move

ROUNDS = 400
CERTAINTY = 0.995
"""RANSAC's; OpenCV seeds it with a constant, so that the same points give the same answer."""
COLUMNS, ROWS = 6, 4
"""Cells by which it is judged how much of the picture is covered."""
LARGEST_ZOOM = 4.0
"""Between a key frame and a frame matched with it; more is a wrong fit."""


@dataclass(frozen=True, eq=False)
class StepFit:
    """The background's motion from a key frame to one frame."""

    similarity: Float64 = field(repr=False)
    """(4,) pixels of the picture as stored; the identity where broken."""
    points: int
    """On the background: those that follow the similarity."""
    share: float
    """Of all points outside people."""
    cells: int
    """Of the picture's 24 with such a point."""
    rival_cells: int
    """Of those, with points that follow another common motion: parallax, crowds, large objects."""

    @property
    def broken(self) -> bool:
        """Nothing could be fitted."""
        return self.points == 0


BROKEN = StepFit(np.asarray(IDENTITY), 0, 0.0, 0, 0)


@dataclass(frozen=True, eq=False)
class Group:
    """Points with one motion in common."""

    similarity: Float64 = field(repr=False)
    member: Bool = field(repr=False)
    """(N,) of the points that were asked about."""
    cells: int


def fit_step(
    before: Float64, now: Float64, size: tuple[int, int], inlier_px: float, min_points: int
) -> StepFit:
    """The similarity of the group of points that covers most of the picture.

    Two groups are looked for. What covers most is the background, though more points may lie on a
    caption or on somebody close to the camera.

    Args:
        before: (N, 2) pixels in the key frame.
        now: (N, 2) the same points in a later frame.
        size: (width, height) of the picture.
        inlier_px: How near a point must come.
        min_points: With fewer the step is broken.
    """
    best = common_motion(before, now, size, inlier_px, min_points)
    if best is None:
        return BROKEN
    rest = np.flatnonzero(~best.member)
    rival = common_motion(before[rest], now[rest], size, inlier_px, min_points)
    if rival is not None:
        member = follows(rival.similarity, before, now, inlier_px)
        rival = Group(rival.similarity, member, cells_of(now[member], size))
        if rival.cells > best.cells:
            best, rival = rival, best
    count = int(best.member.sum())
    return StepFit(
        similarity=best.similarity,
        points=count,
        share=count / len(before),
        cells=best.cells,
        rival_cells=0 if rival is None else rival.cells,
    )


def common_motion(
    before: Float64, now: Float64, size: tuple[int, int], inlier_px: float, min_points: int
) -> Group | None:
    """The similarity that most of the points (N, 2) follow; None where too few do."""
    if len(before) < min_points:
        return None
    matrix, _ = cv2.estimateAffinePartial2D(
        before, now, method=cv2.RANSAC, ransacReprojThreshold=inlier_px,
        maxIters=ROUNDS, confidence=CERTAINTY, refineIters=10,
    )  # fmt: skip
    if matrix is None or not np.isfinite(matrix).all():
        return None
    if not 1 / LARGEST_ZOOM < np.hypot(matrix[0, 0], matrix[1, 0]) < LARGEST_ZOOM:
        return None
    similarity = from_matrix(matrix.astype(np.float64))
    member = follows(similarity, before, now, inlier_px)
    if member.sum() < min_points:
        return None
    return Group(similarity, member, cells_of(now[member], size))


def follows(similarity: Float64, before: Float64, now: Float64, inlier_px: float) -> Bool:
    """(N,) which points come as near as that to where the similarity puts them."""
    near: Bool = np.hypot(*(move(similarity, before) - now).T) <= inlier_px
    return near


def cells_of(points: AnyFloat, size: tuple[int, int]) -> int:
    """How many of the picture's cells hold a point."""
    across = (points[:, 0] * (COLUMNS / size[0])).astype(np.intp).clip(0, COLUMNS - 1)
    down = (points[:, 1] * (ROWS / size[1])).astype(np.intp).clip(0, ROWS - 1)
    return np.count_nonzero(np.bincount(across + COLUMNS * down, minlength=COLUMNS * ROWS))
