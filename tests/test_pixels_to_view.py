"""Pixels to the projected view: axes, origin, scale, the way back, and what cannot be measured."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from truth_clips import all_truth_clips, canonical_motion

from pipeline.body_scale import pixels_per_metre
from pipeline.cleaning import CleanRun, clean_pose
from pipeline.cleaning_config import CleaningConfig
from pipeline.joint_mapping import MappedPose
from pipeline.pixels_to_view import MIN_PIXELS_PER_METRE, project_run, view_to_pixels
from pipeline.quality import fit_azimuth
from pipeline.reasons import PipelineError, Reason
from pipeline.representation2d import features_from_view
from pipeline.skeletons import HUMANML3D
from pipeline.views import UNITS_PER_METRE, project_view

ACTIONS = ("Cartwheel", "JumpingJack", "SitDown")
SCALE_BOUND = 0.08
"""Measured over 24 azimuths on motions that stay near the origin: -1.3 % to +2.7 %."""


def run_of(pixels: np.ndarray, seen: np.ndarray | None = None) -> CleanRun:
    known = np.ones(pixels.shape[:2], bool) if seen is None else seen
    shown = np.where(known[..., None], pixels, 0.0).astype(np.float32)
    return CleanRun(shown, known, known.astype(np.float32), 0.0, 0)


def filmed(motion: np.ndarray, azimuth: float, px_per_metre: float) -> np.ndarray:
    """Pixels of a motion in the paper's view: y down, somewhere in the picture."""
    units = project_view(motion, azimuth)
    return units * [1.0, -1.0] * (px_per_metre / UNITS_PER_METRE) + [310.0, 170.0]


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("azimuth", range(0, 360, 30))
def test_the_view_of_a_filmed_motion_is_the_papers_view(action: str, azimuth: int) -> None:
    motion = canonical_motion(action)
    view = project_run(run_of(filmed(motion, azimuth, px_per_metre=83.0)))
    wanted = project_view(motion, azimuth)
    ratio = view.px_per_metre / 83.0
    assert abs(ratio - 1.0) < SCALE_BOUND
    np.testing.assert_allclose(view.joints * ratio, wanted, atol=1e-4)
    assert view.mask.all()


@given(
    scale=st.floats(MIN_PIXELS_PER_METRE * 1.2, 900.0),
    x=st.floats(-2000, 2000),
    y=st.floats(-2000, 2000),
)
@settings(max_examples=25, deadline=None)
def test_size_and_place_in_the_picture_change_nothing(scale: float, x: float, y: float) -> None:
    pixels = filmed(canonical_motion("SitDown"), 45.0, 1.0)
    reference = project_run(run_of(pixels * 100.0))
    moved = project_run(run_of(pixels * scale + [x, y]))
    assert moved.px_per_metre / scale == pytest.approx(reference.px_per_metre / 100.0, rel=1e-3)
    # float32 pixels thousands away from the origin resolve no finer than this.
    tolerance = 2e-4 + 1e-3 / scale
    np.testing.assert_allclose(moved.joints, reference.joints, atol=tolerance)


def test_y_is_up_the_root_starts_at_the_origin_and_features_are_those_of_the_joints() -> None:
    view = project_run(run_of(filmed(canonical_motion("JumpingJack"), 0.0, 100.0)))
    head, feet = HUMANML3D.joint_names.index("head"), [*HUMANML3D.feet_left, *HUMANML3D.feet_right]
    assert (view.joints[:, head, 1] > view.joints[:, feet, 1].max(axis=1)).all()
    np.testing.assert_array_equal(view.joints[0, 0], [0.0, 0.0])
    assert view.features.shape == (len(view.joints) - 1, 134)
    np.testing.assert_array_equal(view.features, features_from_view(view.joints, HUMANML3D))


