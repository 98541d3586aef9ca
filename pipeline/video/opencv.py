"""Reading with OpenCV's FFmpeg: slower to describe, but each frame carries its own time."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from pipeline.arrays import Bool, Float64, UInt8
from pipeline.video.timing import nearest_index

MAX_LOST_PACKETS = 100
"""Failed reads in a row that count as the end of the file. OpenCV reports a damaged packet
and the end in the same way; reading on past damage is what saves the frames behind it."""
ROTATIONS = {
    90: cv2.ROTATE_90_CLOCKWISE,
    180: cv2.ROTATE_180,
    270: cv2.ROTATE_90_COUNTERCLOCKWISE,
}


@dataclass(frozen=True)
class Probe:
    """A file's header as OpenCV reports it, and its first picture."""

    width: int
    """Pixels as stored, before rotation."""
    height: int
    fps: float
    frames: int
    """What the header claims, or an estimate, or nonsense."""
    rotation_deg: int
    """Clockwise turn to display it upright: 0, 90, 180 or 270."""
    pixel_aspect: float
    """Width of a pixel over its height, as displayed."""
    first: UInt8 | None
    """(H, W, 3) RGB upright; None when no picture could be decoded or it is too large."""


def probe(path: Path, threads: int, max_pixels: int) -> Probe | None:
    """Open a file for its header and first picture; None when OpenCV does not know it."""
    capture = _open(path, threads)
    try:
        if not capture.isOpened():
            return None
        width = int(capture.get(cv2.CAP_PROP_FRAME_WIDTH))
        height = int(capture.get(cv2.CAP_PROP_FRAME_HEIGHT))
        turn = round(capture.get(cv2.CAP_PROP_ORIENTATION_META) / 90) % 4 * 90
        small = width * height <= max_pixels
        ok, picture = capture.retrieve() if small and _grab(capture) else (False, None)
        wide, high = (capture.get(p) for p in (cv2.CAP_PROP_SAR_NUM, cv2.CAP_PROP_SAR_DEN))
        aspect = wide / high if wide > 0 and high > 0 else 1.0
        return Probe(
            width=width,
            height=height,
            fps=float(capture.get(cv2.CAP_PROP_FPS)),
            frames=int(capture.get(cv2.CAP_PROP_FRAME_COUNT)),
            rotation_deg=turn,
            pixel_aspect=aspect if turn % 180 == 0 else 1 / aspect,
            first=_upright(np.asarray(picture, np.uint8), turn) if ok else None,
        )
    finally:
        capture.release()


def survey(path: Path, threads: int, beat: Callable[[], None]) -> Float64:
    """Count the pictures that really decode, and note each one's time, converting none.

    Returns:
        (N,) seconds as reported, relative to the stream's start; see `timing.repair_times`.
    """
    times = []
    capture = _open(path, threads)
    try:
        while _grab(capture):
            times.append(_time_s(capture))
            beat()
    finally:
        capture.release()
    return np.asarray(times, np.float64)


class OutOfStepError(Exception):
    """A frame's own time is not the one that was expected: some frame before it is missing."""


class OpenCvFrames:
    """Sequential frames of a file, upright RGB."""

    name = "opencv"

    def __init__(
        self, path: Path, threads: int, rotation_deg: int, expected: Float64 | None = None
    ) -> None:
        """Prepare to read; `expected` (N,) seconds are held against each frame's own time."""
        self._path = path
        self._threads = threads
        self._rotation_deg = rotation_deg
        self._expected = expected
        self.decoded = 0
        """Pictures decoded so far, wanted or not."""

    def pictures(self, wanted: Bool) -> Iterator[tuple[int, UInt8]]:
        """Decode from the start; yield (frame number, (H, W, 3)) where `wanted` (N,) says so.

        Raises:
            OutOfStepError: A frame's own time is not the expected one.
        """
        capture = _open(self._path, self._threads)
        try:
            while self.decoded < len(wanted) and _grab(capture):
                index = self.decoded
                self._check_time(index, _time_s(capture))
                self.decoded += 1
                ok, picture = capture.retrieve() if wanted[index] else (False, None)
                if not ok or picture is None:
                    continue
                yield index, _upright(np.asarray(picture, np.uint8), self._rotation_deg)
        finally:
            capture.release()

    def _check_time(self, index: int, time_s: float) -> None:
        if self._expected is None or len(self._expected) < 2:
            return
        nearest = int(nearest_index(self._expected, np.asarray([time_s]))[0])
        if nearest != index:
            raise OutOfStepError(f"frame {index} says {time_s:.3f} s, as frame {nearest} should")


def _time_s(capture: cv2.VideoCapture) -> float:
    return capture.get(cv2.CAP_PROP_POS_MSEC) / 1000.0


def _open(path: Path, threads: int) -> cv2.VideoCapture:
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, threads])
    # The rotation is applied here and not by OpenCV, whose default differs between versions.
    capture.set(cv2.CAP_PROP_ORIENTATION_AUTO, 0)
    return capture


def _grab(capture: cv2.VideoCapture) -> bool:
    return any(capture.grab() for _ in range(MAX_LOST_PACKETS))


def _upright(picture: UInt8, rotation_deg: int) -> UInt8:
    rgb = cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)
    if rotation_deg in ROTATIONS:
        rgb = cv2.rotate(rgb, ROTATIONS[rotation_deg])
    return np.asarray(rgb, np.uint8)
