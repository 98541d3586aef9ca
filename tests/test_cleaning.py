"""Cleaning: an even clock, bounded gaps, no lag, no spikes, and runs that end where sight ends."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.cleaning import TIME_TOLERANCE_S, CleanRun, clean_pose, pieces
from pipeline.cleaning_config import CleaningConfig
from pipeline.joint_mapping import MappedPose

CONFIG = CleaningConfig()
RAW = replace(CONFIG, spike_frames=1, cutoff_hz=0.0)
"""Resampling and gaps alone."""
WRIST, JOINTS = 20, 22
RATES = [Fraction(25), Fraction(30000, 1001), Fraction(5), Fraction(60)]


def clock(fps: Fraction, seconds: float = 4.0, start: float = 0.37) -> np.ndarray:
    return start + np.arange(int(seconds * fps) + 1) / float(fps)


def swing(times: np.ndarray) -> np.ndarray:
    """(T, 22, 2) pixels: every joint on its own slow ellipse (0.3 to 0.8 Hz)."""
    hertz = np.linspace(0.3, 0.8, JOINTS)
    phase = 2 * np.pi * hertz * times[:, None] + np.arange(JOINTS)
    return np.stack([150 + 40 * np.sin(phase), 100 + 25 * np.cos(phase)], axis=-1)


def seen_pose(joints: np.ndarray, times: np.ndarray, seen: np.ndarray | None = None) -> MappedPose:
    known = np.ones(joints.shape[:2], bool) if seen is None else seen
    shown = np.where(known[..., None], joints, np.nan)
    return MappedPose(shown, known, np.where(known, 0.9, 0.0).astype(np.float32), times)


def one_run(pose: MappedPose, config: CleaningConfig = CONFIG) -> CleanRun:
    runs = clean_pose(pose, config)
    assert len(runs) == 1
    return runs[0]


def hidden(times: np.ndarray, joint: int, start: float, stop: float) -> np.ndarray:
    """Everything seen but one joint strictly between two times."""
    seen = np.ones((len(times), JOINTS), bool)
    seen[(times > start) & (times < stop), joint] = False
    return seen


def grid_of(run: CleanRun) -> np.ndarray:
    return run.start_s + np.arange(len(run.joints)) / CONFIG.fps


@pytest.mark.parametrize("fps", RATES, ids=lambda fps: f"{float(fps):.2f}fps")
def test_any_frame_rate_comes_out_as_the_motion_itself_at_20_fps(fps: Fraction) -> None:
    times = clock(fps)
    run = one_run(seen_pose(swing(times), times))
    assert run.start_s == pytest.approx(times[0])
    assert len(run.joints) == int((times[-1] - times[0]) * CONFIG.fps + 1e-6) + 1
    # Ends apart: a straight line between samples 0.2 s apart cuts corners, a filter has ends.
    off = np.linalg.norm(run.joints - swing(grid_of(run)), axis=-1)[5:-5]
    assert off.max() < (6.0 if fps < 10 else 0.6)  # of 40 pixels


def test_uneven_frame_times_are_taken_as_they_are() -> None:
    """Variable frame rate: treating frames as evenly spaced would be wrong by many pixels."""
    rng = np.random.default_rng(0)
    times = np.cumsum(rng.uniform(0.015, 0.07, 120))
    run = one_run(seen_pose(swing(times), times), RAW)
    off = np.linalg.norm(run.joints - swing(grid_of(run)), axis=-1)
    assert off.max() < 0.6
    by_index = swing(np.linspace(times[0], times[-1], len(times)))
    assert np.linalg.norm(by_index - swing(times), axis=-1).max() > 5


@given(
    start=st.floats(1.0, 2.0), gap=st.floats(0.02, 1.0), fps=st.sampled_from([25.0, 29.97, 20.0])
)
@settings(max_examples=60, deadline=None)
def test_a_gap_is_bridged_up_to_the_limit_by_a_line_and_masked_beyond(
    start: float, gap: float, fps: float
) -> None:
    times = np.arange(int(4 * fps)) / fps
    joints = swing(times)
    seen = hidden(times, WRIST, start, start + gap)
    run = one_run(seen_pose(joints, times, seen), RAW)
    grid = grid_of(run)
    before = np.flatnonzero(times <= start)[-1]
    after = np.flatnonzero(times >= start + gap)[0]
    inside = (grid > times[before] + 1e-9) & (grid < times[after] - 1e-9)
    line = np.stack([
        np.interp(grid, times[[before, after]], joints[[before, after], WRIST, axis])
        for axis in range(2)
    ], axis=-1)  # fmt: skip
    if times[after] - times[before] <= CONFIG.max_gap_s + TIME_TOLERANCE_S:
        assert run.seen[:, WRIST].all()
        np.testing.assert_allclose(run.joints[inside, WRIST], line[inside], atol=1e-3)
    else:
        half = 0.5 / CONFIG.fps + 1e-9
        deep = (grid > times[before] + half) & (grid < times[after] - half)
        assert not run.seen[deep, WRIST].any()
        assert not run.joints[deep, WRIST].any()
        assert not run.confidence[deep, WRIST].any()
        assert run.seen[~inside, WRIST].all()
    others = np.delete(np.arange(JOINTS), WRIST)
    assert run.seen[:, others].all()


def test_masking_is_the_same_backwards_in_time() -> None:
    """The sighting before a gap stands for as long as the one after it."""
    times = np.arange(101) / 25.0
    seen = hidden(times, WRIST, 1.05, 2.2)  # last seen at 1.04, between two frames of the grid
    seen[:, WRIST] &= ~((times > 2.4) & (times < 3.0))
    forward = one_run(seen_pose(swing(times), times, seen), RAW)
    backward = one_run(seen_pose(swing(times)[::-1], times, seen[::-1]), RAW)
    np.testing.assert_array_equal(forward.seen, backward.seen[::-1])
    np.testing.assert_allclose(forward.joints, backward.joints[::-1], atol=1e-3)


def test_a_symmetric_pulse_stays_symmetric() -> None:
    times = np.arange(81) / CONFIG.fps
    joints = swing(np.zeros(81))
    joints[:, WRIST, 0] += 50 * np.exp(-(((times - 2.0) / 0.15) ** 2))
    track = one_run(seen_pose(joints, times)).joints[:, WRIST, 0]
    np.testing.assert_allclose(track, track[::-1], atol=1e-3)
    assert track.argmax() == 40
    assert np.ptp(track) > 35  # the pulse is still there


def test_smoothing_does_not_lag() -> None:
    times = clock(Fraction(25))
    rng = np.random.default_rng(3)
    noisy = swing(times) + rng.normal(0, 1.5, (len(times), JOINTS, 2))
    run = one_run(seen_pose(noisy, times))
    clean = swing(grid_of(run))
    lags = range(-5, 6)
    for joint in range(JOINTS):
        a, b = run.joints[5:-5, joint, 0] - 150.0, clean[:, joint, 0] - 150.0
        match = [float(a @ b[5 + lag : len(b) - 5 + lag]) / np.linalg.norm(
            b[5 + lag : len(b) - 5 + lag]) for lag in lags]  # fmt: skip
        assert lags[int(np.argmax(match))] == 0, joint
    error = np.linalg.norm(run.joints - clean, axis=-1).mean()
    assert error < 0.75 * np.linalg.norm(noisy - swing(times), axis=-1).mean()


@given(at=st.integers(10, 80), fps=st.sampled_from([20.0, 25.0, 29.97]), jump=st.floats(50, 300))
@settings(max_examples=40, deadline=None)
def test_a_single_frame_jump_leaves_no_trace(at: int, fps: float, jump: float) -> None:
    times = np.arange(100) / fps
    joints = swing(times)
    joints[at, WRIST] += jump
    run = one_run(seen_pose(joints, times))
    off = np.linalg.norm(run.joints - swing(grid_of(run)), axis=-1)[5:-5, WRIST]
    assert off.max() < 10.0  # as far as a frame's own motion goes; the jump is 70 to 420 pixels


def test_a_jump_beside_a_gap_does_not_reach_across_it() -> None:
    times = np.arange(100) / 25.0
    joints, seen = swing(times), hidden(times, WRIST, 1.5, 2.5)
    joints[times >= 2.5, WRIST] += 500  # the joint comes back somewhere else
    run = one_run(seen_pose(joints, times, seen))
    before = run.seen[:, WRIST] & (grid_of(run) <= 1.5)
    expected = swing(grid_of(run))[before, WRIST]
    assert np.linalg.norm(run.joints[before, WRIST] - expected, axis=-1).max() < 5.0


def test_runs_are_cut_where_the_pelvis_is_lost_and_keep_their_place_on_the_clock() -> None:
    times = np.arange(250) / 25.0  # 10 s
    runs = clean_pose(seen_pose(swing(times), times, hidden(times, 0, 4.0, 5.0)), CONFIG)
    assert [len(run.joints) for run in runs] == [81, 100]
    assert [run.start_s for run in runs] == pytest.approx([0.0, 5.0])
    for run in runs:
        assert run.start_frame == round(run.start_s * CONFIG.fps)
        assert run.seen.all()
        off = np.linalg.norm(run.joints - swing(grid_of(run)), axis=-1)
        assert off[5:-5].max() < 0.6


def test_a_frame_with_too_few_joints_ends_a_run() -> None:
    times = np.arange(250) / 25.0
    seen = np.ones((250, JOINTS), bool)
    seen[(times > 4) & (times < 5), CONFIG.min_joints - 1 :] = False
    assert len(clean_pose(seen_pose(swing(times), times, seen), CONFIG)) == 2
    seen[:, CONFIG.min_joints - 1] = True
    assert len(clean_pose(seen_pose(swing(times), times, seen), CONFIG)) == 1


@given(frames=st.integers(0, 90))
@settings(max_examples=40, deadline=None)
def test_runs_are_kept_from_the_shortest_length_on(frames: int) -> None:
    times = np.arange(frames) / CONFIG.fps
    runs = clean_pose(seen_pose(swing(times), times), CONFIG)
    assert [len(run.joints) for run in runs] == ([frames] if frames >= CONFIG.min_frames else [])


def test_a_person_whose_pelvis_is_never_seen_gives_no_run() -> None:
    times = np.arange(100) / 25.0
    seen = np.ones((100, JOINTS), bool)
    seen[:, 0] = False
    assert clean_pose(seen_pose(swing(times), times, seen), CONFIG) == []


def test_joints_are_smoothed_together_as_each_would_be_alone() -> None:
    """Joints seen in the same frames share a call of the filter, and nothing else."""
    rng = np.random.default_rng(3)
    times = clock(Fraction(20))
    joints = swing(times) + rng.normal(0, 3, (len(times), JOINTS, 2))
    seen = hidden(times, WRIST, times[20], times[40])
    seen[50:60, [3, 4]] = False
    together = one_run(seen_pose(joints, times, seen))
    for joint in (WRIST, 3, 4, 5):
        others = np.delete(np.arange(JOINTS), [0, joint])
        elsewhere = joints.copy()
        elsewhere[:, others] += 500.0 * rng.normal(size=2)
        alone = seen.copy()
        alone[:, others] = rng.random((len(times), 1)) > 0.05
        moved = replace(CONFIG, min_joints=1)
        run = one_run(seen_pose(elsewhere, times, alone), moved)
        np.testing.assert_allclose(run.joints[:, joint], together.joints[:, joint], atol=1e-4)


@given(st.integers(0, 500), st.integers(2, 3000), st.integers(1, 400))
def test_pieces_of_a_run_make_every_frame_of_its_motion_once(
    start: int, frames: int, longest: int
) -> None:
    """The last frame of a run is none of its motion's: it says where the one before moves to."""
    cut = pieces(start, start + frames, longest)
    motion = [frame for a, b in cut for frame in range(a, b - 1)]
    assert motion == list(range(start, start + frames - 1))
    lengths = [b - 1 - a for a, b in cut]
    assert max(lengths) <= longest and max(lengths) - min(lengths) <= 1
    assert pieces(start, start + frames, 0) == [(start, start + frames)]


