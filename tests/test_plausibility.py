"""Physical figures: what they must be on motions whose answer is known."""

from dataclasses import asdict, fields

import numpy as np
import pytest
from synthetic_motion import random_motion
from truth_clips import canonical_motion

from flows.quality_figures import FIGURES as STORED
from pipeline.canonical import canonicalise
from pipeline.plausibility import (
    FIGURES,
    FLOOR_TOLERANCE_M,
    Plausibility,
    count_unstanding,
    foot_skating,
    jitter,
    mean_plausibility,
    plausibility,
    skating_ratio,
)
from pipeline.skeletons import HUMANML3D, KIT, Skeleton

NOTHING = Plausibility(0.0, 0.0, 0.0, 0.0, 0.0, 0.0)


def still(frames: int = 40, skeleton: Skeleton = HUMANML3D) -> np.ndarray:
    """One pose held, its lowest joint on the floor."""
    if skeleton is HUMANML3D:
        pose = canonical_motion("JumpingJack")[0]
    else:
        pose = canonicalise(random_motion(0, 4, skeleton), skeleton)[0] * skeleton.metres_per_unit
    pose = pose - [0.0, pose[:, 1].min(), 0.0]
    return np.repeat(pose[None], frames, axis=0)


def moved(motion: np.ndarray, speed: float, skeleton: Skeleton = HUMANML3D) -> np.ndarray:
    """The body carried along X, metres a second."""
    seconds = np.arange(len(motion)) / skeleton.fps
    return motion + np.stack([speed * seconds, 0 * seconds, 0 * seconds], axis=-1)[:, None]


@pytest.mark.parametrize("skeleton", [HUMANML3D, KIT])
def test_a_still_pose_on_the_floor_has_nothing_to_blame(skeleton: Skeleton) -> None:
    found = plausibility(still(skeleton=skeleton), skeleton)
    assert asdict(found) == pytest.approx(asdict(NOTHING), abs=1e-9)


@pytest.mark.parametrize("skeleton", [HUMANML3D, KIT])
@pytest.mark.parametrize("speed", [0.1, 0.3, 0.6])
def test_sliding_feet_skate_at_their_speed(speed: float, skeleton: Skeleton) -> None:
    found = plausibility(moved(still(skeleton=skeleton), speed, skeleton), skeleton)
    assert found.foot_skating == pytest.approx(speed, rel=1e-6)
    assert (found.floating, found.penetration) == (0.0, 0.0)
    assert found.jitter == pytest.approx(0.0, abs=1e-6)
    assert found.bone_variation == pytest.approx(0.0, abs=1e-9)


def test_only_the_foot_that_slides_skates() -> None:
    """The mean is over standing feet: one of two sliding halves it."""
    sliding = still()
    left = list(HUMANML3D.feet_left)
    sliding[:, left, 0] += 0.4 / HUMANML3D.fps * np.arange(len(sliding))[:, None]
    assert foot_skating(sliding, HUMANML3D) == pytest.approx(0.2, rel=1e-6)


def test_where_no_foot_stands_skating_is_unknown_and_never_zero() -> None:
    assert foot_skating(moved(still(), 2.0), HUMANML3D) is None
    lifted = moved(still(), 0.3)
    lifted[:-1, :, 1] += 0.5  # only the last frame touches the ground
    skating = foot_skating(lifted[:-1], HUMANML3D)
    assert skating is not None and skating > 0.0
    assert foot_skating(lifted, HUMANML3D) is None


@pytest.mark.parametrize("skeleton", [HUMANML3D, KIT])
@pytest.mark.parametrize(("speed", "ratio"), [(0.4, 0.0), (0.6, 100.0), (0.9, 100.0), (3.0, 100.0)])
def test_who_glides_faster_than_feet_stand_skids_in_every_frame(
    speed: float, ratio: float, skeleton: Skeleton
) -> None:
    found = plausibility(moved(still(skeleton=skeleton), speed, skeleton), skeleton)
    assert found.skating_ratio == ratio
    assert (found.foot_skating is None) == (speed >= 0.9)


def test_a_skid_counts_the_frames_in_which_one_foot_touches_and_slides() -> None:
    """41 frames, 40 steps: one foot skids in 10 of them, then the whole body jumps fast."""
    motion = still(41)
    left = list(HUMANML3D.feet_left)
    motion[:, left, 0] += (0.05 * np.minimum(np.arange(41), 10))[:, None]  # 1 m/s
    assert skating_ratio(motion, HUMANML3D) == pytest.approx(25.0)
    motion[20:, :, 1] += 0.3
    motion[20:, :, 2] += (0.1 * np.arange(21))[:, None]  # 2 m/s through the air
    assert skating_ratio(motion, HUMANML3D) == pytest.approx(25.0)
    assert skating_ratio(motion[:1], HUMANML3D) == 0.0


