"""The people detector: what it finds, how its maps are read, where it seats BlazePose's readers."""

import math
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.pose import PeopleSettings, PoseSetupError, make_estimator, movenet
from pipeline.pose.blazepose_graphs import JointReader
from pipeline.pose.joint_sets import COCO17
from pipeline.pose.movenet import Detection, MoveNet
from pipeline.pose.packaged import MODEL_COMPLEXITY
from pipeline.pose.people_movenet import MoveNetScene
from pipeline.pose.people_scene import Lost, Person
from pipeline.pose.seats import AS_COCO, seat_of, turned_between
from tests.truth_clips import all_truth_clips

SIZE = (240, 320)
LIMBS = slice(5, 17)


@pytest.fixture(scope="module")
def network() -> MoveNet:
    return MoveNet(0.1)


@pytest.fixture(scope="module")
def jack() -> np.ndarray:
    video = cv2.VideoCapture(str(all_truth_clips()["JumpingJack"].video))
    return cv2.cvtColor(video.read()[1], cv2.COLOR_BGR2RGB)


def _truth() -> np.ndarray:
    return all_truth_clips()["JumpingJack"].coco17[0]


def test_somebody_is_found_where_they_are_whatever_the_pictures_size(
    network: MoveNet, jack: np.ndarray
) -> None:
    (person,) = network.find(jack)
    assert person.score > 0.3
    assert np.linalg.norm(person.joints - _truth(), axis=1)[LIMBS].mean() < 5
    low, high = _truth()[LIMBS].min(axis=0), _truth()[LIMBS].max(axis=0)
    assert (person.box[:2] < low + 6).all()
    assert (person.box[2:] > high - 6).all()
    (large,) = network.find(cv2.resize(jack, None, fx=2.5, fy=2.5))
    np.testing.assert_allclose(large.joints[LIMBS] / 2.5, person.joints[LIMBS], atol=4)
    (again,) = network.find(jack)
    np.testing.assert_array_equal(again.joints, person.joints)


def test_people_side_by_side_are_found_apart_and_nobody_in_noise(
    network: MoveNet, jack: np.ndarray
) -> None:
    found = network.find(np.concatenate([jack, jack[:, ::-1], jack], axis=1))
    middles = sorted(float(d.box[[0, 2]].mean()) for d in found if d.score > 0.2)
    assert len(middles) == 3
    assert all(320 * i < middle < 320 * (i + 1) for i, middle in enumerate(middles))
    noise = np.random.default_rng(0).integers(0, 255, (*SIZE, 3), np.uint8)
    assert network.find(noise) == []


@given(st.integers(3, 40), st.integers(3, 50), st.floats(4, 20), st.floats(4, 20))
@settings(max_examples=25, deadline=None)
def test_maps_are_read_as_they_were_made(row: int, column: int, tall: float, wide: float) -> None:
    maps = {
        name: np.full((channels, 48, 64), -20.0, np.float32)
        for name, channels in (("center", 1), ("joint_heat", 17))
    }
    maps |= {
        name: np.zeros((channels, 48, 64), np.float32)
        for name, channels in (
            ("box_scale", 2),
            ("box_offset", 2),
            ("joint_regress", 34),
            ("joint_offset", 34),
        )
    }
    maps["center"][0, row, column] = 20
    maps["box_scale"][:, row, column] = tall, wide
    maps["box_offset"][:, row, column] = 0.25, 0.5
    maps["joint_heat"][:, row + 1, column + 1] = 20
    maps["joint_offset"][:, row + 1, column + 1] = np.tile([0.1, 0.2], 17)
    person = movenet._read_maps(maps, 0.8)[0]
    middle = np.array([column + 0.5, row + 0.25])
    half = np.array([wide, tall]) / 2
    box = np.concatenate([middle - half, middle + half])
    np.testing.assert_allclose(person.box, np.clip(box, 0, [64, 48, 64, 48]) * 5, rtol=1e-5)
    np.testing.assert_allclose(person.joints, np.tile([column + 1.2, row + 1.1], (17, 1)) * 5)
    assert person.score == pytest.approx(person.confidence.mean(), rel=1e-4)


