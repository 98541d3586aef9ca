"""Linking and choosing, on synthetic persons whose true identity is known."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.carriers import Pose2D
from pipeline.pose import FramePersons, LinkSettings, PersonTrack
from pipeline.pose.joint_sets import COCO17
from pipeline.reasons import PipelineError, Reason
from pipeline.tracking import (
    box_iou,
    choose_person,
    keypoint_similarity,
    link_persons,
    person_boxes,
)

SIZE = (640, 480)
FPS = 25.0
J = len(COCO17)
BODY = np.random.default_rng(0).uniform(-1, 1, (J, 2)).astype(np.float32)
"""One body's joints around its centre, in half-heights."""


def _person(x: float, y: float = 240, half: float = 60, confidence: float = 0.9) -> tuple:
    joints = BODY * np.float32([half * 0.4, half]) + np.float32([x, y])
    return joints, np.full(J, confidence, np.float32)


def _frame(people: list[tuple]) -> FramePersons:
    joints = np.array([p[0] for p in people], np.float32).reshape(-1, J, 2)
    return FramePersons(joints, np.array([p[1] for p in people], np.float32).reshape(-1, J))


def _link(frames: list[FramePersons], **options: float) -> list[PersonTrack]:
    times = np.arange(len(frames)) / FPS
    return link_persons(frames, times, "coco17", SIZE, LinkSettings(**options))


def _track(half: float, frames: int = 10, clip: int = 10, confidence: float = 0.9) -> PersonTrack:
    joints, sure = _person(300, half=half, confidence=confidence)
    pose = Pose2D(
        "coco17",
        np.repeat(joints[None], frames, 0),
        np.repeat(sure[None], frames, 0),
        np.arange(frames) / FPS,
        SIZE,
    )
    return PersonTrack(pose, 0, clip)


@st.composite
def walkers(draw: st.DrawFn) -> tuple[list[list[int]], np.ndarray]:
    """Who is seen in each frame (in listed order), and where everybody is: (T, P) x positions."""
    people = draw(st.integers(1, 3))
    count = draw(st.integers(2, 25))
    steps = draw(st.lists(st.floats(-4, 4), min_size=count * people, max_size=count * people))
    paths = np.cumsum(np.reshape(steps, (count, people)), axis=0)
    paths = np.clip(paths, -60, 60) + 110 + 200 * np.arange(people)  # never within 80 px
    present = [
        draw(st.permutations([p for p in range(people) if draw(st.integers(0, 9)) > 0]))
        for _ in range(count)
    ]
    return present, paths


@given(walkers())
@settings(max_examples=60, deadline=None)
def test_separate_walkers_are_recovered_whatever_their_order(case: tuple) -> None:
    present, paths = case
    frames = [_frame([_person(paths[t, p]) for p in who]) for t, who in enumerate(present)]
    tracks = _link(frames, max_gap_s=10.0)
    seen = sorted({p for who in present for p in who})
    assert len(tracks) == len(seen)
    recovered = set()
    for track in tracks:
        centres = np.nanmean(track.pose.joints[track.seen], axis=(1, 2))
        rows = track.first_frame + np.flatnonzero(track.seen)
        owners = [
            p
            for p in seen
            if np.allclose(centres, [np.mean(_person(paths[t, p])[0]) for t in rows], atol=1e-2)
            and list(rows) == [t for t, who in enumerate(present) if p in who]
        ]
        assert len(owners) == 1, "a track mixes persons or misses frames"
        recovered.add(owners[0])
        assert track.pose.times[0] == pytest.approx(track.first_frame / FPS)
        assert track.seen[0]
        assert track.seen[-1]
        assert track.clip_frames == len(frames)
    assert recovered == set(seen)


@given(st.integers(1, 30), st.floats(0.05, 1.0))
@settings(max_examples=40, deadline=None)
def test_a_gap_is_bridged_exactly_up_to_its_limit(lost: int, limit: float) -> None:
    frames = [_frame([_person(200)])] * 3 + [_frame([])] * lost + [_frame([_person(200)])] * 3
    tracks = _link(frames, max_gap_s=limit)
    times = np.arange(len(frames)) / FPS
    if times[lost + 3] - times[2] <= limit:
        assert [t.first_frame for t in tracks] == [0]
        gap = tracks[0].pose
        assert np.isnan(gap.joints[3 : 3 + lost]).all()
        assert not gap.confidence[3 : 3 + lost].any()
        assert tracks[0].coverage == pytest.approx(6 / len(frames))
    else:
        assert [t.first_frame for t in tracks] == [0, 3 + lost]


