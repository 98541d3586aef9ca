"""Anti-aliased marks on an RGB picture, placed to a sixteenth of a pixel."""

import unicodedata
from functools import lru_cache
from itertools import pairwise

import cv2
import numpy as np

from pipeline.arrays import AnyFloat, Float32, UInt8
from pipeline.render.palette import Colour

SUBPIXEL_BITS = 4
"""OpenCV takes coordinates in fixed point: 1/16 pixel."""
ONE_PX = 1 << SUBPIXEL_BITS
FARTHEST_PX = 1.0e4
"""Marks beyond this are not drawn: far outside any picture, and OpenCV's integers are finite."""
TEXT_SCALE = 4
"""Letters are drawn this much larger and shrunk: OpenCV's own are rough at small sizes."""
_FONT = cv2.FONT_HERSHEY_SIMPLEX
_FONT_HEIGHT_PX = 22
"""Height of a capital of the font at scale 1."""


def line(image: UInt8, a: AnyFloat, b: AnyFloat, colour: Colour, width_px: float) -> None:
    """A straight line with round ends from `a` to `b`, each (2,) x, y in pixels.

    This and the other marks draw nothing where a coordinate is not finite or absurdly far away.
    """
    start, end = _fixed(a), _fixed(b)
    if start is not None and end is not None:
        width = max(1, round(width_px))
        cv2.line(image, start, end, colour, width, cv2.LINE_AA, SUBPIXEL_BITS)


def path(image: UInt8, points: AnyFloat, colour: Colour, width_px: float) -> None:
    """Straight lines through (N, 2) pixels; a point that cannot be drawn breaks the path."""
    for a, b in pairwise(points):
        line(image, a, b, colour, width_px)


def disc(image: UInt8, centre: AnyFloat, radius_px: float, colour: Colour) -> None:
    """A filled circle around `centre`, (2,) x, y in pixels."""
    place, radius = _fixed(centre), round(radius_px * ONE_PX)
    if place is not None:
        cv2.circle(image, place, radius, colour, cv2.FILLED, cv2.LINE_AA, SUBPIXEL_BITS)


def ring(
    image: UInt8, centre: AnyFloat, radius_px: float, colour: Colour, width_px: float = 1.0
) -> None:
    """A hollow circle around `centre`, (2,) x, y in pixels."""
    place, radius = _fixed(centre), round(radius_px * ONE_PX)
    if place is not None:
        width = max(1, round(width_px))
        cv2.circle(image, place, radius, colour, width, cv2.LINE_AA, SUBPIXEL_BITS)


def text(
    image: UInt8, words: str, at: tuple[float, float], height_px: float, colour: Colour
) -> None:
    """Words with the left end of their baseline at (x, y); what is outside is cut off.

    See `plain` for characters that the font lacks.
    """
    mask, baseline = _lettering(plain(words), height_px)
    x, y = round(at[0]), round(at[1]) - baseline
    height, width = image.shape[:2]
    top, left, bottom, right = max(y, 0), max(x, 0), min(y + len(mask), height), x + mask.shape[1]
    right = min(right, width)
    if top >= bottom or left >= right:
        return
    alpha = mask[top - y : bottom - y, left - x : right - x, None]
    below = image[top:bottom, left:right]
    below[...] = np.rint(below + (np.asarray(colour, np.float32) - below) * alpha).astype(np.uint8)


def text_width(words: str, height_px: float) -> int:
    """How wide the words are, pixels."""
    return int(_lettering(plain(words), height_px)[0].shape[1])


def plain(words: str) -> str:
    """The words in the characters that the font has: accents are dropped, the rest becomes `?`."""
    parts = unicodedata.normalize("NFKD", words)
    bare = "".join(letter for letter in parts if not unicodedata.combining(letter))
    return bare.encode("ascii", "replace").decode("ascii")


def fade(image: UInt8, colour: Colour, share: float) -> None:
    """Mix a share of one colour into the whole picture."""
    image[...] = np.rint(image + (np.asarray(colour, np.float32) - image) * share).astype(np.uint8)


def filled(size: tuple[int, int], colour: Colour) -> UInt8:
    """A (height, width, 3) picture of one colour; `size` is (width, height)."""
    return np.tile(np.array(colour, np.uint8), (size[1], size[0], 1))


def _fixed(point: AnyFloat) -> tuple[int, int] | None:
    """A point in OpenCV's fixed point, or None when it cannot be drawn (NaN compares false)."""
    x, y = float(point[0]), float(point[1])
    if abs(x) < FARTHEST_PX and abs(y) < FARTHEST_PX:
        return round(x * ONE_PX), round(y * ONE_PX)
    return None


@lru_cache(maxsize=512)
def _lettering(words: str, height_px: float) -> tuple[Float32, int]:
    """(H, W) coverage in [0, 1] of the words, and the row of the baseline."""
    scale = height_px * TEXT_SCALE / _FONT_HEIGHT_PX
    weight = max(1, round(scale * 2.0))
    (width, height), drop = cv2.getTextSize(words, _FONT, scale, weight)
    drop += weight
    columns = -(-(width + 2 * weight) // TEXT_SCALE)
    above = -(-(height + weight) // TEXT_SCALE)
    rows = above - (-drop // TEXT_SCALE)
    large = np.zeros((rows * TEXT_SCALE, columns * TEXT_SCALE), np.uint8)
    cv2.putText(
        large, words, (weight, above * TEXT_SCALE), _FONT, scale, (255,), weight, cv2.LINE_AA
    )
    small = cv2.resize(large, (columns, rows), interpolation=cv2.INTER_AREA)
    return small.astype(np.float32) / 255.0, above
