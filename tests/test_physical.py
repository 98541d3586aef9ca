"""The clean-up's promises: rigid bones, feet that stand, a true ground, and motion left alone."""

from dataclasses import replace

import numpy as np
import pytest
from truth_clips import canonical_motion

from pipeline.physical.bones import bone_lengths
from pipeline.physical.clean_up import clean_up
from pipeline.physical.contacts import find_contacts, frames_of, ground_height
from pipeline.physical.legs import move_foot
from pipeline.physical.settings import CleanUpSettings
from pipeline.plausibility import plausibility
from pipeline.skeletons import HUMANML3D, KIT

SETTINGS = CleanUpSettings()
ACTIONS = ["JumpingJack", "SitDown", "Cartwheel"]
CLEAN = {action: canonical_motion(action).astype(np.float32) for action in ACTIONS}


def shaken(action: str) -> np.ndarray:
    """The motion as a poor lift: it shakes, its bones breathe, it glides and floats."""
    motion, rng = CLEAN[action].astype(np.float64), np.random.default_rng(4)
    motion = motion + 0.006 * rng.standard_normal(motion.shape)
    along = np.linspace(0.0, 1.0, len(motion))[:, None]
    glide = 0.6 * along * [1.0, 0.0, 0.4]
    drift = 0.06 * np.sin(6.0 * along) * [0.0, 1.0, 0.0]
    return (motion + (glide + drift)[:, None]).astype(np.float32)


def pose_change_mm(after: np.ndarray, before: np.ndarray) -> float:
    moved = (after - after[:, :1]) - (before - before[:, :1])
    return float(1000.0 * np.linalg.norm(moved, axis=-1).mean())


@pytest.mark.parametrize("action", ACTIONS)
def test_bones_are_constant(action: str) -> None:
    cleaned = clean_up(shaken(action), HUMANML3D).astype(np.float64)
    lengths = [np.linalg.norm(cleaned[:, j] - cleaned[:, p], axis=-1) for p, j in HUMANML3D.bones]
    assert max(np.ptp(length) for length in lengths) < 1e-4


def test_canonical_bones_are_the_data_sets() -> None:
    cleaned = clean_up(shaken("SitDown"), HUMANML3D, replace(SETTINGS, bones="canonical"))
    found = bone_lengths(cleaned.astype(np.float64), HUMANML3D)
    np.testing.assert_allclose(found, HUMANML3D.canonical_lengths, atol=1e-4)


def test_feet_in_contact_are_still() -> None:
    settings = replace(SETTINGS, largest_shift_m=1.0)
    cleaned = clean_up(shaken("JumpingJack"), HUMANML3D, settings).astype(np.float64)
    ground = ground_height(cleaned, HUMANML3D)
    assert ground is not None
    # Found anew with half the speed: what the clean-up held, whatever it took for a contact.
    slow = replace(settings, contact_speed_m_s=settings.contact_speed_m_s / 4)
    feet = find_contacts(cleaned, ground, HUMANML3D, slow)
    slides = [np.linalg.norm(f.slide(cleaned), axis=-1)[f.toe_stands] for f in feet]
    assert sum(len(slide) for slide in slides) > 40
    assert np.median(np.concatenate(slides)) < 1e-4


@pytest.mark.parametrize("action", ["JumpingJack", "SitDown"])
def test_what_shakes_glides_and_floats_gets_better(action: str) -> None:
    before, after = shaken(action), clean_up(shaken(action), HUMANML3D)
    bad, good = plausibility(before, HUMANML3D), plausibility(after, HUMANML3D)
    assert good.foot_skating < 0.6 * bad.foot_skating
    assert good.jitter < 0.5 * bad.jitter
    assert good.floating + good.penetration < bad.floating + bad.penetration
    assert good.bone_variation < 0.01
    # And the pose is nearer to what it was before the harm was done.
    assert pose_change_mm(after, CLEAN[action]) < pose_change_mm(before, CLEAN[action])


@pytest.mark.parametrize("action", ACTIONS)
def test_clean_motion_capture_stays(action: str) -> None:
    motion = CLEAN[action]
    assert pose_change_mm(clean_up(motion, HUMANML3D), motion) < 6.0


@pytest.mark.parametrize("action", ["JumpingJack", "SitDown"])
def test_a_second_time_changes_little(action: str) -> None:
    once = clean_up(shaken(action), HUMANML3D)
    twice = clean_up(once, HUMANML3D)
    assert pose_change_mm(twice, once) < 4.0
    assert pose_change_mm(twice, once) < 0.3 * pose_change_mm(once, shaken(action))


