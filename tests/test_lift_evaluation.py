"""How a lift is measured: the metrics, the baselines and the report."""

import json
from dataclasses import fields, replace

import numpy as np
import pytest
import torch
from synthetic_motion import random_motions
from training_victim import TINY_NETWORK

from models.checkpoint import Checkpoint
from models.data.training_data import training_statistics
from models.lifting.baselines import (
    BODY,
    CAMERA,
    WORLD,
    body_frame_pose,
    fit_linear,
    fit_mean_pose,
    pose_targets,
)
from models.lifting.evaluate_lift import LiftPlan, evaluate_lift
from models.lifting.lift import lift
from models.lifting.lift_metrics import (
    mpjpe,
    n_mpjpe,
    pa_mpjpe,
    per_joint_velocity_error,
    root_path_error,
    summarise,
)
from models.lifting.lift_observation import Truth
from models.lifting.lift_tally import (
    Errors,
    Prediction,
    errors,
    joint_errors,
    seen_and_unseen,
    tally,
)
from models.network import CrossDiff
from pipeline import quaternions as quat
from pipeline.representation2d import features_from_view
from pipeline.representation3d import features_from_canonical, recover_joints
from pipeline.skeletons import HUMANML3D
from pipeline.views import project_view

MOTIONS = random_motions([60, 60, 45, 30])


def rows_of(motion):
    return features_from_canonical(motion.joints.astype(np.float64), HUMANML3D)


def pose(seed: int, frames: int = 5) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(frames, 22, 3))


def test_mpjpe_is_millimetres_after_aligning_roots():
    truth = pose(0)
    moved = truth + np.array([5.0, -3.0, 1.0])
    np.testing.assert_allclose(mpjpe(moved, truth), 0.0, atol=1e-9)
    off = truth.copy()
    off[:, 3] += [0.0, 0.003, 0.004]  # one joint of 22, five millimetres
    np.testing.assert_allclose(mpjpe(off, truth), 5.0 / 22)


def test_pa_mpjpe_forgives_similarity_but_not_mirrors():
    truth = pose(1)
    turn = np.random.default_rng(2).normal(size=(5, 1, 4))
    turn /= np.linalg.norm(turn, axis=-1, keepdims=True)
    similar = 1.7 * quat.rotate(turn, truth) + np.array([1.0, 2.0, 3.0])
    np.testing.assert_allclose(pa_mpjpe(similar, truth), 0.0, atol=1e-6)
    assert (pa_mpjpe(truth * np.array([-1.0, 1.0, 1.0]), truth) > 100.0).all()
    noisy = truth + 0.01 * pose(3)
    assert (pa_mpjpe(noisy, truth) <= mpjpe(noisy, truth) + 1e-9).all()


def test_n_mpjpe_forgives_one_scale_a_frame_and_nothing_else():
    truth = pose(1)
    scales = np.array([0.5, 1.0, 2.0, 3.0, 0.1])[:, None, None]
    np.testing.assert_allclose(n_mpjpe(scales * truth + 7.0, truth), 0.0, atol=1e-9)
    turned = truth[..., [2, 1, 0]] * np.array([1.0, 1.0, -1.0])
    assert (n_mpjpe(turned, truth) > 100.0).all()
    # Of all factors the least squares one; between the plain and the fully aligned error.
    noisy = 1.3 * truth + 0.1 * pose(3)
    assert (n_mpjpe(noisy, truth) < mpjpe(noisy, truth)).all()
    assert (pa_mpjpe(noisy, truth) < n_mpjpe(noisy, truth)).all()


def test_velocity_error_is_a_speed_and_forgives_a_constant_offset():
    truth = pose(1)
    assert per_joint_velocity_error(truth + pose(2)[:1], truth, 20.0).max() < 1e-9
    moving = truth.copy()
    moving[:, 3, 0] += 0.01 * np.arange(len(truth))  # one centimetre a frame
    found = per_joint_velocity_error(moving, truth, 20.0)
    assert found.shape == (4, 22)
    np.testing.assert_allclose(found[:, 3], 200.0)  # at 20 frames a second: 200 mm/s
    np.testing.assert_allclose(np.delete(found, 3, axis=1), 0.0, atol=1e-9)


def test_root_path_error_is_over_the_ground_from_frame_0_on():
    path = np.cumsum(np.full((5, 3), 0.1), axis=0)
    np.testing.assert_allclose(root_path_error(path + 4.0, path), 0.0, atol=1e-9)
    np.testing.assert_allclose(root_path_error(path * [1.0, 5.0, 1.0], path), 0.0, atol=1e-9)
    short = path * [1.0, 1.0, 0.5]  # five centimetres a frame too slow
    np.testing.assert_allclose(root_path_error(short, path), 50.0 * np.arange(5), atol=1e-9)


def as_truth(joints):
    return Truth(np.zeros((len(joints), 1), np.float32), joints, joints)


