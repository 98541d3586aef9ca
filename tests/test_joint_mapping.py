"""Detector joints to the 22: what the rules promise, and how far they are off on known bodies."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from truth_clips import TruthClip, all_truth_clips

from pipeline.carriers import Pose2D
from pipeline.joint_mapping import CONFIDENCE_THRESHOLD, RULES, MappedPose, map_joints
from pipeline.pose.joint_sets import JOINT_SETS
from pipeline.skeletons import HUMANML3D
from pipeline.views import azimuth_rotation

NAMES = HUMANML3D.joint_names
FEET = ("left_foot", "right_foot")
MASKED = {"coco17": set(FEET), "mediapipe33": set(), "halpe26": set()}
"""Joints that a set cannot know, and that are documented as masked."""

LIMBS = [NAMES.index(f"{side}_{part}") for side in ("left", "right")
         for part in ("hip", "knee", "ankle", "shoulder", "elbow", "wrist")]  # fmt: skip
LIMB_BOUND_CM = 4.0
"""Measured on the samples: wrists 0.6, knees 1.6, hips 1.1, shoulders 3.1 on average, at most 3.6.
What is left is a matter of definition: the detector's shoulder lies on the body's surface."""
ANY_BOUND_CM = 6.5
"""Collars are the worst, 6.2 at most: bodies differ in how far they sit from the shoulders."""


def pose_of(joint_set: str, joints: np.ndarray, confidence: float = 1.0) -> Pose2D:
    frames, count = joints.shape[:2]
    sure = np.full((frames, count), confidence, np.float32)
    return Pose2D(joint_set, joints.astype(np.float32), sure, np.arange(frames) / 25.0, (320, 240))


def mapped(pose: Pose2D, **options: float) -> MappedPose:
    return map_joints(pose, JOINT_SETS[pose.joint_set].joints, **options)


def any_pose(joint_set: str, seed: int, frames: int = 3) -> Pose2D:
    rng = np.random.default_rng(seed)
    return pose_of(joint_set, rng.uniform(10, 200, (frames, len(JOINT_SETS[joint_set]), 2)))


def doubted(pose: Pose2D, joint: str, confidence: float) -> Pose2D:
    """The same pose with one joint's confidence changed in all frames."""
    sure = pose.confidence.copy()
    sure[:, JOINT_SETS[pose.joint_set].index(joint)] = confidence
    return Pose2D(pose.joint_set, pose.joints, sure, pose.times, pose.frame_size)


def test_every_rule_is_an_affine_sum_of_joints_that_the_set_has() -> None:
    for joint_set, rules in RULES.items():
        for name, alternatives in rules.items():
            for rule in alternatives:
                assert sum(rule.values()) == pytest.approx(1.0), (joint_set, name)
                assert set(rule) <= set(JOINT_SETS[joint_set].joints), (joint_set, name)


def test_every_joint_set_has_rules_and_every_joint_a_rule_or_a_documented_mask() -> None:
    assert set(RULES) == set(JOINT_SETS) == set(MASKED)
    for joint_set, rules in RULES.items():
        assert set(NAMES) - set(rules) == MASKED[joint_set]
        seen = mapped(any_pose(joint_set, 0)).seen
        unknown = {name for name, known in zip(NAMES, seen.all(axis=0), strict=True) if not known}
        assert unknown == MASKED[joint_set]


@given(seed=st.integers(0, 1000), azimuth=st.floats(0, 360), joint_set=st.sampled_from([*RULES]))
@settings(max_examples=40, deadline=None)
def test_mapping_commutes_with_projection(seed: int, azimuth: float, joint_set: str) -> None:
    """Mapping in 3D (two coordinates at a time) and then projecting is projecting, then mapping."""
    body = np.random.default_rng(seed).normal(0, 1, (2, len(JOINT_SETS[joint_set]), 3))
    turn = azimuth_rotation(azimuth)
    xy = mapped(pose_of(joint_set, body[..., [0, 1]])).joints
    zz = mapped(pose_of(joint_set, body[..., [2, 2]])).joints
    first_mapped = np.concatenate([xy, zz[..., :1]], axis=-1) @ turn.T
    first_projected = mapped(pose_of(joint_set, (body @ turn.T)[..., :2])).joints
    np.testing.assert_allclose(first_mapped[..., :2], first_projected, atol=1e-5)


