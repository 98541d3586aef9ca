"""The records that travel from video to table: frozen, documented, checked when made."""

from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from pipeline.arrays import Float32, Float64, UInt8


class _ShapeRepr:
    """A repr that prints array shapes instead of array contents."""

    def __repr__(self) -> str:
        parts = []
        for field in fields(self):  # type: ignore[arg-type]
            value = getattr(self, field.name)
            is_array = isinstance(value, np.ndarray)
            shown = f"{value.dtype}{list(value.shape)}" if is_array else repr(value)
            parts.append(f"{field.name}={shown}")
        return f"{type(self).__name__}({', '.join(parts)})"


@dataclass(frozen=True, repr=False)
class VideoInfo(_ShapeRepr):
    """What was learnt about one source file by reading it to its end."""

    path: Path
    content_hash: str
    """SHA-256 of the file's bytes, hex."""
    size_bytes: int
    width: int
    """Pixels as displayed, after the rotation in the metadata is applied."""
    height: int
    rotation_deg: int
    """Clockwise rotation that was applied: 0, 90, 180 or 270."""
    fps: float
    """Measured from frame times where there are some, else the header's."""
    frames_header: int | None
    """What the header claims; may lie."""
    frames_decoded: int
    """What really came out."""
    duration_s: float
    decoder: str
    """`decord` or `opencv`: which one gave the frames."""
    pixel_aspect: float = 1.0
    """Width of a stored pixel over its height; frames are not stretched by it."""
    warnings: tuple[str, ...] = ()
    """Codes of what was noticed but survived, e.g. `header_frame_count`, `damaged_frames`."""


@dataclass(frozen=True, repr=False)
class FrameBatch(_ShapeRepr):
    """Consecutive frames with their true display times."""

    times: Float64
    """(N,) seconds from the first frame of the file."""
    frames: UInt8
    """(N, H, W, 3) RGB."""

    def __post_init__(self) -> None:
        if self.frames.ndim != 4 or self.frames.shape[-1] != 3:
            raise ValueError(f"frames must be (N, H, W, 3), got {self.frames.shape}")
        if self.times.shape != self.frames.shape[:1]:
            raise ValueError(f"times {self.times.shape} do not match frames {self.frames.shape}")


@dataclass(frozen=True, repr=False)
class Pose2D(_ShapeRepr):
    """One person's 2D joints over time, as a detector saw them."""

    joint_set: str
    """Name of a joint set in `pipeline.pose.joint_sets`: `mediapipe33`, `coco17`."""
    joints: Float32
    """(T, J, 2) pixels, origin top left, x right, y down; NaN where nothing was detected."""
    confidence: Float32
    """(T, J) in [0, 1]; 0 where the joint is NaN."""
    times: Float64
    """(T,) seconds, strictly increasing."""
    frame_size: tuple[int, int]
    """(width, height) of the picture in pixels."""

    def __post_init__(self) -> None:
        t, j = self.confidence.shape
        if self.joints.shape != (t, j, 2):
            raise ValueError(
                f"joints {self.joints.shape} do not match confidence {self.confidence.shape}"
            )
        if self.times.shape != (t,):
            raise ValueError(f"times {self.times.shape} do not match {t} frames")
        if t > 1 and not bool(np.all(np.diff(self.times) > 0)):
            raise ValueError("times must increase strictly")

    @property
    def boxes(self) -> Float32:
        """(T, 4) x0 y0 x1 y1 pixels around the detected joints; NaN rows where none."""
        out = np.full((len(self.joints), 4), np.nan, np.float32)
        for i, frame in enumerate(self.joints):
            seen = frame[np.isfinite(frame).all(axis=-1)]
            if len(seen):
                out[i] = [*seen.min(axis=0), *seen.max(axis=0)]
        return out
