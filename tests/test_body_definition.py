"""Detector joints where a body has them: fixed weights, the same anywhere, on either side, told."""

from dataclasses import replace

import numpy as np
import pytest

from flows.label_warnings import label_warnings
from flows.options import IngestOptions, PoseOptions
from models.checkpoint_id import SHIPPED
from models.lifting.calibration_file import way_of_labels
from models.lifting.label_config import LabelConfig, config_of
from models.lifting.label_wish import LabelWish
from models.lifting.labelling import label_people
from models.lifting.observing import ObservedClip, Person
from pipeline.body_definition import (
    MEASURED,
    MEDIAPIPE33,
    weights_of,
    where_measured,
    with_body_joints,
)
from pipeline.carriers import Pose2D
from pipeline.pose.joint_sets import JOINT_SETS
from pipeline.pose.protocol import PersonTrack
from pipeline.tracking import Choice

NAMES = JOINT_SETS["mediapipe33"].joints
FRAMES = 60
PLAIN, BODY = LabelConfig(), LabelConfig(body_joints=True)


def at(name: str) -> int:
    return NAMES.index(name)


def standing(joint_set="mediapipe33", world=True) -> PersonTrack:
    """Somebody who stands and waves a little, 400 pixels tall."""
    names = JOINT_SETS[joint_set].joints
    high = {"ear": 160, "shoulder": 100, "elbow": 40, "wrist": -10, "hip": -20, "knee": -120}
    high |= {"ankle": -210, "heel": -225, "foot_index": -230, "nose": 160}
    wide = {"shoulder": 40, "elbow": 55, "wrist": 60, "hip": 25, "knee": 25, "ankle": 25}
    joints = np.zeros((FRAMES, len(names), 2), np.float32)
    for i, name in enumerate(names):
        side, _, part = name.partition("_")
        sign = {"left": 1.0, "right": -1.0}.get(side, 0.0)
        across = sign * wide.get(part, 20)
        joints[:, i] = (320 + across, 240 - high.get(part or name, 150))
    joints += np.sin(np.arange(FRAMES) / 9.0)[:, None, None] * 3.0
    sure = np.full(joints.shape[:2], 0.9, np.float32)
    pose = Pose2D(joint_set, joints, sure, np.arange(FRAMES) / 20.0, (640, 480))
    places = np.concatenate([joints, joints[..., :1] * 0.1], axis=-1) / 250.0
    return PersonTrack(pose, 0, FRAMES, places.astype(np.float32) if world else None)


def test_weights_add_up_to_one_and_are_the_same_on_both_sides():
    weights = weights_of(MEDIAPIPE33, NAMES)
    np.testing.assert_allclose(weights.sum(axis=1), 1.0, atol=1e-9)
    other = [
        at(n.replace("left_", "?").replace("right_", "left_").replace("?", "right_"))
        if n.startswith(("left_", "right_"))
        else at(n)
        for n in NAMES
    ]
    untouched = [i for i in range(len(NAMES)) if weights[i, i] == 1.0]
    np.testing.assert_allclose(weights[other][:, other], weights, atol=1e-12)
    assert {at("nose"), at("left_ear"), at("mouth_left")} <= set(untouched)


def test_hips_go_up_shoulders_down_ankles_down_and_feet_along():
    track = standing()
    before, after = track.pose.joints, with_body_joints(track).pose.joints
    moved = (after - before)[0]
    trunk = before[0, at("left_hip"), 1] - before[0, at("left_shoulder"), 1]
    assert moved[at("left_hip"), 1] == pytest.approx(-0.022 * trunk, rel=0.05), "up"
    assert moved[at("left_shoulder"), 1] == pytest.approx(0.063 * trunk, rel=0.05), "down"
    assert moved[at("left_hip"), 0] == pytest.approx(-moved[at("right_hip"), 0], abs=1e-3)
    assert moved[at("left_ankle"), 1] > 3.0
    for part in ("heel", "foot_index"):
        np.testing.assert_allclose(moved[at(f"left_{part}")], moved[at("left_ankle")], atol=1e-4)
    assert not moved[[at("nose"), at("left_ear")]].any()


def test_it_holds_wherever_a_person_stands_and_in_3d():
    track = standing()
    turn = np.array([[0.6, -0.8], [0.8, 0.6]], np.float32)
    elsewhere = (track.pose.joints @ turn.T) * 0.5 + np.float32([100, -30])
    there = with_body_joints(replace(track, pose=replace(track.pose, joints=elsewhere)))
    here = with_body_joints(track)
    same = (here.pose.joints @ turn.T) * 0.5 + [100, -30]
    np.testing.assert_allclose(there.pose.joints, same, atol=1e-3)
    np.testing.assert_allclose(here.world[..., :2], here.pose.joints / 250.0, atol=1e-5)
    assert with_body_joints(standing(world=False)).world is None
    assert np.array_equal(here.pose.confidence, track.pose.confidence)


def test_a_joint_without_its_neighbours_stays_and_harms_no_other():
    track = standing()
    joints = track.pose.joints.copy()
    joints[5:9, at("left_knee")] = np.nan
    found = with_body_joints(replace(track, pose=replace(track.pose, joints=joints))).pose.joints
    whole = with_body_joints(track).pose.joints
    assert np.isnan(found[5:9, at("left_knee")]).all()
    np.testing.assert_array_equal(found[5:9, at("left_ankle")], joints[5:9, at("left_ankle")])
    rest = np.ones(found.shape[:2], dtype=np.bool_)
    for part in ("knee", "ankle", "heel", "foot_index"):
        rest[5:9, at(f"left_{part}")] = False
    np.testing.assert_allclose(found[rest], whole[rest], atol=1e-4)


def test_labels_are_of_body_joints_only_where_asked_for():
    track = standing()
    person = Person(0, 0, track, Choice(0, 1.0, "alone"))
    views = []
    for config in (PLAIN, BODY):
        result = label_people(ObservedClip(people=[person]), None, config)
        assert result.people[0].person is person, "what was seen is kept as it was seen"
        views.append(result.motions[0].pixels)
    hips, shoulders = [1, 2], [16, 17]
    lower = (views[1] - views[0])[..., 1]
    assert (lower[:, hips] < -1.0).all()
    assert (lower[:, shoulders] > 4.0).all()


def test_other_joint_sets_are_refused_or_left_alone_and_told(tmp_path):
    track = standing("coco17", world=False)
    with pytest.raises(ValueError, match=r"joints of coco17 .* not measured, only of mediapipe33"):
        with_body_joints(track)
    assert where_measured(track) is track
    pose = PoseOptions("mmpose")
    options = IngestOptions(tmp_path, "d", str(tmp_path), SHIPPED, pose=pose, label=BODY)
    assert any("--body-joints could do nothing" in said for said in label_warnings(options))
    plain = replace(options, label=PLAIN)
    assert not any("body-joints" in said for said in label_warnings(plain))


def test_recipes_name_it_only_when_on_with_its_weights():
    assert "body_joints" not in PLAIN.settings()
    told = BODY.settings()
    assert told["body_joints"] is True
    assert told["body_joint_rules"]["mediapipe33"] == dict(MEASURED["mediapipe33"])
    assert config_of(told) == BODY
    assert LabelWish(None, {"body_joints": "on"}).for_new().body_joints
    # A calibration of labels without it does not speak for labels with it.
    ways = [way_of_labels(config, second_opinion=False) for config in (PLAIN, BODY)]
    assert ways == ["plain", "plain+body-joints"]