def test_seen_and_unseen_joints_are_told_apart_and_add_up():
    truth = pose(4)
    truth -= truth[:, :1]
    off, seen = truth.copy(), np.ones((5, 22), np.bool_)
    off[:, 3] += [0.0, 0.003, 0.004]
    seen[1:, 3] = False  # off by 5 mm in all frames, unseen in four of five
    total = tally(Prediction(off, off, (off,)), as_truth(truth), 20.0, seen)
    shown, hidden = seen_and_unseen(total, 0)
    assert hidden.mpjpe_mm == pytest.approx(5.0)
    assert shown.mpjpe_mm == pytest.approx(5.0 / (22 * 5 - 4))
    overall = errors(total, 0)
    assert overall.mpjpe_mm == pytest.approx((shown.mpjpe_mm * 106 + hidden.mpjpe_mm * 4) / 110)
    assert (shown.velocity_mm_s, hidden.root_path_mm) == (None, None)
    assert seen_and_unseen(tally(Prediction(off, off, (off,)), as_truth(truth), 20.0), 0) is None


def test_sums_of_motions_of_any_length_are_means_over_their_frames():
    parts = []
    for seed, frames in ((1, 3), (2, 9)):
        truth, guess = pose(seed, frames), pose(seed + 10, frames)
        parts.append(
            (tally(Prediction(guess, guess, (guess,)), as_truth(truth), 20.0), truth, guess)
        )
    total = errors(parts[0][0] + parts[1][0], 0)
    both = [
        np.concatenate([f(g, t) for _, t, g in parts]).mean() for f in (mpjpe, n_mpjpe, pa_mpjpe)
    ]
    assert [total.mpjpe_mm, total.n_mpjpe_mm, total.pa_mpjpe_mm] == pytest.approx(both)
    speeds = np.concatenate([per_joint_velocity_error(g, t, 20.0) for _, t, g in parts])
    assert total.velocity_mm_s == pytest.approx(speeds.mean())
    paths = np.concatenate([root_path_error(g[:, 0], t[:, 0]) for _, t, g in parts])
    assert total.root_path_mm == pytest.approx(paths.mean())
    by_joint = joint_errors(parts[0][0] + parts[1][0], 0)
    assert np.mean([e.velocity_mm_s for e in by_joint]) == pytest.approx(total.velocity_mm_s)
    assert {e.root_path_mm for e in by_joint} == {None}


def test_a_summary_counts_every_frame_once():
    truth = pose(4, frames=4)
    off = truth.copy()
    off[:, 1:] += [0.0, 0.022, 0.0]
    errors = summarise([(truth, truth), (off[:1], truth[:1])])
    assert (errors.motions, errors.frames) == (2, 5)
    assert errors.mpjpe_mm == pytest.approx(21.0 / 5)
    with pytest.raises(ValueError, match="no motion to measure"):
        summarise([])
    with pytest.raises(ValueError, match="shapes differ"):
        mpjpe(truth, truth[:2])


@pytest.mark.parametrize("azimuth", [0.0, 90.0, 200.0])
def test_frames_of_reference_differ_by_a_turn_about_the_vertical_only(azimuth):
    rows = rows_of(MOTIONS[0])
    targets = pose_targets(rows, azimuth, HUMANML3D)
    world = recover_joints(rows, HUMANML3D)
    np.testing.assert_allclose(targets[:, WORLD], world - world[:, :1], atol=1e-5)
    np.testing.assert_array_equal(targets[:, BODY], body_frame_pose(rows, HUMANML3D))
    for frame in (BODY, CAMERA):
        np.testing.assert_allclose(targets[:, frame, :, 1], targets[:, WORLD, :, 1], atol=1e-5)
        np.testing.assert_allclose(pa_mpjpe(targets[:, frame], targets[:, WORLD]), 0, atol=1e-2)
    # Seen by the camera, x of the target is what the picture shows (almost orthographic).
    picture = project_view(MOTIONS[0].joints, azimuth)[:-1]
    seen = (picture - picture[:, :1])[..., 0]
    assert np.corrcoef(seen.ravel(), targets[:, CAMERA, :, 0].ravel())[0, 1] > 0.999


def test_linear_regressor_finds_a_linear_relation_and_only_that():
    rng = np.random.default_rng(0)
    weight = rng.normal(size=(86, 3 * 22 * 3))
    features = rng.normal(size=(400, 134)).astype(np.float32)
    inputs = np.concatenate([features[:, 2:44], features[:, 86:130]], axis=1)
    poses = (inputs @ weight + 3.0).reshape(400, 3, 22, 3)
    model = fit_linear([(features[:150], poses[:150]), (features[150:], poses[150:])], HUMANML3D)
    np.testing.assert_allclose(model.predict(features), poses, atol=0.2)
    blind = features.copy()
    blind[:, [0, 1, *range(44, 86), *range(130, 134)]] = 99.0  # not among its inputs
    np.testing.assert_array_equal(model.predict(blind), model.predict(features))


