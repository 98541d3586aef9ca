"""Watching the background while frames pass on their way to the pose estimator."""

from collections.abc import Iterable, Iterator, Sequence

import cv2
import numpy as np

from pipeline.arrays import UInt8
from pipeline.camera.accumulate import camera_path
from pipeline.camera.path import CameraPath
from pipeline.camera.points import PointFollower
from pipeline.camera.settings import CameraSettings
from pipeline.carriers import FrameBatch
from pipeline.pose.protocol import PersonTrack


class CameraObserver:
    """Keeps, of each frame of one shot, where some 200 points went: less than 2 KB a frame."""

    def __init__(self, settings: CameraSettings | None = None) -> None:
        """Nothing is seen yet; the default settings when None."""
        self._settings = settings or CameraSettings()
        self._follower = PointFollower(self._settings)
        self._times: list[float] = []
        self._size = (0, 0)
        self._small = (0, 0)

    def watch(self, batches: Iterable[FrameBatch]) -> Iterator[FrameBatch]:
        """Pass a shot's frames on unchanged, as they come.

        Args:
            batches: The shot's frames, in time order, all of one size.

        Raises:
            ValueError: Frames of another size.
        """
        for batch in batches:
            for time, frame in zip(batch.times.tolist(), batch.frames, strict=True):
                self._see(time, frame)
            yield batch

    def path(self, tracks: Sequence[PersonTrack]) -> CameraPath:
        """The camera's path over the frames that were watched.

        Args:
            tracks: Everybody who was seen in them; the background is what lies outside.

        Raises:
            ValueError: No frame was watched.
        """
        if not self._times:
            raise ValueError("the camera was asked for its path before it saw a frame")
        times = np.asarray(self._times)
        reduction = np.asarray(self._size, np.float64) / np.asarray(self._small)
        return camera_path(
            self._follower.stretches, times, self._size, reduction, tracks, self._settings
        )

    @property
    def bytes_kept(self) -> int:
        """What is held of all frames watched so far."""
        return self._follower.bytes_kept + 8 * len(self._times)

    def _see(self, time: float, frame: UInt8) -> None:
        height, width = frame.shape[:2]
        if not self._times:
            self._size = (width, height)
            factor = min(1.0, self._settings.side_px / max(width, height))
            self._small = (max(1, round(width * factor)), max(1, round(height * factor)))
        elif (width, height) != self._size:
            raise ValueError(
                f"frames of one shot have one size: {width}x{height} came after "
                f"{self._size[0]}x{self._size[1]}"
            )
        self._follower.add(_small_gray(frame, self._small), len(self._times), time)
        self._times.append(time)


def _small_gray(frame: UInt8, size: tuple[int, int]) -> UInt8:
    """(H, W, 3) RGB -> (h, w) brightness; `size` is (w, h)."""
    if frame.shape[1::-1] != size:
        frame = cv2.resize(frame, size, interpolation=cv2.INTER_AREA).astype(np.uint8)
    return cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY).astype(np.uint8)
