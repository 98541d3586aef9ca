"""Watching the background while frames pass on their way to the pose estimator."""

from collections.abc import Iterable, Iterator, Sequence

import cv2
import numpy as np

from pipeline.arrays import UInt8
from pipeline.camera.accumulate import camera_path
from pipeline.camera.path import CameraPath, between
from pipeline.camera.points import PointFollower
from pipeline.camera.settings import CameraSettings
from pipeline.carriers import FrameBatch
from pipeline.pose.protocol import PersonTrack
from pipeline.reduced_pictures import Reduction, reduced, reduction

NOT_REDUCED = Reduction(0, (0, 0), (1.0, 1.0))
"""Before the first frame."""
LONGEST_WAIT = 2
"""Of a calm camera every second frame is matched."""


class CameraObserver:
    """Keeps, of each frame that was matched, where some 200 points went: about 1 KB."""

    def __init__(self, settings: CameraSettings | None = None) -> None:
        """Nothing is seen yet; the default settings when None."""
        self._settings = settings or CameraSettings()
        self._follower = PointFollower(self._settings)
        self._times: list[float] = []
        self._matched: list[int] = []
        self._size = (0, 0)
        self._reduction = NOT_REDUCED
        self._last: UInt8 | None = None
        self._calm = False

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
        self._match_last()
        times, matched = np.asarray(self._times), np.asarray(self._matched)
        stretches, scale = self._follower.stretches, self._reduction.scale
        known = camera_path(stretches, times[matched], self._size, scale, tracks, self._settings)
        return between(known, times)

    @property
    def bytes_kept(self) -> int:
        """What is held of all frames watched so far."""
        return self._follower.bytes_kept + 8 * len(self._times)

    def _see(self, time: float, frame: UInt8) -> None:
        height, width = frame.shape[:2]
        if not self._times:
            self._size = (width, height)
            self._reduction = reduction(self._size, self._settings.side_px)
        elif (width, height) != self._size:
            raise ValueError(
                f"frames of one shot have one size: {width}x{height} came after "
                f"{self._size[0]}x{self._size[1]}"
            )
        self._times.append(time)
        self._last = frame
        waited = len(self._times) - self._matched[-1] - 1 if self._matched else LONGEST_WAIT
        if waited >= LONGEST_WAIT or not self._calm:
            self._match_last()

    def _match_last(self) -> None:
        """Match the frame that came last, if it was not."""
        frame, self._last = self._last, None
        if frame is None:
            return
        gray = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY).astype(np.uint8, copy=False)
        small = reduced(gray, self._reduction)
        number = len(self._times) - 1
        self._follower.add(small, len(self._matched), self._times[-1])
        passed = number - self._matched[-1] if self._matched else 1
        self._calm = self._follower.motion_px < self._settings.calm_px * passed
        self._matched.append(number)
