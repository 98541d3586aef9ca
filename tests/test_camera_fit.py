"""The camera of a view, found again where it is known."""

import numpy as np
import pytest
from truth_clips import canonical_motion

from pipeline.camera_fit import MAX_ELEVATION_DEG, camera_rotation, fit_camera, project
from pipeline.quality import fit_azimuth
from pipeline.views import UNITS_PER_METRE, project_view

SITTING = canonical_motion("SitDown").astype(np.float32)
JUMPING = canonical_motion("JumpingJack").astype(np.float32)
CAMERAS = [(0.0, 0.0), (40.0, 12.0), (90.0, -8.0), (200.0, 25.0), (300.0, -30.0)]


def shown_from(motion: np.ndarray, azimuth: float, elevation: float) -> np.ndarray:
    return (motion @ camera_rotation(azimuth, elevation)[:2].T * UNITS_PER_METRE).astype(np.float32)


def everything(motion: np.ndarray) -> np.ndarray:
    return np.ones(motion.shape[:2], bool)


def turn_between(a: float, b: float) -> float:
    return abs((a - b + 180.0) % 360.0 - 180.0)


@pytest.mark.parametrize(("azimuth", "elevation"), CAMERAS)
@pytest.mark.parametrize("motion", [SITTING, JUMPING])
def test_a_known_camera_is_found_again(
    motion: np.ndarray, azimuth: float, elevation: float
) -> None:
    view = shown_from(motion, azimuth, elevation)
    fit = fit_camera(motion, view, everything(motion))
    assert turn_between(fit.azimuth_deg, azimuth) < 2.0
    # The pull towards the level camera takes a part of the angle, and never its sign.
    assert 0.85 * abs(elevation) - 0.2 <= abs(fit.elevation_deg) <= abs(elevation) + 0.5
    assert fit.elevation_deg * elevation >= 0.0
    assert fit.reprojection_m < 0.02
    shown = (view - view[:, :1]) / UNITS_PER_METRE
    off = np.linalg.norm(project(motion, fit) - shown, axis=-1)[:, 1:].mean()
    assert off == pytest.approx(fit.reprojection_m, abs=1e-6)


@pytest.mark.parametrize("azimuth", range(5, 360, 50))
def test_a_level_camera_is_the_azimuth_fit(azimuth: int) -> None:
    rng = np.random.default_rng(azimuth)
    view = project_view(SITTING, azimuth)
    view = (view + 0.02 * rng.standard_normal(view.shape)).astype(np.float32)
    seen = rng.random(view.shape[:2]) > 0.2
    seen[:, 0] = True
    old_azimuth, old_error = fit_azimuth(SITTING, view, seen)
    level = fit_camera(SITTING, view, seen, max_elevation_deg=0.0)
    assert turn_between(level.azimuth_deg, old_azimuth) < 1e-4
    assert level.elevation_deg == 0.0
    assert level.reprojection_m == pytest.approx(old_error, abs=1e-7)
    assert abs(fit_camera(SITTING, view, seen).elevation_deg) < 2.0


@pytest.mark.parametrize("scale", [0.88, 1.1])
def test_neither_flat_motion_nor_a_misjudged_scale_invents_an_elevation(scale: float) -> None:
    rng = np.random.default_rng(3)
    for depth in (0.05, 1.0):
        motion = SITTING * np.array([1.0, 1.0, depth], np.float32)
        view = shown_from(motion, 10.0, 0.0)
        noisy = scale * (view + 0.02 * rng.standard_normal(view.shape))
        fit = fit_camera(motion, noisy.astype(np.float32), everything(motion))
        assert abs(fit.elevation_deg) < 3.0
        assert fit.scale == pytest.approx(scale, rel=0.03)


def test_elevation_is_bounded() -> None:
    fit = fit_camera(JUMPING, shown_from(JUMPING, 20.0, 70.0), everything(JUMPING))
    assert abs(fit.elevation_deg) <= MAX_ELEVATION_DEG
    inner = fit_camera(
        JUMPING, shown_from(JUMPING, 20.0, 30.0), everything(JUMPING), max_elevation_deg=10.0
    )
    assert inner.elevation_deg == pytest.approx(10.0)


@pytest.mark.parametrize(
    ("azimuth", "name"),
    [(3.0, "front"), (88.0, "left"), (181.0, "back"), (272.0, "right"), (357.0, "front")],
)
def test_a_camera_near_a_quarter_turn_bears_its_name(azimuth: float, name: str) -> None:
    fit = fit_camera(SITTING, shown_from(SITTING, azimuth, 0.0), everything(SITTING))
    assert fit.view_name == name
    assert fit.quarter_reprojection_m >= fit.reprojection_m


@pytest.mark.parametrize("azimuth", [45.0, 120.0, 215.0, 330.0])
def test_a_camera_between_the_quarter_turns_is_free(azimuth: float) -> None:
    fit = fit_camera(SITTING, shown_from(SITTING, azimuth, 0.0), everything(SITTING))
    assert fit.view_name == "free"
    assert fit.quarter_reprojection_m > 2.0 * fit.reprojection_m


def test_weights_and_unseen_joints_decide_what_counts() -> None:
    view, weights = shown_from(SITTING, 60.0, 10.0), np.ones(SITTING.shape[:2], np.float32)
    clean = fit_camera(SITTING, view, everything(SITTING))
    view[:, 5:9] += 5.0
    weights[:, 5:9] = 0.0
    weighted = fit_camera(SITTING, view, everything(SITTING), weights)
    seen = everything(SITTING)
    seen[:, 5:9] = False
    masked = fit_camera(SITTING, view, seen)
    assert weighted.azimuth_deg == pytest.approx(masked.azimuth_deg)
    assert weighted.reprojection_m == pytest.approx(masked.reprojection_m)
    assert turn_between(masked.azimuth_deg, clean.azimuth_deg) < 1.0


def test_nothing_seen_gives_no_number() -> None:
    fit = fit_camera(SITTING, shown_from(SITTING, 0.0, 0.0), np.zeros(SITTING.shape[:2], bool))
    assert np.isnan(fit.reprojection_m)
    assert np.isnan(fit.quarter_reprojection_m)
    assert fit.view_name == "free"


def test_bad_input_is_refused_in_a_sentence() -> None:
    view, seen = shown_from(SITTING, 0.0, 0.0), everything(SITTING)
    with pytest.raises(ValueError, match="same frames and joints"):
        fit_camera(SITTING[:-1], view, seen)
    with pytest.raises(ValueError, match="at least 0"):
        fit_camera(SITTING, view, seen, np.full(seen.shape, -1.0))
    with pytest.raises(ValueError, match="under 90"):
        fit_camera(SITTING, view, seen, max_elevation_deg=90.0)
