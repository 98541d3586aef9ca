"""The error of the far camera, against an exact pinhole camera."""

import numpy as np
import pytest
from truth_clips import canonical_motion

from pipeline.camera_fit import CameraFit, camera_rotation
from pipeline.perspective import assumed_focal_px, perspective_error

MOTION = canonical_motion("SitDown").astype(np.float32)
SEEN = np.ones(MOTION.shape[:2], bool)
PICTURE = (320.0, 240.0)
FOCAL = 400.0


def camera(azimuth: float = 40.0, elevation: float = 10.0) -> CameraFit:
    return CameraFit(azimuth, elevation, 0.0, "free", 0.0)


def pinhole(motion: np.ndarray, fit: CameraFit, distance: float) -> np.ndarray:
    """(T, J, 2) pixels about each frame's root, as OpenCV's camera with its axis on the root."""
    seen = motion.astype(np.float64) @ camera_rotation(fit.azimuth_deg, fit.elevation_deg).T
    middle = np.median(seen[:, :1, 2])
    depth = distance - (seen[..., 2] - middle)
    flat = seen[..., :2] - seen[:, :1, :2]
    return FOCAL * flat / depth[..., None]


@pytest.mark.parametrize("distance", [1.5, 4.0, 20.0])
def test_it_is_how_far_a_pinhole_camera_is_from_the_far_one(distance: float) -> None:
    walking = MOTION + np.linspace(-0.3, 0.3, len(MOTION))[:, None, None] * [0.0, 0.0, 1.0]
    fit, scale = camera(), FOCAL / distance
    found = perspective_error(walking, SEEN, fit, scale, PICTURE, FOCAL)
    turn = camera_rotation(fit.azimuth_deg, fit.elevation_deg)
    flat = ((walking - walking[:, :1]) @ turn.T)[..., :2]
    off = np.linalg.norm(pinhole(walking, fit, distance) / scale - flat, axis=-1)[:, 1:]
    assert found.mean_m == pytest.approx(off.mean(), rel=1e-6)
    assert found.worst_m == pytest.approx(np.percentile(off, 95.0), rel=1e-6)
    assert found.distance_m == pytest.approx(distance)
    assert found.focal_known


def test_close_ups_are_large_and_telephoto_shots_small() -> None:
    close, room, tele = (
        perspective_error(MOTION, SEEN, camera(), FOCAL / d, PICTURE, FOCAL).share_of_height
        for d in (1.0, 4.0, 40.0)
    )
    assert close > 3.0 * room > 20.0 * tele
    assert tele < 0.002


def test_standing_still_has_no_part_in_the_walk() -> None:
    still = MOTION - MOTION[:, :1]
    error = perspective_error(still, SEEN, camera(), 100.0, PICTURE)
    assert error.walk_m == pytest.approx(0.0, abs=1e-9)
    assert error.pose_m == pytest.approx(error.mean_m)
    assert not error.focal_known
    assert error.focal_px == assumed_focal_px(PICTURE) == 400.0


def test_a_joint_that_would_be_behind_the_camera_gives_a_finite_figure() -> None:
    assert np.isfinite(perspective_error(MOTION, SEEN, camera(), 4000.0, PICTURE).mean_m)


def test_nothing_seen_gives_no_number() -> None:
    assert np.isnan(perspective_error(MOTION, ~SEEN, camera(), 100.0, PICTURE).mean_m)


def test_a_focal_length_that_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="must be positive"):
        perspective_error(MOTION, SEEN, camera(), 100.0, PICTURE, 0.0)
    with pytest.raises(ValueError, match="must be positive"):
        perspective_error(MOTION, SEEN, camera(), float("nan"), PICTURE)
