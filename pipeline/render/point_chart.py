"""Numbers to the geometry of a chart of points with whiskers, all on one scale, for SVG."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

WANTED_TICKS = 4
"""Steps of a scale, about: with more, the numbers touch on a narrow page."""
NICE_STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)
FROM_ZERO = 0.6
"""A scale begins at 0 when the lowest value is below this share of the highest."""
LEFT_PERCENT, RIGHT_PERCENT = 4.0, 96.0
"""Where a scale begins and ends on the chart: the outer numbers need room."""
MOST_DECIMALS = 9
NARROWEST = 1e-7
"""Values closer together than this are one value: their numbers would look alike."""

Point = tuple[float | None, float | None]
"""A value and the half width of its interval; None where it is not known."""


@dataclass(frozen=True)
class Mark:
    """A point with its whisker, in percent of the chart's width."""

    x: float
    low: float
    high: float
    has_interval: bool


@dataclass(frozen=True)
class Tick:
    """A number under the scale."""

    x: float
    label: str


@dataclass(frozen=True)
class PointChart:
    """Marks in the order of the points, on a scale of round numbers."""

    marks: tuple[Mark | None, ...]
    """None for a point whose value is not known."""
    ticks: tuple[Tick, ...]
    decimals: int
    """Digits behind the point that tell values of this scale apart."""


def point_chart(points: Sequence[Point]) -> PointChart | None:
    """Lay out points with their intervals on a common scale.

    Args:
        points: Value and half width (95 % interval); a value that is not finite counts as unknown.

    Returns:
        None when no value is known.
    """
    ends = [_ends(point) for point in points]
    known = [end for end in ends if end is not None]
    if not known:
        return None
    scale = _scale(min(low for low, _, _ in known), max(high for _, _, high in known))
    first, last, step = scale
    ticks = [first + n * step for n in range(round((last - first) / step) + 1)]
    decimals = _decimals(step)
    return PointChart(
        tuple(_mark(end, point, scale) for end, point in zip(ends, points, strict=True)),
        tuple(Tick(_place(value, scale), f"{value:.{decimals}f}") for value in ticks),
        # Two more than the numbers under the scale: a hundredth of a step can be seen.
        min(decimals + 2, MOST_DECIMALS),
    )


Scale = tuple[float, float, float]
"""First and last tick, and the step between ticks."""


def _ends(point: Point) -> tuple[float, float, float] | None:
    """Lower end, value, upper end."""
    value, half = point
    if value is None or not math.isfinite(value):
        return None
    reach = 0.0 if half is None or not math.isfinite(half) else half
    return value - reach, value, value + reach


def _mark(ends: tuple[float, float, float] | None, point: Point, scale: Scale) -> Mark | None:
    if ends is None:
        return None
    low, value, high = (_place(end, scale) for end in ends)
    return Mark(value, low, high, point[1] is not None)


def _place(value: float, scale: Scale) -> float:
    first, last, _ = scale
    share = (value - first) / (last - first)
    return round(LEFT_PERCENT + share * (RIGHT_PERCENT - LEFT_PERCENT), 3)


def _scale(low: float, high: float) -> Scale:
    """Round numbers around the values; from 0 where that does not squeeze them."""
    if 0 <= low < FROM_ZERO * high:
        low = 0.0
    if high - low <= max(NARROWEST, 1e-9 * abs(high)):
        margin = abs(high) / 10 if abs(high) > NARROWEST else 1.0
        low, high = low - margin, high + margin
    wanted = (high - low) / WANTED_TICKS
    power = 10.0 ** math.floor(math.log10(wanted))
    step = next(s * power for s in NICE_STEPS if s * power >= wanted * (1 - 1e-9))
    return math.floor(low / step + 1e-9) * step, math.ceil(high / step - 1e-9) * step, step


def _decimals(step: float) -> int:
    """Digits that the multiples of a step need."""
    for digits in range(MOST_DECIMALS):
        if abs(round(step, digits) - step) < step * 1e-6:
            return digits
    return MOST_DECIMALS
