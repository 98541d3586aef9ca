"""What a film or a thumbnail shows of one motion: its 2D joints, its 3D joints, its caption."""

from dataclasses import dataclass

import numpy as np

from pipeline.arrays import Bool, Float32, Float64
from pipeline.render.camera import AZIMUTH_DEG, at_frame
from pipeline.skeletons import HUMANML3D

TIME_TOLERANCE = 0.75
"""Share of a track's frame distance by which a picture's time may miss a detection's: pictures
between two detections show the nearer one, pictures in a real gap show none."""
END_TOLERANCE = 0.5
"""Frames by which a motion's first and last pose are held before and after it."""


@dataclass(frozen=True)
class DetectedPose:
    """One person's joints in one picture, as the detector saw them."""

    joint_set: str
    joints: Float32
    """(J, 2) pixels, NaN where nothing was detected."""
    confidence: Float32
    """(J,) in [0, 1]."""


@dataclass(frozen=True)
class CleanedPose:
    """The 22 cleaned joints in one picture."""

    joints: Float64
    """(22, 2) pixels; meaningless where not seen."""
    seen: Bool
    """(22,)"""


@dataclass(frozen=True)
class FilmTrack:
    """A person's 2D joints over a video's time."""

    joint_set: str
    times: Float64
    """(T,) seconds in the video, strictly increasing."""
    joints: Float32
    """(T, J, 2) pixels."""
    confidence: Float32
    """(T, J)"""
    clean_joints: Float32 | None = None
    """(T', 22, 2) pixels at `clean_fps`."""
    clean_mask: Bool | None = None
    """(T', 22) True where the joint is known."""
    clean_start_s: float = 0.0
    clean_fps: float = HUMANML3D.fps

    def detected_at(self, time_s: float) -> DetectedPose | None:
        """The detection nearest to a time of the video; None where there was none near."""
        nearest = int(np.abs(self.times - time_s).argmin())
        apart = float(np.median(np.diff(self.times))) if len(self.times) > 1 else 1.0 / 20.0
        if abs(float(self.times[nearest]) - time_s) > TIME_TOLERANCE * apart:
            return None
        return DetectedPose(self.joint_set, self.joints[nearest], self.confidence[nearest])

    def cleaned_at(self, time_s: float) -> CleanedPose | None:
        """The cleaned joints at a time of the video, interpolated; None outside the track."""
        if self.clean_joints is None or self.clean_mask is None:
            return None
        frame = frame_at(time_s, self.clean_start_s, self.clean_fps, len(self.clean_joints))
        if frame is None:
            return None
        # A joint is known between two frames only when it is known in both.
        seen = at_frame(self.clean_mask.astype(np.float64), frame) > 1.0 - 1e-6
        return CleanedPose(at_frame(self.clean_joints, frame), seen)


@dataclass(frozen=True)
class FilmMotion:
    """A motion on a video's clock."""

    n_frames: int
    joints3d: Float32 | None = None
    """(T, 22, 3) metres, y up; None when only 2D is known."""
    start_s: float = 0.0
    """Time of frame 0 in the video."""
    fps: float = HUMANML3D.fps
    view_azimuth_deg: float = 0.0
    """Turn of the body under which it looks as in the video."""

    @property
    def azimuth_deg(self) -> float:
        """Turn of the body for the skeleton's picture: three quarters off the video's view."""
        return self.view_azimuth_deg + AZIMUTH_DEG

    @property
    def end_s(self) -> float:
        """Time of the last frame in the video."""
        return self.start_s + (self.n_frames - 1) / self.fps

    @property
    def middle_s(self) -> float:
        """The time in the middle of the motion."""
        return (self.start_s + self.end_s) / 2

    def frame_at(self, time_s: float) -> float | None:
        """Frame number (with fraction) at a time of the video; None outside the motion."""
        return frame_at(time_s, self.start_s, self.fps, self.n_frames)


@dataclass(frozen=True)
class FilmCaption:
    """The words under a film."""

    motion_id: str
    action: str = ""
    figures: tuple[tuple[str, str], ...] = ()
    """(name, value with unit) of each quality figure."""
    note: str = ""
    """A few words on what is not as usual, e.g. `video missing`; put before the figures."""


def frame_at(time_s: float, start_s: float, fps: float, n_frames: int) -> float | None:
    """Place of a time among evenly spaced frames.

    Args:
        time_s: The time asked for, seconds.
        start_s: Time of frame 0, seconds.
        fps: Frames a second.
        n_frames: How many there are.

    Returns:
        A frame number with its fraction in [0, n_frames - 1]; None more than `END_TOLERANCE`
        frames before the first or after the last.
    """
    place = (time_s - start_s) * fps
    if n_frames < 1 or not -END_TOLERANCE <= place <= n_frames - 1 + END_TOLERANCE:
        return None
    return min(max(place, 0.0), n_frames - 1.0)
