"""How a lift is measured: the metrics, the baselines and the report."""

import json

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
from models.lifting.lift_metrics import mpjpe, pa_mpjpe, summarise
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
        for metric in ("mpjpe_mm", "body_mpjpe_mm", "pa_mpjpe_mm"):
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
    errors = {"mpjpe_mm", "body_mpjpe_mm", "pa_mpjpe_mm"}
    assert set(record["linear"]) == {*errors, "by_view", "by_action", "by_joint"}
    assert set(record["linear"]["by_view"]) == {"0", "90"}
    assert set(record["linear"]["by_view"]["90"]) == errors
    assert list(record["crossdiff"]["by_joint"]) == list(HUMANML3D.joint_names)


def test_nothing_to_measure_is_refused_with_a_sentence(checkpoint):
    with pytest.raises(ValueError, match="no motion to measure the lift on"):
        evaluate_lift(checkpoint, [], MOTIONS)
    with pytest.raises(ValueError, match="no training motion to fit a baseline to"):
        evaluate_lift(checkpoint, MOTIONS, [])