def test_a_jump_to_somebody_else_starts_a_new_track() -> None:
    frames = [_frame([_person(100)])] * 5 + [_frame([_person(500)])] * 5
    assert [(t.first_frame, len(t.seen)) for t in _link(frames)] == [(0, 5), (5, 5)]


def test_crossing_persons_keep_their_identity() -> None:
    ways = np.linspace(100, 500, 60)
    frames = []
    for x in ways:
        left, right = _person(x, half=90), _person(600 - x, half=60)
        frames.append(_frame([right, left] if int(x) % 2 else [left, right]))
    tracks = _link(frames)
    assert len(tracks) == 2
    heights = [np.ptp(t.pose.joints[..., 1], axis=1) for t in tracks]
    assert sorted(float(h.mean()) for h in heights) == pytest.approx(
        sorted(np.ptp(_person(0, half=h)[0][:, 1]) for h in (60, 90)), rel=1e-3
    )
    assert all(np.ptp(h) < 1e-3 for h in heights)


def test_world_joints_travel_with_their_person() -> None:
    joints, sure = _person(200)
    frames = [
        FramePersons(joints[None], sure[None], np.full((1, J, 3), t, np.float32)) for t in range(4)
    ]
    frames[2] = _frame([])
    track = _link(frames)[0]
    assert track.world is not None
    assert track.world[:, 0, 0].tolist()[:2] == [0, 1]
    assert np.isnan(track.world[2]).all()


def test_a_person_wholly_outside_the_picture_is_nobody() -> None:
    joints, sure = _person(200)
    assert _link([FramePersons(joints[None], 0 * sure[None])] * 3) == []


@given(st.integers(0, 5), st.integers(0, 5), st.integers(0, 2**31))
@settings(max_examples=50, deadline=None)
def test_similarities_are_bounded_and_one_for_equals(m: int, n: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    people = [_person(*rng.uniform(0, 480, 2), half=rng.uniform(1, 200)) for _ in range(m + n)]
    a, b = _frame(people[:m]), _frame(people[m:])
    boxes = person_boxes(a.joints, a.confidence)
    areas = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1).astype(np.float64)
    for got in (
        box_iou(boxes, person_boxes(b.joints, b.confidence)),
        keypoint_similarity(a, b, areas, COCO17.oks_sigmas),
    ):
        assert got.shape == (m, n)
        assert ((got >= 0) & (got <= 1)).all()
    assert np.allclose(np.diag(box_iou(boxes, boxes)), 1)
    assert np.allclose(np.diag(keypoint_similarity(a, a, areas, COCO17.oks_sigmas)), 1)


def test_iou_of_known_boxes() -> None:
    a = np.float32([[0, 0, 10, 10], [np.nan] * 4])
    b = np.float32([[5, 0, 15, 10], [20, 20, 30, 30]])
    assert box_iou(a, b) == pytest.approx(np.array([[1 / 3, 0], [0, 0]]))


def test_the_largest_well_tracked_person_is_chosen() -> None:
    small, large, brief = _track(40), _track(80), _track(150, frames=2)
    choice = choose_person([small, large, brief])
    assert choice.index == 1
    size = np.ptp(_person(0, half=80)[0][:, 1]) / 640
    assert choice.score == pytest.approx(size * 1.0 * 0.9, rel=1e-5)
    assert "track 2 of 3" in choice.why
    assert "100% of frames" in choice.why


@given(st.lists(st.tuples(st.floats(5, 200), st.integers(1, 10), st.floats(0.1, 1)), min_size=1))
@settings(max_examples=40, deadline=None)
def test_the_choice_has_the_best_score_and_order_does_not_matter(specs: list[tuple]) -> None:
    tracks = [_track(half, frames, 10, sure) for half, frames, sure in specs]
    choice = choose_person(tracks)
    assert 0 < choice.score <= 1
    assert all(choose_person([t]).score <= choice.score for t in tracks)
    turned = choose_person(tracks[::-1])
    assert turned.score == choice.score


def test_nobody_to_choose_is_a_reason() -> None:
    with pytest.raises(PipelineError) as caught:
        choose_person([])
    assert caught.value.reason is Reason.NO_PERSON