@given(seed=st.integers(0, 100), azimuth=st.floats(0, 360))
@settings(max_examples=20, deadline=None)
def test_view_to_pixels_is_the_way_back(seed: int, azimuth: float) -> None:
    pixels = filmed(canonical_motion("Cartwheel"), azimuth, 60.0 + seed)
    view = project_run(run_of(pixels))
    np.testing.assert_allclose(view_to_pixels(view.joints, view), pixels, atol=2e-3)


def test_a_masked_joint_stays_zero_and_masks_its_features_and_no_others() -> None:
    pixels = filmed(canonical_motion("SitDown"), 30.0, 100.0)
    wrist = HUMANML3D.joint_names.index("left_wrist")
    seen = np.ones(pixels.shape[:2], bool)
    seen[20:40, wrist] = False
    whole, partly = project_run(run_of(pixels)), project_run(run_of(pixels, seen))
    assert not partly.joints[20:40, wrist].any()
    assert not partly.mask[19:40].all(axis=1).any()
    assert partly.mask[:19].all()
    assert partly.mask[40:].all()
    assert partly.px_per_metre == pytest.approx(whole.px_per_metre, rel=0.02)
    np.testing.assert_allclose(
        partly.features[partly.mask],
        (whole.features * [whole.px_per_metre / partly.px_per_metre])[partly.mask],
        atol=1e-2,
    )


def test_foreshortening_does_not_shrink_the_scale() -> None:
    """A body that shows its full length in one frame of eight is still measured by it."""
    pixels = filmed(canonical_motion("JumpingJack"), 0.0, 100.0)[:90]
    standing = pixels_per_metre(pixels.astype(np.float32), np.ones(pixels.shape[:2], bool))
    shrunk = pixels.copy()
    most = np.arange(len(pixels)) % 8 != 0
    shrunk[most] = pixels[most, :1] + 0.5 * (pixels[most] - pixels[most, :1])
    measured = pixels_per_metre(shrunk.astype(np.float32), np.ones(pixels.shape[:2], bool))
    assert measured == pytest.approx(standing, rel=0.06)


def test_a_person_too_small_and_a_person_of_whom_too_little_is_seen_have_reasons() -> None:
    motion = canonical_motion("JumpingJack")
    with pytest.raises(PipelineError) as small:
        project_run(run_of(filmed(motion, 0.0, MIN_PIXELS_PER_METRE * 0.8)))
    assert small.value.reason is Reason.PERSON_TOO_SMALL
    pixels = filmed(motion, 0.0, 100.0)
    seen = np.zeros(pixels.shape[:2], bool)
    arm_and_trunk = [HUMANML3D.joint_names.index(name) for name in
                     ("pelvis", "neck", "left_shoulder", "left_elbow", "left_wrist")]  # fmt: skip
    seen[:, arm_and_trunk] = True
    with pytest.raises(PipelineError) as few:
        project_run(run_of(pixels, seen))
    assert few.value.reason is Reason.TOO_FEW_JOINTS
    assert "3 long bones" in few.value.detail


@pytest.mark.parametrize("action", ["JumpingJack", "SitDown"])
def test_a_real_cameras_pixels_come_near_the_papers_view(action: str) -> None:
    """Rendered at 25 fps by a near camera that looks down a little, on another body's bones."""
    clip = all_truth_clips()[action]
    frames = len(clip.joints2d)
    pose = MappedPose(
        clip.joints2d.astype(np.float64),
        np.ones((frames, 22), bool),
        np.ones((frames, 22), np.float32),
        np.arange(frames) / 25.0,
    )
    (run,) = clean_pose(pose, CleaningConfig())
    view, motion = project_run(run), canonical_motion(action)
    count = min(len(motion), len(view.joints))
    shown = view.joints[:count]
    azimuth, _ = fit_azimuth(motion[:count].astype(np.float32), shown, view.seen[:count])
    wanted = project_view(motion[:count], azimuth)
    apart = (shown - shown[:, :1]) - (wanted - wanted[:, :1])
    mean_m = np.linalg.norm(apart, axis=-1).mean() / UNITS_PER_METRE
    assert mean_m < 0.06  # measured 0.04 and 0.05
