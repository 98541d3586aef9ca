"""Who performs: a score for everybody in a film, out of parts that anybody can check."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from pipeline.arrays import Float32, Float64
from pipeline.pose.protocol import PersonTrack
from pipeline.tracking import person_boxes

STEP_S = 0.2
"""Joints' movement is measured over this time, seconds: over a single frame it would be mostly the
detector's trembling."""
HALF_SPEED = 0.5
"""Joint speed, in body lengths a second, that counts as half of all motion. Standing people gesture
at about 0.2; walking takes 0.6 to 0.8, jumping jacks and cartwheels 1 to 3."""


class StillWorld(Protocol):
    """What is used of a camera's path."""

    def to_first(self, points: Float32, times: Float64) -> Float32:
        """(N, J, 2) pixels at (N,) times, as the first frame's camera would see them."""
        ...


@dataclass(frozen=True)
class PersonScore:
    """How much one person looks like the one whom a film is about; all in [0, 1]."""

    size: float
    """Median longer side of the joints' box over the picture's longer side."""
    motion: float
    """s / (s + `HALF_SPEED`), s the mean joint speed in body lengths a second."""
    centrality: float
    """1 in the middle of the picture, 0 in a corner; median over frames."""
    duration: float
    """Share of the shot's frames with the person in sight."""
    confidence: float
    """Mean over all joints in those frames."""
    total: float
    """size x duration x confidence x (1 + motion) / 2 x (1 + centrality) / 2: `choose_person`'s
    score, at most halved for who stands still and at most halved for who is at the edge."""


def score_people(
    tracks: Sequence[PersonTrack], camera: StillWorld | None = None
) -> list[PersonScore]:
    """Score everybody in a shot.

    Args:
        tracks: The shot's people.
        camera: Its movement, which is taken out of theirs; None takes the picture as it is.

    Returns:
        One score a track, in their order.
    """
    return [_score(track, camera) for track in tracks]


def _score(track: PersonTrack, camera: StillWorld | None) -> PersonScore:
    seen = track.seen
    if not seen.any():
        return PersonScore(0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
    pose = track.pose
    boxes = person_boxes(pose.joints[seen], pose.confidence[seen]).astype(np.float64)
    longer = (boxes[:, 2:] - boxes[:, :2]).max(axis=1)
    size = min(1.0, float(np.median(longer)) / max(pose.frame_size))
    speed = _joint_speed(track, float(np.median(longer)), camera)
    motion = speed / (speed + HALF_SPEED)
    centrality = _centrality(boxes, pose.frame_size)
    duration, confidence = track.coverage, float(pose.confidence[seen].mean())
    total = size * duration * confidence * (1 + motion) / 2 * (1 + centrality) / 2
    return PersonScore(size, motion, centrality, duration, confidence, total)


def _centrality(boxes: Float64, frame_size: tuple[int, int]) -> float:
    """1 - distance of the boxes' middles from the picture's over half its diagonal; the median."""
    middle = (boxes[:, :2] + boxes[:, 2:]) / 2
    half = np.asarray(frame_size) / 2
    away = np.linalg.norm(middle - half, axis=1) / np.linalg.norm(half)
    return float(np.clip(1 - np.median(away), 0.0, 1.0))


def _joint_speed(track: PersonTrack, body: float, camera: StillWorld | None) -> float:
    """Mean speed of the joints that were seen, body lengths a second; 0 where too few frames."""
    pose = track.pose
    points = pose.joints if camera is None else camera.to_first(pose.joints, pose.times)
    later = np.searchsorted(pose.times, pose.times + STEP_S)
    now = np.flatnonzero(later < len(pose.times))
    then = later[now]
    if not len(now) or body <= 0:
        return 0.0
    both = (pose.confidence[now] > 0) & (pose.confidence[then] > 0)
    moved = np.linalg.norm(points[then] - points[now], axis=-1)
    speed = moved / (pose.times[then] - pose.times[now])[:, None] / body
    return float(speed[both].mean()) if both.any() else 0.0