@given(st.floats(-math.pi, math.pi), st.floats(-50, 50), st.floats(0.5, 3))
@settings(max_examples=25, deadline=None)
def test_a_seat_turns_moves_and_grows_with_the_body(turn: float, move: float, grow: float) -> None:
    person = _standing()
    rotation = np.array([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]])
    joints = ((person.joints @ rotation.T) * grow + move).astype(np.float32)
    turned, upright = seat_of(replace(person, joints=joints)), seat_of(person)
    assert upright.rotation == pytest.approx(0, abs=1e-3)
    assert turned_between(turned, upright) == pytest.approx(abs(turn), abs=1e-3)
    hips = joints[[COCO17.index("left_hip"), COCO17.index("right_hip")]].mean(axis=0)
    assert (turned.x, turned.y) == pytest.approx(tuple(hips), abs=1e-3)
    larger = replace(person, joints=person.joints * 2, box=person.box * 2)
    assert seat_of(larger).width == pytest.approx(2 * upright.width)


def test_who_is_read_upside_down_is_put_right_at_the_next_look(jack: np.ndarray) -> None:
    size = (jack.shape[1], jack.shape[0])
    scene = MoveNetScene(PeopleSettings(), size, JointReader(0.5, MODEL_COMPLEXITY))
    try:
        scene.take(jack)
        (person,) = scene.people
        astray = replace(person.roi, rotation=person.roi.rotation + math.pi)
        reading = scene.reader.read(jack, astray)
        assert reading is not None
        wrong = np.linalg.norm(reading.joints[AS_COCO] - _truth(), axis=1)[LIMBS].mean()
        scene.people = [Person(astray, person.follower, reading)]
        scene.frame = PeopleSettings().detect_every  # a look is due
        (joints,) = scene.take(jack).joints
        right = np.linalg.norm(joints[AS_COCO] - _truth(), axis=1)[LIMBS].mean()
        assert right < 5 < wrong
    finally:
        scene.close()


@pytest.mark.parametrize(("times", "found"), [(1.0, 1), (2.0, 0)])
def test_the_only_one_is_sought_closely_when_lost_and_must_be_of_their_size(
    network: MoveNet, jack: np.ndarray, times: float, found: int
) -> None:
    """Regression: who was alone was sought in the whole picture only, where small people hide."""
    small = cv2.resize(jack, None, fx=0.56, fy=0.56)
    room = np.full((960, 1280, 3), 128, np.uint8)
    room[300 : 300 + len(small), 500 : 500 + small.shape[1]] = small
    (close_by,) = network.find(small)
    seat = seat_of(close_by)
    lost = replace(
        seat, x=seat.x + 500, y=seat.y + 300, width=times * seat.width, height=times * seat.height
    )
    only_sure = PeopleSettings(movenet_score=0.3)
    assert max(person.score for person in network.find(room)) < only_sure.movenet_score
    scene = MoveNetScene(only_sure, (1280, 960), JointReader(0.5, MODEL_COMPLEXITY))
    try:
        scene.lost = [Lost(lost, frames_left=5)]
        assert len(scene.take(room).joints) == found
        scene.lost, scene.people = [], []
        assert len(scene.take(room).joints) == 0, "not where nobody was lost"
    finally:
        scene.close()


def test_weights_that_are_missing_or_broken_are_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "network.onnx"
    monkeypatch.setattr(movenet, "WEIGHTS", broken)
    with pytest.raises(PoseSetupError, match=r"weights network.onnx are missing: install"):
        make_estimator("packaged", people="all")
    broken.write_bytes(movenet.__doc__.encode() if movenet.__doc__ else b"")
    with pytest.raises(PoseSetupError, match=r"network.onnx is no ONNX network that OpenCV"):
        MoveNet(0.1)


def _standing() -> Detection:
    joints = np.zeros((17, 2), np.float32)
    for name, place in {"shoulder": (6, -50), "hip": (4, 0), "knee": (4, 40)}.items():
        joints[COCO17.index(f"left_{name}")] = place
        joints[COCO17.index(f"right_{name}")] = -place[0], place[1]
    box = np.array([-20, -80, 20, 80], np.float32)
    return Detection(box, joints, np.ones(17, np.float32), 0.9)
