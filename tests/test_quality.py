"""Quality figures: what they must be on motions whose answer is known."""

import numpy as np
import pytest
from truth_clips import canonical_motion

from pipeline.quality import fit_azimuth, label_quality
from pipeline.skeletons import HUMANML3D
from pipeline.views import UNITS_PER_METRE, azimuth_rotation, project_view

AZIMUTHS = range(0, 360, 15)


def seen_all(joints: np.ndarray) -> np.ndarray:
    return np.ones(joints.shape[:2], bool)


def still(frames: int = 40) -> np.ndarray:
    return np.repeat(canonical_motion("JumpingJack")[:1], frames, axis=0).astype(np.float32)


def turn_between(a: float, b: float) -> float:
    return abs((a - b + 180.0) % 360.0 - 180.0)


@pytest.mark.parametrize("azimuth", AZIMUTHS)
def test_the_azimuth_of_a_view_is_found_again(azimuth: int) -> None:
    motion = canonical_motion("SitDown")
    flat = (motion @ azimuth_rotation(azimuth).T)[..., :2] * UNITS_PER_METRE
    found, off = fit_azimuth(motion.astype(np.float32), flat.astype(np.float32), seen_all(motion))
    assert turn_between(found, azimuth) < 0.1
    assert off < 1e-3
    # The paper's camera is not quite orthographic: the fit that assumes it is stays within 1 deg.
    found, off = fit_azimuth(
        motion.astype(np.float32), project_view(motion, azimuth), seen_all(motion)
    )
    assert turn_between(found, azimuth) < 1.0
    assert off < 0.01


def test_the_azimuth_rests_on_seen_joints_alone() -> None:
    motion = canonical_motion("SitDown").astype(np.float32)
    view, seen = project_view(motion, 75.0), seen_all(motion)
    seen[:, [18, 20]] = False
    seen[10:20] = False
    view[~seen] = 99.0
    found, off = fit_azimuth(motion, view, seen)
    assert turn_between(found, 75.0) < 1.0
    assert off < 0.01


def test_without_a_seen_joint_there_is_no_reprojection_error_to_tell() -> None:
    motion = still()
    _, off = fit_azimuth(motion, project_view(motion, 0.0), np.zeros(motion.shape[:2], bool))
    assert np.isnan(off)


def test_label_quality_gathers_shares_and_means() -> None:
    motion = canonical_motion("SitDown").astype(np.float32)
    seen = seen_all(motion)
    seen[:, :11] = False
    seen[:, 0] = True
    confidence = np.where(seen, 0.8, 0.0).astype(np.float32)
    figures = label_quality(motion, project_view(motion, 30.0), seen, confidence, HUMANML3D)
    assert figures.masked_share == pytest.approx(10 / 22)
    assert figures.mean_confidence == pytest.approx(0.8)
    assert turn_between(figures.azimuth_deg, 30.0) < 1.5
    assert figures.reprojection_m < 0.01
