"""Pictures made smaller at little cost, where it matters what moved and not how it looks.

Halving is the mean of four pixels and the one reduction that costs next to nothing; OpenCV's area
averaging by any other factor takes ten times as long as all that is then done with the picture.
"""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.arrays import Float64, UInt8


@dataclass(frozen=True)
class Reduction:
    """How pictures of one size are made smaller; the same for every frame of a video."""

    halvings: int
    """The picture is halved so often; a last odd row or column is left out each time."""
    size: tuple[int, int]
    """(width, height) of the answer; reached from the last half by lines between pixels."""
    factors: tuple[float, float]
    """Pixels of the picture for one of the answer, x and y; both have the same top left corner."""

    @property
    def scale(self) -> Float64:
        """(2,) `factors` as an array."""
        return np.asarray(self.factors)


def halving(size: tuple[int, int], least_side_px: int) -> Reduction:
    """Halve a picture while its longer side stays at this or more.

    Args:
        size: (width, height) of the picture, pixels.
        least_side_px: Shortest that the longer side may become; shorter pictures stay as they are.
    """
    (width, height), times = size, 0
    while max(width, height) // 2 >= least_side_px and min(width, height) >= 2:
        width, height, times = width // 2, height // 2, times + 1
    return Reduction(times, (width, height), (float(2**times), float(2**times)))


def reduction(size: tuple[int, int], side_px: int) -> Reduction:
    """Bring a picture's longer side down to this many pixels, keeping its shape.

    Args:
        size: (width, height) of the picture, pixels.
        side_px: The longer side of the answer; shorter pictures stay as they are.
    """
    halves = halving(size, side_px)
    share = min(1.0, side_px / max(halves.size))
    final = (max(1, round(halves.size[0] * share)), max(1, round(halves.size[1] * share)))
    across, down = (
        by * of / to for by, of, to in zip(halves.factors, halves.size, final, strict=True)
    )
    return Reduction(halves.halvings, final, (across, down))


def reduced(picture: UInt8, how: Reduction) -> UInt8:
    """Make a picture (H, W) or (H, W, 3) smaller; the same array where nothing is to be done."""
    for _ in range(how.halvings):
        height, width = (side // 2 for side in picture.shape[:2])
        even = picture[: 2 * height, : 2 * width]
        picture = _as_bytes(cv2.resize(even, (width, height), interpolation=cv2.INTER_AREA))
    if picture.shape[1::-1] != how.size:
        picture = _as_bytes(cv2.resize(picture, how.size, interpolation=cv2.INTER_LINEAR))
    return picture


def _as_bytes(picture: NDArray[Any]) -> UInt8:
    """OpenCV's types say less than it keeps: bytes in, bytes out."""
    return np.asarray(picture, np.uint8)
