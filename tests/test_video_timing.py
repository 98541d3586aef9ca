"""Properties of the clockwork: frames chosen by time, and times put right."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.video.notices import Notice
from pipeline.video.timing import (
    TIE_S,
    duration_s,
    is_sound,
    measured_fps,
    nearest_index,
    pick_nearest,
    repair_times,
)

steps = st.lists(st.floats(0.002, 2.0), min_size=0, max_size=200)
rates = st.floats(1.0, 120.0)


def clock(gaps: list[float]) -> np.ndarray:
    return np.concatenate([[0.0], np.cumsum(gaps)])


@given(steps, rates)
def test_every_grid_time_gets_its_nearest_frame_and_no_other_frame_is_taken(gaps, fps):
    times = clock(gaps)
    picked = times[pick_nearest(times, fps)]
    grid = np.arange(int(np.floor(times[-1] * fps + 0.5)) + 1) / fps
    best = np.abs(grid[:, None] - times[None]).min(axis=1)
    ours = np.abs(grid[:, None] - picked[None])
    assert np.all(ours.min(axis=1) <= best + TIE_S)
    assert np.all(ours.min(axis=0) <= 0.5 / fps + np.diff(times, prepend=-1).max())
    assert len(picked) <= len(grid) and picked[0] == 0


@given(st.integers(1, 300), st.sampled_from([20.0, 23.976, 25.0, 29.97, 30.0, 50.0, 60.0, 120.0]))
def test_a_faster_video_gives_the_grid_rate_and_a_slower_one_all_frames(n, rate):
    times = np.arange(n) / rate
    assert abs(int(pick_nearest(times, 20.0).sum()) - (times[-1] * 20 + 1)) <= 1
    assert pick_nearest(times, rate + 1e-6).all()
    assert pick_nearest(times, None).all()


def test_times_as_coarse_as_decords_choose_the_same_frames():
    exact = np.arange(1000) / 25
    coarse = exact.astype(np.float32).astype(np.float64)
    assert np.array_equal(pick_nearest(exact, 20.0), pick_nearest(coarse, 20.0))


@given(steps, st.floats(-5, 500))
def test_nearest_index_is_the_argmin(gaps, wanted):
    times = clock(gaps)
    index = nearest_index(times, np.array([wanted]))[0]
    assert abs(times[index] - wanted) <= np.abs(times - wanted).min() + TIE_S


@given(st.lists(st.floats(allow_nan=True, allow_infinity=True), max_size=60), st.floats(-1, 1e9))
def test_whatever_a_demuxer_says_the_times_start_at_zero_and_increase(raw, fps):
    times, _ = repair_times(np.asarray(raw, np.float64), fps)
    assert len(times) == len(raw)
    assert np.all(np.isfinite(times)) and np.all(np.diff(times) > 0)
    assert len(times) == 0 or times[0] == 0


@given(steps)
def test_sound_times_are_left_alone(gaps):
    times = clock(gaps)
    assert is_sound(times)
    repaired, notices = repair_times(times + 0.066, 25.0)
    assert np.allclose(repaired, times) and notices == ()


@pytest.mark.parametrize(
    ("raw", "expected", "notices"),
    [
        ([0.04, 0.08, 0.12, 0.0], [0, 0.04, 0.08, 0.12], ()),  # AVI with B-frames: last missing
        ([-3.7e17, -3.7e17, 0.08, 0.12, 0.16, 0.2], np.arange(6) / 25, (Notice.TIMES_FILLED,)),
        ([0.0] * 5, np.arange(5) / 25, (Notice.TIMES_FROM_INDEX,)),
        ([0.0, 0.1, 0.05, 0.2, 0.15], np.arange(5) / 20, (Notice.TIMES_UNORDERED,)),
        ([0, 0.1, 0.2, 0.1, 0.2, 0.3], np.arange(6) / 10, (Notice.TIMES_RESET,)),
        ([0, 0.1, 0.1, 0.3], [0, 0.1, 0.2, 0.3], (Notice.TIMES_FILLED,)),
    ],
)
def test_each_kind_of_broken_clock(raw, expected, notices):
    times, found = repair_times(np.asarray(raw, np.float64), 25.0)
    assert np.allclose(times, expected) and found == notices


def test_sound_means_from_zero_upwards():
    assert not is_sound(np.array([]))
    assert not is_sound(np.array([-0.72, -0.68, 0.0]))  # frames that an edit list hides
    assert not is_sound(np.array([0.0, np.nan]))
    assert not is_sound(np.array([0.0, 0.1, 0.1]))


def test_rate_and_duration_come_from_the_times():
    times = np.array([0.0, 0.1, 0.2, 0.4])
    assert measured_fps(times, 999.0) == pytest.approx(7.5)
    assert duration_s(times, 999.0) == pytest.approx(0.5)
    assert measured_fps(times[:1], 30.0) == 30.0
    assert duration_s(times[:1], -1.0) == pytest.approx(1 / 25)
