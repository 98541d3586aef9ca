"""Who performs: each part of the score moves with what it names, and with nothing else."""

from dataclasses import astuple, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.carriers import Pose2D
from pipeline.performer import HALF_SPEED, score_people
from pipeline.pose import PersonTrack
from pipeline.pose.joint_sets import COCO17

SIZE = (320, 240)
FPS = 20.0
BODY = np.random.default_rng(3).uniform(-1, 1, (len(COCO17), 2)).astype(np.float32)


def _track(
    half: float = 40, x: float = 160, speed: float = 0, frames: int = 40, clip: int = 40,
    confidence: float = 0.9,
) -> PersonTrack:  # fmt: skip
    """A stiff body whose middle stands at x and moves `speed` pixels a second to and fro."""
    times = np.arange(frames) / FPS
    away = speed * np.abs((times % 1.0) - 0.5)
    joints = BODY * np.float32([half * 0.4, half]) + np.float32([x, 120])
    joints = joints[None] + np.stack([away, 0 * away], 1)[:, None]
    sure = np.full((frames, len(COCO17)), confidence, np.float32)
    return PersonTrack(Pose2D("coco17", joints.astype(np.float32), sure, times, SIZE), 0, clip)


class Panned:
    """A camera that moves by a known path; stands in for one that was estimated."""

    def __init__(self, speed: float) -> None:
        self.speed = speed

    def to_first(self, points: np.ndarray, times: np.ndarray) -> np.ndarray:
        away = self.speed * np.abs((times % 1.0) - 0.5)
        return points - np.stack([away, 0 * away], 1)[:, None]


@given(
    st.floats(1, 300), st.floats(-100, 400), st.floats(0, 900), st.integers(1, 40), st.floats(0, 1)
)
@settings(max_examples=60, deadline=None)
def test_all_parts_lie_between_nought_and_one(
    half: float, x: float, speed: float, frames: int, sure: float
) -> None:
    (score,) = score_people([_track(half, x, speed, frames, 40, sure)])
    assert all(0 <= part <= 1 for part in astuple(score))
    product = score.size * score.duration * score.confidence
    assert score.total == pytest.approx(
        product * (1 + score.motion) / 2 * (1 + score.centrality) / 2
    )


@pytest.mark.parametrize(
    ("part", "less", "more"),
    [
        ("size", {"half": 30}, {"half": 60}),
        ("motion", {"speed": 20}, {"speed": 200}),
        ("centrality", {"x": 40}, {"x": 160}),
        ("duration", {"frames": 20}, {"frames": 40}),
        ("confidence", {"confidence": 0.4}, {"confidence": 0.9}),
    ],
)
def test_more_of_a_part_is_a_higher_score(part: str, less: dict, more: dict) -> None:
    low, high = score_people([_track(**less), _track(**more)])
    assert getattr(low, part) < getattr(high, part)
    assert low.total < high.total


def test_the_one_who_moves_outscores_a_nearer_bystander() -> None:
    performer, bystander = score_people([_track(35, speed=300), _track(45, x=60)])
    assert performer.total > bystander.total


def test_motion_is_known_and_the_camera_is_taken_out_of_it() -> None:
    track = _track(40, speed=120)
    body = float(np.ptp(BODY[:, 1]) * 40)
    (moving,) = score_people([track])
    speed = moving.motion * HALF_SPEED / (1 - moving.motion)
    assert speed == pytest.approx(120 / body, rel=0.25)  # the turning points are slower
    (still,) = score_people([track], Panned(120))
    assert still.motion == pytest.approx(0, abs=1e-3)
    assert replace(still, motion=0, total=0) == replace(moving, motion=0, total=0)


def test_somebody_never_seen_scores_nought() -> None:
    (score,) = score_people([_track(confidence=0.0)])
    assert set(astuple(score)) == {0.0}
    assert score_people([]) == []
