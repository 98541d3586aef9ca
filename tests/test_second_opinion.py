"""The estimator's own 3D beside the lift: brought in line, averaged, and never invented."""

import dataclasses

import numpy as np
import pytest
from truth_clips import canonical_motion

from models.lifting.lift_metrics import pa_mpjpe
from pipeline.carriers import Pose2D
from pipeline.joint_mapping import RULES
from pipeline.pose.joint_sets import JOINT_SETS
from pipeline.pose.protocol import PersonTrack
from pipeline.second_opinion import (
    LIMB_WEIGHT,
    TRUNK,
    TRUNK_WEIGHT,
    WEIGHTS,
    SecondOpinion,
    fuse,
    opinion_of,
)
from pipeline.skeletons import HUMANML3D
from pipeline.views import azimuth_rotation

NAMES = JOINT_SETS["mediapipe33"].joints
LIMBS = [n for n in HUMANML3D.joint_names if n in NAMES]
INDEX = [HUMANML3D.joint_names.index(n) for n in LIMBS]


def track_of(joints: np.ndarray, fps: float = 25.0) -> PersonTrack:
    """A track whose own 3D has the limbs of a motion, with the estimator's axes."""
    world = np.zeros((len(joints), len(NAMES), 3), np.float32)
    world[:, [NAMES.index(n) for n in LIMBS]] = joints[:, INDEX] * [1.0, -1.0, -1.0]
    confidence = np.full(world.shape[:2], 0.2, np.float32)
    times = np.arange(len(joints)) / fps
    pose = Pose2D("mediapipe33", world[..., :2], confidence, times, (320, 240))
    return PersonTrack(pose, 0, len(joints), world)


def test_the_opinion_has_the_tracks_limbs_at_any_time_y_up():
    joints = canonical_motion("JumpingJack")
    track = track_of(joints)
    opinion = opinion_of(track, track.pose.times)
    assert opinion.known[:, INDEX].all()
    np.testing.assert_allclose(opinion.joints3d[:, INDEX], joints[:, INDEX], atol=1e-6)
    between = opinion_of(track, track.pose.times[:-1] + 0.02)
    middle = (joints[:-1, INDEX] + joints[1:, INDEX]) / 2
    np.testing.assert_allclose(between.joints3d[:, INDEX], middle, atol=1e-6)


def test_nothing_is_said_outside_the_track_in_long_gaps_or_under_the_threshold():
    track = track_of(canonical_motion("JumpingJack"))
    world = track.world.copy()
    world[10:30] = np.nan
    holed = dataclasses.replace(track, world=world)
    opinion = opinion_of(holed, np.concatenate([[-1.0], track.pose.times, [99.0]]))
    assert not opinion.known[[0, -1]].any()
    assert not opinion.known[12:30].any()
    assert opinion.known[5, INDEX].all()
    assert not opinion_of(track, track.pose.times, 0.5).known.any()
    assert opinion_of(dataclasses.replace(track, world=None), track.pose.times) is None


def test_two_guesses_with_errors_of_their_own_are_better_together_whatever_their_frames():
    truth = canonical_motion("SitDown")
    rng = np.random.default_rng(0)
    lift = truth + rng.normal(0.0, 0.06, truth.shape)
    other = 1.3 * (truth + rng.normal(0.0, 0.06, truth.shape)) @ azimuth_rotation(110.0).T + 2.0
    known = np.ones(truth.shape[:2], dtype=np.bool_)
    mixed, counted = fuse(lift, SecondOpinion(other, known))
    assert counted.all()
    assert pa_mpjpe(mixed, truth).mean() < 0.8 * pa_mpjpe(lift, truth).mean()
    kept, _ = fuse(lift, SecondOpinion(other, known), np.zeros(truth.shape[1]))
    np.testing.assert_allclose(kept, lift, atol=1e-6)


def test_the_trunk_follows_the_opinion_more_than_the_limbs_do():
    truth = canonical_motion("SitDown")
    other = truth + np.random.default_rng(1).normal(0.0, 0.03, truth.shape)
    opinion = SecondOpinion(other, np.ones(truth.shape[:2], dtype=np.bool_))
    whole, mixed = (
        np.linalg.norm(fuse(truth, opinion, weights)[0] - truth, axis=-1)
        for weights in (np.ones(truth.shape[1]), WEIGHTS)
    )
    trunk = [HUMANML3D.joint_names.index(name) for name in TRUNK]
    np.testing.assert_allclose(mixed[:, trunk], TRUNK_WEIGHT * whole[:, trunk], atol=1e-5)
    limbs = np.delete(np.arange(truth.shape[1]), trunk)
    np.testing.assert_allclose(mixed[:, limbs], LIMB_WEIGHT * whole[:, limbs], atol=1e-5)


def test_an_opinion_that_agrees_changes_nothing():
    truth = canonical_motion("Cartwheel")
    known = np.ones(truth.shape[:2], dtype=np.bool_)
    turned = truth @ azimuth_rotation(-40.0).T
    np.testing.assert_allclose(fuse(truth, SecondOpinion(turned, known))[0], truth, atol=1e-5)


def test_frames_and_joints_without_an_opinion_stay_the_lifts():
    truth = canonical_motion("SitDown")
    known = np.ones(truth.shape[:2], dtype=np.bool_)
    known[20:30, 5:] = False
    known[:, 20] = False
    other = np.where(known[..., None], truth * 1.4 + 0.1 * np.sin(truth), 0.0)
    mixed, counted = fuse(truth, SecondOpinion(other, known))
    assert not counted[20:30].any()
    np.testing.assert_allclose(mixed[20:30], truth[20:30], atol=1e-6)
    np.testing.assert_allclose(mixed[:, 20], truth[:, 20], atol=1e-6)
    assert np.isfinite(mixed).all()


def test_impossible_opinions_are_refused_with_a_sentence():
    truth = canonical_motion("SitDown")
    opinion = SecondOpinion(truth, np.ones(truth.shape[:2], dtype=np.bool_))
    with pytest.raises(ValueError, match="of the lift's frames"):
        fuse(truth[:5], opinion)
    for wrong in (np.full(22, 2.0), np.full(21, 0.5), np.full(22, np.nan)):
        with pytest.raises(ValueError, match=r"must be 22 in 0\.\.1, got"):
            fuse(truth, opinion, wrong)
    assert set(RULES) >= {"mediapipe33"}
