"""Where to look for people in a picture: all of it, its enlarged parts, and around who was lost."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import cycle, islice

from pipeline.arrays import UInt8
from pipeline.pose.blazepose_graphs import PersonFinder, Roi

SAME_DISTANCE = 0.2
"""Two squares whose centres (mid-hips) lie closer than this share of their side ..."""
SAME_SIZE = 1.6
"""... and whose sides differ by less than this factor are taken for one person."""
LOST_GROWTH = 2.0
"""Who was lost is looked for in a square this many times as wide as their own."""


@dataclass(frozen=True)
class Region:
    """An upright part of a picture, pixels."""

    x: int
    y: int
    width: int
    height: int


def tiles(frame_size: tuple[int, int], zoom: int) -> list[Region]:
    """Overlapping squares that together cover a picture.

    Neighbours overlap by at least half a side, so that nobody up to half a side tall is cut by all.

    Args:
        frame_size: (width, height), pixels.
        zoom: How many times smaller than the picture's longer side a square is.

    Returns:
        The squares, row by row.
    """
    side = math.ceil(max(frame_size) / zoom)
    columns, rows = (_starts(length, side) for length in frame_size)
    width, height = (min(side, length) for length in frame_size)
    return [Region(x, y, width, height) for y in rows for x in columns]


def region_around(roi: Roi, frame_size: tuple[int, int]) -> Region | None:
    """The part of the picture around a person; None where that lies outside it."""
    half = roi.width * LOST_GROWTH / 2
    x0, y0 = max(0, int(roi.x - half)), max(0, int(roi.y - half))
    x1, y1 = min(frame_size[0], math.ceil(roi.x + half)), min(frame_size[1], int(roi.y + half))
    return Region(x0, y0, x1 - x0, y1 - y0) if x1 > x0 and y1 > y0 else None


def find_in(finder: PersonFinder, picture: UInt8, region: Region) -> list[Roi]:
    """People in a part of a picture, in pixels of the whole.

    Args:
        finder: Enlarges what it is given to its own 224 x 224 pixels.
        picture: (H, W, 3) RGB.
        region: The part.

    Returns:
        One square a person, surest first.
    """
    part = picture[region.y : region.y + region.height, region.x : region.x + region.width]
    return [replace(r, x=r.x + region.x, y=r.y + region.y) for r in finder.find(part)]


def same_person(a: Roi, b: Roi) -> bool:
    """Whether two squares of one picture stand for one person."""
    distance = math.hypot(a.x - b.x, a.y - b.y)
    return distance < SAME_DISTANCE * min(a.width, b.width) and same_size(a, b)


def same_size(a: Roi, b: Roi) -> bool:
    """Whether two squares may hold one person, by their sides."""
    return max(a.width, b.width) < SAME_SIZE * max(min(a.width, b.width), 1e-6)


@dataclass
class LookAround:
    """Deals out a picture's tiles in turn, all of them at a shot's beginning."""

    every: list[Region]
    a_time: int
    """Tiles a look."""

    def __post_init__(self) -> None:
        self._turn: Iterator[Region] = cycle(self.every)
        self._first = True

    def next_tiles(self) -> list[Region]:
        """The tiles whose turn it is."""
        if self._first:
            self._first = False
            return self.every
        return list(islice(self._turn, self.a_time))


def _starts(length: int, side: int) -> list[int]:
    """First pixels of the fewest parts that overlap by half a side or more."""
    if length <= side:
        return [0]
    count = math.ceil((length - side) / (side / 2)) + 1
    return [round(i * (length - side) / (count - 1)) for i in range(count)]
