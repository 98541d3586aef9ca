"""A lift fitted to its view: nearer to the truth, bounded, and never led away by one bad joint."""

import dataclasses

import numpy as np
import pytest
from truth_clips import canonical_motion

from pipeline import refine as refining
from pipeline.camera_fit import fit_camera, project
from pipeline.refine import RefineSettings, fit_to_view, refine
from pipeline.skeletons import HUMANML3D, KIT
from pipeline.views import UNITS_PER_METRE, project_view


@dataclasses.dataclass(frozen=True)
class Case:
    """A true motion, its exact view, and a lift that is off by slow errors of some centimetres."""

    truth: np.ndarray
    lift: np.ndarray
    view: np.ndarray
    seen: np.ndarray
    sure: np.ndarray

    def refined(self, **changes: float) -> np.ndarray:
        camera = fit_camera(self.lift, self.view, self.seen)
        settings = RefineSettings(**changes)
        return refine(
            self.lift, self.view, self.seen, self.sure, camera, HUMANML3D, settings
        ).astype(np.float64)


def error_mm(joints: np.ndarray, truth: np.ndarray) -> float:
    off = (joints - joints[:, :1]) - (truth - truth[:, :1])
    return float(np.linalg.norm(off, axis=-1).mean() * 1000.0)


@pytest.fixture(scope="module")
def case() -> Case:
    truth = canonical_motion("JumpingJack")
    rng = np.random.default_rng(0)
    knots = rng.normal(0.0, 0.05, (6, *truth.shape[1:]))
    times = np.linspace(0.0, 5.0, len(truth))
    slow = np.stack([np.interp(times, range(6), k) for k in knots.reshape(6, -1).T], axis=-1)
    lift = (truth + slow.reshape(truth.shape)).astype(np.float32)
    view = project_view(truth, 30.0)
    seen = np.ones(view.shape[:2], dtype=np.bool_)
    return Case(truth, lift, view, seen, seen.astype(np.float32))


def test_the_refined_motion_is_nearer_to_the_truth_in_the_picture_and_in_space(case):
    refined = case.refined()
    assert error_mm(refined, case.truth) < 0.8 * error_mm(case.lift, case.truth)
    camera = fit_camera(case.lift, case.view, case.seen)
    shown = (case.view - case.view[:, :1]) / UNITS_PER_METRE
    before, after = (
        np.linalg.norm(project(j, camera) - shown, axis=-1).mean() for j in (case.lift, refined)
    )
    assert after < 0.6 * before


def test_bones_keep_one_length_near_the_canonical_one(case):
    def variation(joints: np.ndarray) -> float:
        bones = np.array(HUMANML3D.bones)
        length = np.linalg.norm(joints[:, bones[:, 1]] - joints[:, bones[:, 0]], axis=-1)
        return float(length.std(axis=0).mean())

    assert variation(case.refined()) < 0.5 * variation(case.lift)
    camera = fit_camera(case.lift, case.view, case.seen)
    held = fit_to_view(
        case.lift, case.view, case.seen, case.sure, camera, HUMANML3D, RefineSettings(proportion=0)
    )
    np.testing.assert_allclose(held.lengths_m, HUMANML3D.canonical_lengths)


def test_one_joint_far_off_moves_less_than_it_would_have_been_believed(case):
    view = case.view.copy()
    view[:, 20, 0] += 0.5 * UNITS_PER_METRE
    spoilt = dataclasses.replace(case, view=view)
    off = np.linalg.norm(spoilt.refined()[:, 20] - case.refined()[:, 20], axis=-1)
    assert off.mean() < 0.25
    others = [j for j in range(22) if j not in (13, 16, 18, 20)]
    moved = np.linalg.norm(spoilt.refined()[:, others] - case.refined()[:, others], axis=-1)
    assert moved.mean() < 0.02


def test_what_was_not_seen_or_is_not_sure_does_not_pull(case):
    seen = case.seen.copy()
    seen[:, [18, 20]] = False
    junk = np.where(seen[..., None], case.view, np.nan).astype(np.float32)
    zeros = np.nan_to_num(junk)
    one = dataclasses.replace(case, seen=seen, view=junk).refined()
    other = dataclasses.replace(case, seen=seen, view=zeros).refined()
    np.testing.assert_array_equal(one, other)
    bone = one[:, 20] - one[:, 18]
    lifted = (case.lift[:, 20] - case.lift[:, 18]).astype(np.float64)
    cosine = (bone * lifted).sum(-1) / np.linalg.norm(bone, axis=-1)
    assert (cosine / np.linalg.norm(lifted, axis=-1)).min() > 0.97  # it follows its parent


def test_with_nothing_seen_a_lift_with_true_bones_is_kept(case):
    nobody = dataclasses.replace(case, lift=case.truth, seen=np.zeros_like(case.seen))
    assert error_mm(nobody.refined(), case.truth) < 10.0


def test_the_root_path_stays_and_the_answer_is_the_same_twice(case):
    np.testing.assert_allclose(case.refined()[:, 0], case.lift[:, 0], atol=1e-6)
    np.testing.assert_array_equal(case.refined(), case.refined())


def test_the_search_is_bounded(case):
    camera = fit_camera(case.lift, case.view, case.seen)
    done = fit_to_view(
        case.lift, case.view, case.seen, case.sure, camera, HUMANML3D,
        RefineSettings(max_iterations=5),
    )  # fmt: skip
    assert done.iterations <= 5


def test_the_gradient_is_the_energys(case):
    """A wrong gradient ends the search early, somewhere: no error would tell."""
    rng = np.random.default_rng(1)
    body = (case.lift - case.lift[:, :1]).astype(np.float64)[:6]
    size = np.linspace(0.9, 1.1, 6)
    problem = refining._problem(
        body, case.view[:6], case.seen[:6], case.sure[:6], size, HUMANML3D, RefineSettings()
    )
    start = refining._Unknowns(body, np.zeros((6, 2)), np.zeros(problem.pair.max() + 1))
    at = refining._packed(start, problem)
    at = at + rng.normal(0.0, 0.02, at.shape)
    slope = refining._energy(at, problem)[1]
    for i in [*rng.integers(0, len(at), 20), *range(len(at) - 16, len(at))]:
        step = np.zeros_like(at)
        step[i] = 1e-6
        numeric = (
            refining._energy(at + step, problem)[0] - refining._energy(at - step, problem)[0]
        ) / 2e-6
        assert slope[i] == pytest.approx(numeric, rel=1e-4, abs=1e-4)


@pytest.mark.parametrize("frames", [1, 2, 3])
def test_a_few_frames_can_be_refined(case, frames):
    few = Case(*(getattr(case, f.name)[:frames] for f in dataclasses.fields(case)))
    assert np.isfinite(few.refined()).all()


def test_impossible_input_is_refused_with_a_sentence(case):
    camera = fit_camera(case.lift, case.view, case.seen)
    given = (case.view, case.seen, case.sure, camera)
    with pytest.raises(ValueError, match="of the same frames and 22 joints"):
        refine(case.lift[:5], *given, HUMANML3D)
    spoilt = case.lift.copy()
    spoilt[3] = np.nan
    with pytest.raises(ValueError, match="must be finite to be refined"):
        refine(spoilt, *given, HUMANML3D)
    with pytest.raises(ValueError, match="must be positive: seen_m"):
        RefineSettings(seen_m=0.0)
    joints = np.zeros((4, 21, 3))
    seen = np.ones((4, 21), dtype=np.bool_)
    with pytest.raises(ValueError, match="no canonical bone lengths"):
        refine(joints, joints[..., :2], seen, seen * 1.0, camera, KIT)