def test_feet_that_nobody_saw_carry_nobody() -> None:
    motion = shaken("JumpingJack")
    seen = np.ones(motion.shape[:2], bool)
    seen[:, [4, 5, 7, 8, 10, 11]] = False
    unseen = clean_up(motion, HUMANML3D, seen=seen)
    rest = clean_up(motion, HUMANML3D, replace(SETTINGS, ground=False, lock_feet=False))
    feet = [*HUMANML3D.feet_left, *HUMANML3D.feet_right]
    others = [j for j in range(22) if j not in feet]
    np.testing.assert_allclose(unseen[:, others], rest[:, others], atol=0.02)
    assert np.linalg.norm(np.diff(unseen[:, 0], axis=0)[:, [0, 2]].sum(0)) > 0.5
    everything = clean_up(motion, HUMANML3D, seen=np.ones_like(seen))
    np.testing.assert_array_equal(everything, clean_up(motion, HUMANML3D))


def test_no_foot_is_left_under_the_floor() -> None:
    sunk = shaken("SitDown") - np.float32([0.0, 0.12, 0.0])
    cleaned = clean_up(sunk, HUMANML3D)
    feet = [*HUMANML3D.feet_left, *HUMANML3D.feet_right]
    assert np.percentile(cleaned[:, feet, 1], 1.0) > -0.005


def test_a_jump_keeps_its_height() -> None:
    still = np.repeat(CLEAN["SitDown"][:1], 60, axis=0).astype(np.float64)
    up = np.zeros(60)
    up[25:35] = 0.4 * np.sin(np.linspace(0.0, np.pi, 10))
    jump = still + up[:, None, None] * [0.0, 1.0, 0.0]
    cleaned = clean_up(jump.astype(np.float32), HUMANML3D, replace(SETTINGS, cutoff_hz=0.0))
    risen = cleaned[:, 0, 1] - cleaned[0, 0, 1]
    assert risen.max() == pytest.approx(up.max(), abs=0.02)
    lowest = cleaned[:, [7, 8, 10, 11], 1].min(axis=1)
    assert lowest[28:32].min() > 0.3


def test_the_low_pass_keeps_landings_out_of_stances() -> None:
    flags = np.zeros(9, bool)
    flags[3:6] = True
    assert frames_of(flags).tolist() == [False] * 3 + [True] * 4 + [False] * 3


def test_a_leg_keeps_its_bones_and_its_bend() -> None:
    motion = CLEAN["SitDown"].astype(np.float64)
    rng = np.random.default_rng(2)
    shift = 0.08 * rng.standard_normal((len(motion), 3))
    moved = move_foot(motion, 7, 10, shift, HUMANML3D)
    for a, b in ((1, 4), (4, 7), (7, 10)):
        before, after = (np.linalg.norm(m[:, a] - m[:, b], axis=-1) for m in (motion, moved))
        np.testing.assert_allclose(after, before, atol=1e-9)
    reached = np.linalg.norm(moved[:, 7] - motion[:, 7] - shift, axis=-1)
    assert np.median(reached) < 1e-9
    np.testing.assert_array_equal(np.delete(moved, [4, 7, 10], 1), np.delete(motion, [4, 7, 10], 1))
    same = move_foot(motion, 7, 10, np.zeros_like(shift), HUMANML3D)
    np.testing.assert_allclose(same, motion, atol=1e-6)


def test_each_step_can_be_left_out() -> None:
    nothing = CleanUpSettings(bones="off", cutoff_hz=0.0, ground=False, lock_feet=False)
    motion = shaken("JumpingJack")
    np.testing.assert_array_equal(clean_up(motion, HUMANML3D, nothing), motion)


@pytest.mark.parametrize("frames", [1, 3])
def test_very_short_motion_gets_its_bones_alone(frames: int) -> None:
    assert clean_up(CLEAN["SitDown"][:frames], HUMANML3D).shape == (frames, 22, 3)


def test_bad_input_is_refused_in_a_sentence() -> None:
    with pytest.raises(ValueError, match="joints must be"):
        clean_up(CLEAN["SitDown"], KIT)
    with pytest.raises(ValueError, match="finite joints"):
        clean_up(np.full((10, 22, 3), np.nan, np.float32), HUMANML3D)
    with pytest.raises(ValueError, match="seen must be"):
        clean_up(CLEAN["SitDown"], HUMANML3D, seen=np.ones((3, 22), bool))
    with pytest.raises(ValueError, match="no canonical bone lengths"):
        clean_up(np.ones((10, 21, 3)), KIT, replace(SETTINGS, bones="canonical"))
    with pytest.raises(ValueError, match="at least 0"):
        CleanUpSettings(cutoff_hz=-1.0)