@given(joint=st.sampled_from(JOINT_SETS["mediapipe33"].joints), seed=st.integers(0, 100))
@settings(max_examples=40, deadline=None)
def test_a_doubted_joint_masks_all_that_needs_it_and_moves_nothing_else(
    joint: str, seed: int
) -> None:
    pose = any_pose("mediapipe33", seed)
    before = mapped(pose)
    after = mapped(doubted(pose, joint, CONFIDENCE_THRESHOLD / 2))
    rules = RULES["mediapipe33"]
    for index, name in enumerate(NAMES):
        usable = [rule for rule in rules[name] if joint not in rule]
        assert after.seen[:, index].all() == bool(usable), name
        if not usable:
            assert np.isnan(after.joints[:, index]).all()
            assert not after.confidence[:, index].any()
        elif joint not in rules[name][0]:
            np.testing.assert_array_equal(after.joints[:, index], before.joints[:, index])


def test_a_detected_joint_without_a_position_is_not_a_sighting() -> None:
    pose = any_pose("coco17", 1)
    joints = pose.joints.copy()
    joints[1, JOINT_SETS["coco17"].index("left_wrist")] = np.nan
    result = mapped(Pose2D("coco17", joints, pose.confidence, pose.times, pose.frame_size))
    assert result.seen[:, NAMES.index("left_wrist")].tolist() == [True, False, True]


def test_nothing_is_seen_when_nothing_was_sure_whatever_the_threshold() -> None:
    pose = pose_of("mediapipe33", any_pose("mediapipe33", 2).joints, confidence=0.0)
    assert not mapped(pose, threshold=0.0).seen.any()


def test_confidence_is_that_of_the_least_sure_joint_of_the_rule() -> None:
    result = mapped(doubted(any_pose("coco17", 3), "left_ear", 0.5))
    assert result.confidence[:, NAMES.index("head")] == pytest.approx(0.5)
    assert result.confidence[:, NAMES.index("left_knee")] == pytest.approx(1.0)


def test_the_neck_falls_back_on_the_trunk_when_an_ear_is_missing() -> None:
    standing = all_truth_clips()["JumpingJack"]
    pose = pose_of("coco17", standing.coco17)
    with_ears, without = mapped(pose), mapped(doubted(pose, "right_ear", 0.0))
    neck = NAMES.index("neck")
    assert without.seen[:, neck].all()
    assert not without.seen[:, NAMES.index("head")].any()
    apart = np.linalg.norm(with_ears.joints[:, neck] - without.joints[:, neck], axis=-1)
    assert apart.max() > 0
    assert (apart / standing.px_per_metre[:, neck]).max() < 0.1  # metres


def test_pixel_aspect_stretches_x_alone() -> None:
    pose = any_pose("halpe26", 4)
    square, wide = mapped(pose), mapped(pose, pixel_aspect=4 / 3)
    np.testing.assert_allclose(wide.joints[..., 0], square.joints[..., 0] * 4 / 3)
    np.testing.assert_array_equal(wide.joints[..., 1], square.joints[..., 1])


def test_a_joint_set_without_rules_is_refused_by_name() -> None:
    pose = pose_of("openpose18", np.zeros((2, 18, 2)))
    with pytest.raises(ValueError, match=r"openpose18.*coco17"):
        map_joints(pose, tuple(f"j{i}" for i in range(18)))


@pytest.mark.parametrize("clip", all_truth_clips().values(), ids=lambda clip: clip.action)
def test_mapped_joints_lie_where_the_rendered_body_has_them(clip: TruthClip) -> None:
    result = mapped(pose_of("coco17", clip.coco17))
    off_cm = 100 * np.linalg.norm(result.joints - clip.joints2d, axis=-1) / clip.px_per_metre
    known = result.seen.all(axis=0)
    assert {name for name, k in zip(NAMES, known, strict=True) if not k} == set(FEET)
    by_joint = dict(zip(np.array(NAMES)[known], off_cm[:, known].mean(axis=0), strict=True))
    assert off_cm[:, LIMBS].mean(axis=0).max() < LIMB_BOUND_CM, by_joint
    assert off_cm[:, known].max() < ANY_BOUND_CM, by_joint