@pytest.mark.parametrize("skeleton", [HUMANML3D, KIT])
def test_a_body_lifted_ten_centimetres_floats_ten_centimetres(skeleton: Skeleton) -> None:
    up = np.array([0.0, 0.1, 0.0])
    found = plausibility(still(skeleton=skeleton) + up, skeleton)
    assert found.floating == pytest.approx(100.0)
    assert asdict(found) == pytest.approx({**asdict(NOTHING), "floating": 100.0}, abs=1e-9)
    half = still(skeleton=skeleton)
    half[: len(half) // 2] += up
    assert plausibility(half, skeleton).floating == pytest.approx(50.0)


@pytest.mark.parametrize("skeleton", [HUMANML3D, KIT])
def test_sunk_feet_penetrate_by_their_depth(skeleton: Skeleton) -> None:
    found = plausibility(still(skeleton=skeleton) - np.array([0.0, 0.04, 0.0]), skeleton)
    assert asdict(found) == pytest.approx({**asdict(NOTHING), "penetration": 40.0}, abs=1e-9)


def test_a_few_millimetres_are_touching() -> None:
    for height in (0.9 * FLOOR_TOLERANCE_M, -0.9 * FLOOR_TOLERANCE_M):
        found = plausibility(still() + np.array([0.0, height, 0.0]), HUMANML3D)
        assert (found.floating, found.penetration) == (0.0, 0.0)


def test_sinking_does_not_make_up_for_floating() -> None:
    both = still()
    both[:20, :, 1] += 0.1
    both[20:, :, 1] -= 0.1
    found = plausibility(both, HUMANML3D)
    assert (found.floating, found.penetration) == pytest.approx((50.0, 50.0))


def test_jitter_is_the_third_derivative_in_si_units() -> None:
    """x = t^3 metres has a third derivative of 6 m/s^3 everywhere, at any frame rate."""
    for skeleton in (HUMANML3D, KIT):
        motion = still(skeleton=skeleton)
        motion[..., 0] += ((np.arange(len(motion)) / skeleton.fps) ** 3)[:, None]
        assert plausibility(motion, skeleton).jitter == pytest.approx(6.0, rel=1e-6)
    assert jitter(still()[:3], HUMANML3D) == 0.0
    shaken = still() + np.random.default_rng(0).normal(0, 0.01, still().shape)
    assert jitter(shaken, HUMANML3D) > 100


@pytest.mark.parametrize("skeleton", [HUMANML3D, KIT])
def test_a_body_that_breathes_has_bones_that_vary_as_much(skeleton: Skeleton) -> None:
    size = 1.0 + 0.05 * np.tile([1.0, -1.0], 20)
    motion = still(skeleton=skeleton) * size[:, None, None]
    assert plausibility(motion, skeleton).bone_variation == pytest.approx(5.0)
    larger = 2.0 * still(skeleton=skeleton)
    assert plausibility(larger, skeleton).bone_variation == pytest.approx(0.0, abs=1e-9)


def test_a_turn_about_the_vertical_and_a_step_aside_change_nothing() -> None:
    motion = canonical_motion("SitDown")
    turn = np.array([[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [-1.0, 0.0, 0.0]])
    other = motion @ turn.T + np.array([3.0, 0.0, -1.0])
    expected = asdict(plausibility(motion, HUMANML3D))
    assert asdict(plausibility(other, HUMANML3D)) == pytest.approx(expected, abs=1e-9)


def test_canonical_motion_capture_never_sinks_and_keeps_its_bones() -> None:
    for name in ("SitDown", "JumpingJack"):
        found = plausibility(canonical_motion(name), HUMANML3D)
        assert found.penetration == 0.0
        assert found.bone_variation < 1e-3


def test_every_figure_has_words_and_the_stored_ones_say_the_same() -> None:
    assert list(FIGURES) == [f.name for f in fields(Plausibility)]
    stored = {figure.column.removeprefix("quality_"): figure for figure in STORED}
    for name in ("foot_skating", "jitter"):
        figure = stored[name]
        assert (figure.label, figure.unit, figure.meaning) == FIGURES[name]


def test_means_are_over_motions_and_leave_out_what_is_unknown() -> None:
    one, two = Plausibility(1, 2, 2, 3, 4, 5), Plausibility(3, 0, 2, 1, 0, 7)
    gliding = Plausibility(None, 100, 2, 2, 2, 6)
    assert mean_plausibility([one, two]) == Plausibility(2, 1, 2, 2, 2, 6)
    assert mean_plausibility([one, two, gliding]) == Plausibility(2, 34, 2, 2, 2, 6)
    assert mean_plausibility([gliding]) == gliding
    assert [count_unstanding(each) for each in ([one, two], [one, gliding])] == [0, 1]
    with pytest.raises(ValueError, match="no motion to average"):
        mean_plausibility([])


@pytest.mark.parametrize(
    ("motion", "sentence"),
    [
        (np.zeros((40, 21, 3)), r"joints must be \(T, 22, 3\), got \(40, 21, 3\)"),
        (np.zeros((3, 22, 3)), "needs a motion of 4 frames or more, got 3"),
        (np.full((40, 22, 3), np.nan), "the motion holds NaN or infinity"),
    ],
)
def test_what_cannot_be_judged_is_refused(motion: np.ndarray, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        plausibility(motion, HUMANML3D)
