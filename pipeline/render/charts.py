"""Numbers to the geometry of small charts: histograms and stacked bars, for SVG."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.arrays import Float64

BINS = 24
OVERFLOW_QUANTILE = 0.98
"""An open scale ends at this quantile; what is above goes into a last bin of its own."""
_NICE_STEPS = (1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0)


@dataclass(frozen=True)
class Bar:
    """A rectangle of a chart; origin top left."""

    x: float
    y: float
    width: float
    height: float
    label: str
    """What it stands for, as a sentence for a tooltip."""


@dataclass(frozen=True)
class Histogram:
    """How often values fall into even bins from `low` to `high`."""

    counts: tuple[int, ...]
    """The last bin also holds everything above `high`."""
    low: float
    high: float
    above: int
    """How many values lie above `high`."""
    total: int
    median: float
    worst_tenth: float
    """The 90th percentile, or the 10th where higher is better."""

    def bars(self, width: float, height: float, gap: float = 1.0) -> tuple[Bar, ...]:
        """One rectangle a bin, standing on the bottom of a width x height field."""
        step = width / len(self.counts)
        most = max(*self.counts, 1)
        edges = np.linspace(self.low, self.high, len(self.counts) + 1).tolist()
        bars = []
        for number, count in enumerate(self.counts):
            tall = height * count / most
            # A single motion among thousands stays visible.
            tall = max(tall, 1.5) if count else 0.0
            open_end = self.above and number == len(self.counts) - 1
            to = "or more" if open_end else f"to {edges[number + 1]:.3g}"
            label = f"{edges[number]:.3g} {to}: {count}"
            bars.append(Bar(number * step, height - tall, step - gap, tall, label))
        return tuple(bars)


def histogram(
    values: Sequence[float],
    limits: tuple[float, float] | None = None,
    *,
    higher_is_better: bool = False,
) -> Histogram | None:
    """Count values into `BINS` even bins.

    Args:
        values: Finite numbers; others are left out.
        limits: Ends of the scale; None takes 0 (or the lowest value, if negative) to a round
            number above nearly all values.
        higher_is_better: Which end is the worst tenth.

    Returns:
        None when there is no value.
    """
    known = np.asarray([v for v in values if np.isfinite(v)], np.float64)
    if not len(known):
        return None
    low, high = limits or _open_scale(known)
    places = np.floor((known - low) / (high - low) * BINS).clip(0, BINS - 1).astype(np.int64)
    counts = np.bincount(places, minlength=BINS)
    worst = 0.1 if higher_is_better else 0.9
    return Histogram(
        counts=tuple(int(count) for count in counts),
        low=low,
        high=high,
        above=int((known > high).sum()),
        total=len(known),
        median=float(np.median(known)),
        worst_tenth=float(np.quantile(known, worst)),
    )


def stacked(values: Sequence[float], width: float, height: float = 1.0) -> tuple[Bar, ...]:
    """Shares of a whole side by side: one rectangle a value, `width` wide together.

    The labels are the shares in percent. Nothing at all gives rectangles of no width.
    """
    total = sum(values)
    bars, x = [], 0.0
    for value in values:
        share = value / total if total > 0 else 0.0
        bars.append(Bar(x, 0.0, share * width, height, f"{share:.0%}"))
        x += share * width
    return tuple(bars)


def _open_scale(known: Float64) -> tuple[float, float]:
    low = min(0.0, float(known.min()))
    wanted = float(np.quantile(known, OVERFLOW_QUANTILE)) - low
    if wanted <= 0:
        return low, low + 1.0
    power = 10.0 ** np.floor(np.log10(wanted))
    step = next(s for s in _NICE_STEPS if s * power >= wanted * (1 - 1e-9))
    return low, low + step * float(power)
