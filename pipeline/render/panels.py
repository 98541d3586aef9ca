"""How a video's picture is fitted into its side of a film or thumbnail."""

from dataclasses import dataclass

import cv2
import numpy as np

from pipeline.arrays import UInt8
from pipeline.render import canvas
from pipeline.render.palette import STRIP

NARROWEST, WIDEST = 0.5, 2.0
"""Width of a panel over its height; pictures beyond that get bars."""


@dataclass(frozen=True)
class VideoPanel:
    """A place of even width for pictures of one size."""

    width: int
    height: int
    scale: float
    """Size of the picture in the panel over that of the video."""
    picture: tuple[int, int]
    """(width, height) of the scaled picture, pixels."""

    def scaled(self, frame: UInt8) -> UInt8:
        """The frame (H, W, 3) at the panel's scale, ready to be drawn upon."""
        shrinks = self.scale < 1.0
        how = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
        return np.ascontiguousarray(cv2.resize(frame, self.picture, interpolation=how), np.uint8)

    def framed(self, picture: UInt8) -> UInt8:
        """The scaled picture in the middle of the panel."""
        if self.picture == (self.width, self.height):
            return picture
        panel = canvas.filled((self.width, self.height), STRIP)
        left, top = (self.width - self.picture[0]) // 2, (self.height - self.picture[1]) // 2
        panel[top : top + self.picture[1], left : left + self.picture[0]] = picture
        return panel


def video_panel(frame_size: tuple[int, int], height: int) -> VideoPanel:
    """The panel for a video.

    Args:
        frame_size: (width, height) of the video, pixels.
        height: Of the panel, pixels; even.
    """
    width, tall = frame_size
    scale = min(height / tall, WIDEST * height / width)
    picture = (max(1, round(width * scale)), max(1, round(tall * scale)))
    wide = max(picture[0], round(NARROWEST * height))
    return VideoPanel(wide + wide % 2, height, scale, picture)
