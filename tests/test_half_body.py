"""Hips that nobody saw: where they are put, what is marked, what the network makes of it."""

from dataclasses import replace

import numpy as np
import pytest
from truth_clips import all_truth_clips

from pipeline.carriers import Pose2D
from pipeline.cleaning import clean_pose
from pipeline.cleaning_config import CleaningConfig
from pipeline.feature_masks import feature_mask2d
from pipeline.half_body import (
    TRUNK_JOINTS,
    half_body_scale,
    known_to_network,
    place_hips,
    seen_body,
    visible_part,
)
from pipeline.joint_mapping import map_joints
from pipeline.pixels_to_view import project_run
from pipeline.pose.joint_sets import COCO17
from pipeline.reasons import PipelineError
from pipeline.skeletons import HUMANML3D

NAMES = COCO17.joints
THRESHOLD = 0.7
"""Not exact in 32 bits: a placed joint must reach it all the same."""
HIPS = [NAMES.index("left_hip"), NAMES.index("right_hip")]
LEGS = [i for i, name in enumerate(NAMES) if "knee" in name or "ankle" in name]
CLEANING = CleaningConfig()


def pose_of(action: str = "JumpingJack", *, lost: list[int] | None = None) -> Pose2D:
    """A detector's exact answer; joints that are lost keep their place with confidence 0."""
    joints = all_truth_clips()[action].coco17.astype(np.float32)
    confidence = np.full(joints.shape[:2], 0.9, np.float32)
    confidence[:, lost or []] = 0.0
    return Pose2D("coco17", joints, confidence, np.arange(len(joints)) / 25.0, (320, 240))


def placed(pose: Pose2D):
    return place_hips(pose, NAMES, threshold=THRESHOLD)


def mapped(pose: Pose2D):
    return map_joints(pose, NAMES, threshold=THRESHOLD)


def test_a_body_whose_hips_are_seen_stays_as_it_is() -> None:
    pose = pose_of()
    hips = placed(pose)
    assert hips.pose is pose
    assert not hips.placed.any()
    run = clean_pose(mapped(pose), CLEANING)[0]
    body = seen_body(run, hips, CLEANING.fps)
    np.testing.assert_array_equal(body.seen, run.seen)
    assert body.visible == "full"


def test_a_half_body_becomes_a_run_that_says_what_it_did_not_see() -> None:
    pose = pose_of(lost=[*HIPS, *LEGS])
    assert clean_pose(mapped(pose), CLEANING) == []
    hips = placed(pose)
    assert hips.placed.all()
    runs = clean_pose(mapped(hips.pose), CLEANING)
    assert len(runs) == 1
    body = seen_body(runs[0], hips, CLEANING.fps)
    assert body.visible == "upper"
    assert not body.seen[:, list(TRUNK_JOINTS)].any()
    assert not body.seen[:, [4, 5, 7, 8, 10, 11]].any()
    assert body.seen[:, [12, 15, 16, 17, 18, 19, 20, 21]].all()
    assert body.anchored[:, 0].all()
    assert not body.anchored[:, 1:3].any()
    # The network is told positions about the placed root, and no leg.
    view = project_run(runs[0], half_body_scale(runs[0].joints, body.seen))
    known = feature_mask2d(view.seen, HUMANML3D)
    np.testing.assert_array_equal(view.mask, known)
    assert view.mask[:, :2].all()


@pytest.mark.parametrize("action", ["JumpingJack", "SitDown"])
def test_a_detectors_plausible_guess_is_taken(action: str) -> None:
    pose = pose_of(action, lost=HIPS)
    hips = placed(pose)
    assert hips.guessed[hips.placed].all()
    np.testing.assert_array_equal(hips.pose.joints[:, HIPS], pose.joints[:, HIPS])
    assert (hips.pose.confidence[hips.placed][:, HIPS] == np.float32(THRESHOLD)).all()


