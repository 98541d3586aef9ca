"""Everybody with BlazePose's weights: its own joints to the bit, several people, no state kept."""

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from importlib.machinery import ModuleSpec
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flows.options import PoseOptions
from flows.recipe import estimator_for
from pipeline.carriers import FrameBatch
from pipeline.person_outline import outline_boxes
from pipeline.pose import FramePersons, PeopleSettings, PersonTrack, PoseSetupError, make_estimator
from pipeline.pose.led_boxes import boxes_led_on
from pipeline.pose.movenet import weights_sha
from pipeline.pose.packaged import PackagedEstimator
from pipeline.pose.people import PackagedPeopleEstimator
from pipeline.pose.people_search import tiles
from pipeline.pose.settings import DETECTORS
from pipeline.reasons import PipelineError, Reason

FEW = 8
BLAZEPOSE = PeopleSettings(detector="blazepose")
ALONE = replace(BLAZEPOSE, tile_zooms=(), min_detection_confidence=0.5)


@pytest.fixture(scope="module")
def jack(samples: Path) -> np.ndarray:
    return _frames(samples, "JumpingJack")


def _frames(samples: Path, name: str) -> np.ndarray:
    video = cv2.VideoCapture(str(next(samples.glob(f"{name}/*.avi"))))
    return np.stack([cv2.cvtColor(video.read()[1], cv2.COLOR_BGR2RGB) for _ in range(FEW)])


def _estimate(
    frames: np.ndarray, estimator: PackagedPeopleEstimator | PackagedEstimator, size: int = 3
) -> list[PersonTrack]:
    def batches() -> Iterator[FrameBatch]:
        for i in range(0, len(frames), size):
            yield FrameBatch(np.arange(i, min(i + size, len(frames))) / 25, frames[i : i + size])

    return estimator.estimate(batches(), (frames.shape[2], frames.shape[1]))


def test_one_person_is_the_one_person_estimators_to_the_bit(jack: np.ndarray) -> None:
    (one,) = _estimate(jack, PackagedEstimator())
    (same,) = _estimate(jack, PackagedPeopleEstimator(ALONE))
    np.testing.assert_array_equal(same.pose.joints, one.pose.joints)
    np.testing.assert_array_equal(same.pose.confidence, one.pose.confidence)
    assert same.world is not None
    assert one.world is not None
    np.testing.assert_array_equal(same.world, one.world)


@pytest.mark.parametrize("detector", DETECTORS)
def test_two_people_side_by_side_are_two_tracks_in_their_places(
    jack: np.ndarray, samples: Path, detector: str
) -> None:
    both = np.concatenate([jack, _frames(samples, "SitDown")], axis=2)
    estimator = PackagedPeopleEstimator(PeopleSettings(detector=detector))
    tracks = _estimate(both, estimator)
    whole = [t for t in tracks if t.seen.all() and len(t.seen) == FEW]
    assert len(whole) == 2
    left, right = (np.nanmean(t.pose.joints[..., 0]) for t in whole)
    assert left < 320 < right
    again = _estimate(both, estimator, size=1)
    assert len(again) == len(tracks)
    for a, b in zip(again, tracks, strict=True):
        np.testing.assert_array_equal(a.pose.joints, b.pose.joints)


def test_nobody_gives_no_track() -> None:
    noise = np.random.default_rng(0).integers(0, 255, (3, 120, 160, 3), np.uint8)
    assert _estimate(noise, PackagedPeopleEstimator()) == []
    assert PackagedPeopleEstimator().estimate([], (160, 120)) == []


def test_standard_error_stays_silent(samples: Path) -> None:
    code = """
import sys, cv2, numpy as np
from pipeline.carriers import FrameBatch
from pipeline.pose import make_estimator
frames = [cv2.cvtColor(cv2.VideoCapture(sys.argv[1]).read()[1], cv2.COLOR_BGR2RGB)] * 3
batch = FrameBatch(np.arange(3) / 25, np.stack(frames))
for _ in range(2):
    print(len(make_estimator("packaged", people="all").estimate([batch], (320, 240))))
"""
    clip = next(samples.glob("JumpingJack/*.avi"))
    done = subprocess.run(
        [sys.executable, "-c", code, str(clip)], capture_output=True, text=True, check=True
    )
    assert done.stdout == "1\n1\n"
    assert done.stderr == ""