def test_baselines_equal_least_squares_and_the_mean():
    features = features_from_view(project_view(MOTIONS[1].joints, 0.0), HUMANML3D)
    targets = pose_targets(rows_of(MOTIONS[1]), 0.0, HUMANML3D)
    mean = fit_mean_pose([targets[:20], targets[20:]])
    np.testing.assert_allclose(mean.predict(features), np.tile(targets.mean(0), (59, 1, 1, 1)))
    linear = fit_linear([(features, targets)], HUMANML3D)
    fit, plain = (np.square(m.predict(features) - targets).mean() for m in (linear, mean))
    assert fit < 0.01 * plain


@pytest.fixture(scope="module")
def checkpoint():
    torch.manual_seed(0)
    network = CrossDiff(TINY_NETWORK).eval()
    return Checkpoint(network, training_statistics(MOTIONS), HUMANML3D, "t", True)


@pytest.fixture(scope="module")
def report(checkpoint):
    return evaluate_lift(checkpoint, MOTIONS[:3], MOTIONS, LiftPlan(views=(0.0, 90.0)))


def test_the_report_holds_the_lifts_errors_against_the_truth(checkpoint, report):
    plain, aligned = [], []
    for motion in MOTIONS[:3]:
        truth = recover_joints(rows_of(motion), HUMANML3D)
        features = features_from_view(project_view(motion.joints, 90.0), HUMANML3D)
        lifted = lift(checkpoint, features).joints
        plain.append(mpjpe(lifted, truth))
        aligned.append(pa_mpjpe(lifted, truth))
    side = report.methods["crossdiff"].by_view["90"]
    assert side.mpjpe_mm == pytest.approx(np.concatenate(plain).mean())
    assert side.pa_mpjpe_mm == pytest.approx(np.concatenate(aligned).mean())
    assert (report.motions, report.frames, report.views_deg) == (3, 59 + 59 + 44, (0.0, 90.0))


def test_overall_errors_are_the_mean_of_the_views(report):
    assert set(report.methods) == {"crossdiff", "mean_pose", "linear"}
    for method in report.methods.values():
        for metric in [field.name for field in fields(Errors)]:
            views = [getattr(e, metric) for e in method.by_view.values()]
            assert getattr(method.overall, metric) == pytest.approx(np.mean(views))


def test_a_baseline_that_has_seen_the_answers_beats_an_untrained_network(report):
    ours, linear, mean = (report.methods[n].overall for n in ("crossdiff", "linear", "mean_pose"))
    for metric in ("mpjpe_mm", "body_mpjpe_mm", "pa_mpjpe_mm"):
        best, middle, worst = (getattr(e, metric) for e in (linear, mean, ours))
        assert best < middle
        assert best < worst


def test_the_report_is_plain_json(report):
    record = json.loads(json.dumps(report.to_json()))
    counts = {"motions", "frames", "views_deg", "actions"}
    assert set(record) == {*counts, "crossdiff", "mean_pose", "linear"}
    names = {field.name for field in fields(Errors)}
    assert set(record["linear"]) == {*names, "ci95", "by_view", "by_action", "by_joint"}
    assert set(record["linear"]["by_view"]) == {"0", "90"}
    assert set(record["linear"]["by_view"]["90"]) == names
    assert list(record["crossdiff"]["by_joint"]) == list(HUMANML3D.joint_names)


def test_nothing_to_measure_is_refused_with_a_sentence(checkpoint):
    with pytest.raises(ValueError, match="no motion to measure the lift on"):
        evaluate_lift(checkpoint, [], MOTIONS)
    with pytest.raises(ValueError, match="no training motion to fit a baseline to"):
        evaluate_lift(checkpoint, MOTIONS, [])


def test_baselines_stand_still(report):
    ways = [np.linalg.norm(m.joints[:-1, 0, [0, 2]], axis=-1) for m in MOTIONS[:3]]
    for name in ("mean_pose", "linear"):
        found = report.methods[name].overall.root_path_mm
        assert found == pytest.approx(1000 * np.concatenate(ways).mean(), rel=1e-3)


def test_a_broken_motion_is_named_instead_of_spoiling_every_mean(checkpoint):
    joints = MOTIONS[1].joints.copy()
    joints[5, 3, 0] = np.nan
    broken = replace(MOTIONS[1], joints=joints)
    short = replace(MOTIONS[1], joints=MOTIONS[1].joints[:2])
    for bad in (broken, short):
        for measured, train in (([MOTIONS[0], bad], MOTIONS), (MOTIONS, [bad])):
            with pytest.raises(ValueError, match="motion m1 has under 3 frames or holds NaN"):
                evaluate_lift(checkpoint, measured, train)
