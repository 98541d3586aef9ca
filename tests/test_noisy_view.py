"""The noise that the lift is measured under: as strong as it says, and the same every time."""

import numpy as np
import pytest
from synthetic_motion import random_motions

from models.lifting.lift_observation import Condition, observe
from models.lifting.noisy_view import NoiseLevel, noisy_view
from pipeline.body_scale import BODY_HEIGHT_M
from pipeline.skeletons import HUMANML3D
from pipeline.view_cleaning import clean_view
from pipeline.views import UNITS_PER_METRE, project_view

MOTION = random_motions([400])[0]
VIEW = project_view(MOTION.joints, 30.0)
LEVEL = NoiseLevel()


def test_the_jitter_is_two_percent_of_body_height_in_both_coordinates():
    noisy, seen = noisy_view(VIEW, LEVEL, "m", 30.0)
    # Against the root's own noise of frame 0, which moves everything: differences in time.
    off = (noisy - VIEW)[1:][seen[1:]]
    off = off - off.mean(axis=0)
    metres = off.std(axis=0) / UNITS_PER_METRE
    np.testing.assert_allclose(metres, 0.02 * BODY_HEIGHT_M, rtol=0.02)
    # Every joint and every frame of its own: nothing is shared between neighbours.
    full, _ = noisy_view(VIEW, NoiseLevel(missing=0.0), "m", 30.0)
    error = full - VIEW
    assert abs(np.corrcoef(error[1:-1, 5, 0], error[2:, 5, 0])[0, 1]) < 0.15
    assert abs(np.corrcoef(error[1:, 5, 0], error[1:, 6, 0])[0, 1]) < 0.15


def test_a_tenth_of_the_joints_is_missing_and_never_the_pelvis():
    noisy, seen = noisy_view(VIEW, LEVEL, "m", 30.0)
    assert (~seen).mean() == pytest.approx(0.10, abs=0.01)
    assert seen[:, 0].all()
    assert (~seen[:, 1:]).mean(axis=0).min() > 0.03  # every other joint, now and then
    assert (noisy[~seen] == 0.0).all()
    np.testing.assert_array_equal(noisy[0, 0], 0.0)


def test_missing_joints_are_masked_in_what_the_lift_gets():
    seen_by_lift = observe(MOTION, 30.0, HUMANML3D, Condition("noise", LEVEL))
    _, seen = noisy_view(VIEW, LEVEL, MOTION.motion_id, 30.0)
    positions = seen_by_lift.mask[:, 2:44].reshape(-1, 21, 2)
    np.testing.assert_array_equal(positions[..., 0], seen[:-1, 1:])
    np.testing.assert_array_equal(positions[..., 1], seen[:-1, 1:])
    assert seen_by_lift.mask[:, :2].all()
    assert observe(MOTION, 30.0, HUMANML3D, Condition("clean")).mask is None


def test_noise_depends_on_seed_motion_and_azimuth_and_on_nothing_else():
    first, first_seen = noisy_view(VIEW, LEVEL, "m", 30.0)
    noisy_view(VIEW[:50], LEVEL, "other", 0.0)  # what is measured in between
    again, again_seen = noisy_view(VIEW, LEVEL, "m", 30.0)
    np.testing.assert_array_equal(first, again)
    np.testing.assert_array_equal(first_seen, again_seen)
    for other in (
        noisy_view(VIEW, NoiseLevel(seed=2), "m", 30.0),
        noisy_view(VIEW, LEVEL, "n", 30.0),
        noisy_view(VIEW, LEVEL, "m", 45.0),
    ):
        assert (other[1] != first_seen).any()


@pytest.mark.parametrize("wrong", [{"jitter": -0.1}, {"missing": 0.5}, {"missing": -0.1}])
def test_an_impossible_noise_is_refused(wrong):
    with pytest.raises(ValueError, match="noise must have jitter >= 0 and a share"):
        NoiseLevel(**wrong)


def test_cleaning_brings_a_noisy_view_closer_to_the_truth_and_fills_gaps():
    noisy, seen = noisy_view(VIEW, LEVEL, "m", 30.0)
    cleaned, known = clean_view(noisy, seen)
    assert cleaned.shape == VIEW.shape
    assert known.mean() > 0.99 > seen.mean()
    np.testing.assert_array_equal(cleaned[0, 0], 0.0)
    assert (cleaned[~known] == 0.0).all()

    def local(view):
        return view - view[:, :1]

    usable = seen & known
    before = np.abs(local(noisy) - local(VIEW))[usable].mean()
    after = np.abs(local(cleaned) - local(VIEW))[usable].mean()
    assert after < 0.9 * before
    lost = seen.copy()
    lost[5, 0] = False
    lost[:, 0] &= np.arange(len(lost)) < 100
    with pytest.raises(ValueError, match="root in every frame"):
        clean_view(noisy, lost)