def test_a_failing_graph_is_a_reason(jack: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    from mediapipe.python.solution_base import SolutionBase

    def fail(*_: object) -> None:
        raise RuntimeError("CalculatorGraph::Run() failed:\ndetails")

    monkeypatch.setattr(SolutionBase, "process", fail)
    with pytest.raises(PipelineError, match="MediaPipe failed: CalculatorGraph") as caught:
        _estimate(jack, PackagedPeopleEstimator())
    assert caught.value.reason is Reason.POSE_ERROR
    assert "\n" not in caught.value.detail


def test_ids_name_what_changes_results(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    one, everybody = make_estimator("packaged"), make_estimator("packaged", people="all")
    assert f":movenet-{weights_sha()}+blazepose-full-people:" in everybody.estimator_id
    before = PackagedPeopleEstimator(BLAZEPOSE)
    assert ":blazepose-full-people:" in before.estimator_id
    assert not {"detector", "movenet_score", "movenet_tracking", "lost_every"} & set(
        BLAZEPOSE.told()
    )  # ids from before MoveNet hold
    assert one.estimator_id.split(":")[-1] == everybody.estimator_id.split(":")[-1]
    other = PackagedPeopleEstimator(replace(PeopleSettings(), detect_every=2))
    assert other.estimator_id != everybody.estimator_id
    spec = ModuleSpec("mediapipe", None, is_package=True)
    spec.submodule_search_locations = [str(tmp_path)]
    monkeypatch.setattr("pipeline.pose.packaged.util.find_spec", lambda _: spec)
    with pytest.raises(PoseSetupError, match=r"carries no pose_detection.tflite"):
        make_estimator("packaged", people="all")


def test_what_cannot_be_asked_for_is_one_sentence() -> None:
    with pytest.raises(PoseSetupError, match="people is one or all, not 'two'"):
        make_estimator("packaged", people="two")
    old = PoseOptions(people_detector="blazepose")
    with pytest.raises(PoseSetupError, match="--people-detector goes with --people all"):
        estimator_for(old, "one")
    with pytest.raises(PoseSetupError, match="--people-detector is the packaged estimator's"):
        estimator_for(replace(old, backend="mmpose"), "all")
    assert estimator_for(old, "all").estimator_id == PackagedPeopleEstimator(BLAZEPOSE).estimator_id
    with pytest.raises(ValueError, match="detect_every must be 1 or more, got 0"):
        PeopleSettings(detect_every=0)
    with pytest.raises(ValueError, match="detector is movenet or blazepose, not 'yolo'"):
        PeopleSettings(detector="yolo")


@given(st.integers(16, 2000), st.integers(16, 2000), st.integers(1, 4))
@settings(max_examples=60, deadline=None)
def test_tiles_cover_the_picture_and_overlap_by_half(width: int, height: int, zoom: int) -> None:
    for axis, length in (("x", width), ("y", height)):
        all_tiles = tiles((width, height), zoom)
        starts = sorted({getattr(t, axis) for t in all_tiles})
        side = getattr(all_tiles[0], {"x": "width", "y": "height"}[axis])
        assert starts[0] == 0
        assert starts[-1] + side == length
        assert all(b - a <= side / 2 + 1 for a, b in pairwise(starts))


def test_an_outline_holds_the_joints_and_the_head() -> None:
    joints = np.random.default_rng(0).uniform(50, 150, (1, 17, 2)).astype(np.float32)
    joints[0, [3, 4], 1], joints[0, [5, 6], 1] = 40, 60  # ears above shoulders
    box = outline_boxes(joints, np.ones((1, 17), np.float32), "coco17")[0]
    assert (box[:2] < joints[0].min(axis=0)).all()
    assert (box[2:] > joints[0].max(axis=0)).all()
    assert box[1] < 40 - 0.65 * 20
    assert np.isnan(outline_boxes(joints, np.zeros((1, 17), np.float32), "coco17")).all()


def test_led_boxes_stay_in_the_picture_and_drop_the_lost_and_doubled() -> None:
    body = np.random.default_rng(0).uniform(-1, 1, (17, 2)) * [20, 60]
    places = np.float32([[60, 100], [61, 100], [250, 100], [160, 100]])
    joints = body + places[:, None]
    sure = np.repeat(np.float32([0.9, 0.7, 0.8, 0.05])[:, None], 17, axis=1)
    boxes = boxes_led_on(FramePersons(joints.astype(np.float32), sure), "coco17", (320, 150))
    assert boxes.shape == (2, 4)
    assert (boxes >= 0).all()
    assert (boxes[:, 3] <= 150).all()
    assert boxes[0, 0] < 60 < boxes[0, 2]
    assert boxes[1, 0] < 250 < boxes[1, 2]
    nobody = FramePersons(np.zeros((0, 17, 2), np.float32), np.zeros((0, 17), np.float32))
    assert boxes_led_on(nobody, "coco17", (320, 150)).shape == (0, 4)
