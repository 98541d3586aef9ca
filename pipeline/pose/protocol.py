"""What a 2D pose estimator promises, and what it hands on: persons per frame, tracks per clip."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from pipeline.arrays import Bool, Float32, UInt8
from pipeline.carriers import FrameBatch, Pose2D


class PoseSetupError(Exception):
    """A backend that cannot be built (package, weights, device): one sentence, no clip's fault."""


@dataclass(frozen=True, eq=False)
class FramePersons:
    """Everybody found in one frame."""

    joints: Float32 = field(repr=False)
    """(P, J, 2) pixels, origin top left; NaN where nothing was detected."""
    confidence: Float32 = field(repr=False)
    """(P, J) in [0, 1]; 0 where the joint is NaN or outside the picture."""
    world: Float32 | None = field(default=None, repr=False)
    """(P, J, 3) metres, the backend's own 3D guess if it has one."""

    def __post_init__(self) -> None:
        if self.joints.shape != (*self.confidence.shape, 2):
            raise ValueError(
                f"joints {self.joints.shape} do not match confidence {self.confidence.shape}"
            )

    def __len__(self) -> int:
        return len(self.joints)


@dataclass(frozen=True, eq=False)
class PersonTrack:
    """One person followed through a clip, from the first to the last frame they were seen in."""

    pose: Pose2D
    """Frames inside the track in which the person was lost are NaN with confidence 0."""
    first_frame: int
    """Index, in the clip's frames, of `pose`'s first frame."""
    clip_frames: int
    """Frames the clip had in all, seen or not."""
    world: Float32 | None = field(default=None, repr=False)
    """(T, J, 3) metres, hip-centred, x right, y down: the backend's own 3D guess, for comparison
    only. None for backends without one."""

    @property
    def seen(self) -> Bool:
        """(T,) frames of the track in which at least one joint was detected inside the picture."""
        found: Bool = (self.pose.confidence > 0).any(axis=1)
        return found

    @property
    def coverage(self) -> float:
        """Share of the clip's frames in which this person was seen."""
        return float(self.seen.sum()) / self.clip_frames


class PoseEstimator(Protocol):
    """A 2D pose backend. Nothing of one clip is kept for the next: all state lives in the call."""

    @property
    def estimator_id(self) -> str:
        """Name, library version, SHA-256 prefixes of settings and weights; goes into lineage."""
        ...

    @property
    def joint_set(self) -> str:
        """Name of a joint set in `pipeline.pose.joint_sets`."""
        ...

    def estimate(
        self, batches: Iterable[FrameBatch], frame_size: tuple[int, int]
    ) -> list[PersonTrack]:
        """Find and follow the persons of one clip.

        Frames are consumed as they come and never all held; the result does not depend on how
        they were cut into batches.

        Args:
            batches: The clip's frames, in time order.
            frame_size: (width, height) of every frame, pixels.

        Returns:
            One track a person, by first appearance, then left to right; empty when nobody is there.

        Raises:
            PipelineError: The backend failed on this clip (`POSE_ERROR`).
            ValueError: Frames of another size, or times that do not increase.
        """
        ...


def iterate_frames(
    batches: Iterable[FrameBatch], frame_size: tuple[int, int]
) -> Iterator[tuple[float, UInt8]]:
    """Walk a clip's frames one by one.

    Args:
        batches: The clip's frames, in time order.
        frame_size: (width, height) that every frame must have, pixels.

    Yields:
        (time in seconds, (H, W, 3) RGB frame).

    Raises:
        ValueError: A frame has another size, or a time does not increase.
    """
    width, height = frame_size
    last = -np.inf
    for batch in batches:
        if batch.frames.shape[1:3] != (height, width):
            raise ValueError(
                f"frames are {batch.frames.shape[2]}x{batch.frames.shape[1]}, not {width}x{height}"
            )
        for time, frame in zip(batch.times.tolist(), batch.frames, strict=True):
            if not time > last:
                raise ValueError(f"frame times must increase strictly, got {last} then {time}")
            last = time
            yield time, frame


def inside_picture(joints: Float32, frame_size: tuple[int, int]) -> Bool:
    """Which joints lie inside the picture; NaN counts as outside.

    Args:
        joints: (..., 2) pixels.
        frame_size: (width, height), pixels.

    Returns:
        (...) bool.
    """
    inside: Bool = ((joints >= 0) & (joints <= np.asarray(frame_size))).all(axis=-1)
    return inside


def trusted_confidence(
    joints: Float32, confidence: Float32, frame_size: tuple[int, int]
) -> Float32:
    """A detector's confidence, made safe to use: in [0, 1], and 0 for joints outside the picture.

    Detectors extrapolate joints beyond the frame's edge with confidence of their own. Nothing was
    seen there, so the guess keeps its pixel position but counts as undetected.

    Args:
        joints: (..., J, 2) pixels.
        confidence: (..., J) as the detector gave it.
        frame_size: (width, height), pixels.

    Returns:
        (..., J) float32.
    """
    seen = inside_picture(joints, frame_size)
    return np.where(seen, np.clip(confidence, 0.0, 1.0), 0.0).astype(np.float32)
