"""The strip under a film: whose motion it is, how good, and where in the video we are."""

from dataclasses import dataclass

import numpy as np

from pipeline.arrays import UInt8
from pipeline.render import canvas
from pipeline.render.palette import GRID, PATH_BEHIND, STRIP, TEXT, TEXT_QUIET, Limb
from pipeline.render.subjects import FilmCaption

HEIGHT_PX = 66
MARGIN_PX = 14
TITLE_PX = 11.0
FIGURES_PX = 9.0
SMALLEST_PX = 5.5
"""Words that do not fit at this height are cut off."""
TITLE_BASELINE = 30
FIGURES_BASELINE = 53
LINE_PX = 4
"""Height of the time line at the strip's upper edge."""
GAP = "   "


@dataclass(frozen=True)
class TimeLine:
    """The film's span and the motion's place in it, seconds of the video."""

    start_s: float
    end_s: float
    motion_start_s: float
    motion_end_s: float

    def place(self, time_s: float) -> float:
        """Share of the span that lies before a time, 0 to 1."""
        length = max(self.end_s - self.start_s, 1e-6)
        return min(max((time_s - self.start_s) / length, 0.0), 1.0)


def blank_strip(width: int, caption: FilmCaption) -> UInt8:
    """The strip with everything that does not change from picture to picture.

    Args:
        width: Pixels.
        caption: Its words; what is too long is set smaller, then cut.

    Returns:
        (HEIGHT_PX, width, 3) RGB.
    """
    strip = canvas.filled((width, HEIGHT_PX), STRIP)
    clock = canvas.text_width("000.00 s", TITLE_PX) + MARGIN_PX
    title = GAP.join(part for part in (caption.action, caption.motion_id) if part)
    left = MARGIN_PX
    _fit(strip[:, : width - clock], title, (left, TITLE_BASELINE), TITLE_PX)
    legend = _draw_legend(strip)
    figures = [f"{name} {value}" for name, value in caption.figures]
    second = GAP.join([caption.note, *figures] if caption.note else figures)
    room = strip[:, : width - legend]
    _fit(room, second, (left, FIGURES_BASELINE), FIGURES_PX, quiet=True)
    return strip


def draw_clock(strip: UInt8, time_s: float, line: TimeLine | None) -> None:
    """Write the time, and with a time line its play head, onto a copy of the blank strip."""
    width = strip.shape[1]
    words = f"{time_s:.2f} s"
    x = width - MARGIN_PX - canvas.text_width(words, TITLE_PX)
    canvas.text(strip, words, (x, TITLE_BASELINE), TITLE_PX, TEXT)
    if line is None:
        return
    strip[:LINE_PX] = GRID
    begin, end = (round(width * line.place(t)) for t in (line.motion_start_s, line.motion_end_s))
    strip[:LINE_PX, begin:end] = np.asarray(PATH_BEHIND, np.uint8)
    now = round((width - 3) * line.place(time_s))
    strip[: LINE_PX + 4, now : now + 3] = TEXT


def _draw_legend(strip: UInt8) -> int:
    """Say which colour is which side; returns the width taken, pixels."""
    x = float(strip.shape[1] - MARGIN_PX)
    for word, limb in (("right", Limb.RIGHT_LEG), ("left", Limb.LEFT_LEG)):
        x -= canvas.text_width(word, FIGURES_PX)
        canvas.text(strip, word, (x, FIGURES_BASELINE), FIGURES_PX, TEXT_QUIET)
        x -= 10
        canvas.disc(strip, np.array([x, FIGURES_BASELINE - 4.0]), 4.0, limb.colour)
        x -= 14
    return strip.shape[1] - int(x) + MARGIN_PX


def _fit(
    strip: UInt8, words: str, at: tuple[int, int], height_px: float, *, quiet: bool = False
) -> None:
    """Write words as large as the room allows, up to a height."""
    room = strip.shape[1] - at[0]
    needed = canvas.text_width(words, height_px) if words else 1
    size = max(min(height_px, height_px * room / needed), SMALLEST_PX)
    canvas.text(strip, words, at, round(size, 1), TEXT_QUIET if quiet else TEXT)