def test_a_long_run_becomes_motions_that_follow_one_another() -> None:
    times = clock(Fraction(25), seconds=12.0)
    pose = seen_pose(swing(times), times)
    whole = one_run(pose)
    runs = clean_pose(pose, replace(CONFIG, max_frames=100))
    assert len(runs) == 3
    for run in runs:
        assert CONFIG.min_frames <= len(run.seen) <= 101
        assert run.start_s == pytest.approx(whole.start_s + run.start_frame / CONFIG.fps)
        same = slice(run.start_frame, run.start_frame + len(run.seen))
        # Smoothed before it was cut: no piece has ends of its own.
        np.testing.assert_array_equal(run.joints, whole.joints[same])
    ends = [run.start_frame + len(run.seen) - 1 for run in runs]
    assert [run.start_frame for run in runs] == [0, *ends[:-1]]
    assert ends[-1] == len(whole.seen) - 1


def test_two_minutes_are_one_motion_and_more_are_two() -> None:
    for frames, wanted in ((2401, [2400]), (2402, [1200, 1201]), (12001, [2400] * 5)):
        lengths = sorted(b - 1 - a for a, b in pieces(0, frames, CONFIG.max_frames))
        assert lengths == wanted


def test_a_bound_that_would_leave_no_motion_is_refused() -> None:
    with pytest.raises(ValueError, match=r"0 or at least twice min_frames \(82\), got 81"):
        CleaningConfig(max_frames=81)
    assert CleaningConfig(max_frames=0).settings()["max_frames"] == 0


def test_the_usual_bound_is_not_named_so_that_older_recipes_still_fit() -> None:
    assert "max_frames" not in CONFIG.settings()
    assert CleaningConfig(**CONFIG.settings()) == CONFIG
    shorter = replace(CONFIG, max_frames=1200)
    assert CleaningConfig(**shorter.settings()) == shorter