@pytest.mark.parametrize("nonsense", [np.nan, 10_000.0])
def test_without_a_plausible_guess_the_trunk_hangs_below_the_shoulders(nonsense: float) -> None:
    pose = pose_of(lost=HIPS)
    truth = pose.joints[:, HIPS].copy()
    pose.joints[:, HIPS] = nonsense
    hips = placed(pose)
    assert hips.placed.all()
    assert not hips.guessed.any()
    shoulders = pose.joints[:, [NAMES.index(f"{s}_shoulder") for s in ("left", "right")]]
    trunk = np.linalg.norm(truth.mean(1) - shoulders.mean(1), axis=-1).mean()
    off = np.linalg.norm(hips.pose.joints[:, HIPS].mean(1) - truth.mean(1), axis=-1)
    assert off.mean() < 0.25 * trunk


def test_hips_of_someone_on_their_head_are_above_the_shoulders() -> None:
    pose = pose_of(lost=HIPS)
    pose.joints[..., 1] = 240.0 - pose.joints[..., 1]
    pose.joints[:, HIPS] = np.nan
    hips = placed(pose)
    assert (hips.pose.joints[:, HIPS, 1].mean(1) < pose.joints[:, 5:7, 1].mean(1)).mean() > 0.95


def test_wide_pixels_do_not_tilt_the_trunk() -> None:
    pose = pose_of(lost=HIPS)
    pose.joints[:, HIPS] = np.nan
    squeezed = replace(pose, joints=pose.joints * np.float32([0.5, 1.0]))
    wide = place_hips(squeezed, NAMES, threshold=THRESHOLD, pixel_aspect=2.0)
    expected = placed(pose).pose.joints * [0.5, 1.0]
    np.testing.assert_allclose(wide.pose.joints, expected, atol=1e-3)


def test_a_face_and_a_hand_get_no_hips() -> None:
    arms = [i for i, n in enumerate(NAMES) if "elbow" in n or n == "left_wrist"]
    assert not placed(pose_of(lost=[*HIPS, *arms])).placed.any()
    assert not placed(pose_of(lost=[*HIPS, NAMES.index("left_shoulder")])).placed.any()


def test_frames_next_to_placed_ones_count_as_placed() -> None:
    pose = pose_of()
    pose.confidence[60:, HIPS] = 0.0
    pose.confidence[60:, LEGS] = 0.0
    hips = placed(pose)
    run = clean_pose(mapped(hips.pose), CLEANING)[0]
    body = seen_body(run, hips, CLEANING.fps)
    first = int(np.flatnonzero(body.placed[:, 0])[0])
    assert first == 48  # 2.4 s: after frame 59 (2.36 s), which was seen, and up to frame 60
    assert body.placed[first:, 0].all()
    assert body.visible == "part"


def test_the_scale_of_arms_is_near_that_of_the_whole_body() -> None:
    run = clean_pose(mapped(pose_of()), CLEANING)[0]
    whole = half_body_scale(run.joints, run.seen)
    seen = run.seen.copy()
    seen[:, [0, 1, 2, 4, 5, 7, 8, 19, 21]] = False
    assert half_body_scale(run.joints, seen) == pytest.approx(whole, rel=0.2)
    with pytest.raises(PipelineError, match="neither arms nor shoulders"):
        half_body_scale(run.joints, np.zeros_like(run.seen))


def test_a_stored_view_tells_placed_joints_from_unknown_ones() -> None:
    hips = placed(pose_of(lost=[*HIPS, *LEGS]))
    run = clean_pose(mapped(hips.pose), CLEANING)[0]
    body = seen_body(run, hips, CLEANING.fps)
    view = project_run(run, half_body_scale(run.joints, body.seen))
    np.testing.assert_array_equal(known_to_network(view.joints, body.seen), run.seen)


@pytest.mark.parametrize(
    ("hips", "legs", "expected"),
    [(1.0, 1.0, "full"), (0.0, 0.0, "upper"), (1.0, 0.0, "part"), (0.3, 0.3, "part")],
)
def test_what_is_visible_goes_by_shares(hips: float, legs: float, expected: str) -> None:
    seen = np.ones((100, 22), bool)
    seen[round(100 * hips) :, :3] = False
    seen[round(100 * legs) :, [4, 5, 7, 8]] = False
    assert visible_part(seen) == expected
