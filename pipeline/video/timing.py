"""Display times: put right where a file's own are missing or jumbled, and sampled onto a grid."""

import numpy as np

from pipeline.arrays import Bool, Float64, Int64
from pipeline.video.notices import Notice

MAX_TIME_S = 1e7
"""Beyond this a "time" is a codec's mark for "none" (AV_NOPTS_VALUE in seconds)."""
MIN_STEP_S = 1e-4
"""Smallest gap between two frames; times are strictly increasing."""
FALLBACK_FPS = 25.0
"""Frame rate taken when a file names neither times nor a rate."""
MIN_FPS, MAX_FPS = 0.1, 1000.0
"""Header rates outside are not believed."""
TIE_S = 1e-4
"""Frames equally near to a grid time within this: the earlier one. Decord's times are float32."""
MAX_REORDER_FRAMES = 32
"""Frames that a codec may hold back: a longer jump backwards is a restart of the clock."""


def is_sound(times: Float64) -> bool:
    """Whether times (N,) in seconds are finite, start at zero and increase strictly."""
    if len(times) == 0 or not bool(np.all(np.isfinite(times) & (np.abs(times) < MAX_TIME_S))):
        return False
    return abs(float(times[0])) < MIN_STEP_S and bool(np.all(np.diff(times) > 0))


def repair_times(raw: Float64, header_fps: float) -> tuple[Float64, tuple[Notice, ...]]:
    """Make usable display times out of what a demuxer reported.

    Frames come in display order, so a missing time is interpolated from its neighbours, times
    that are merely swapped are sorted, and a clock that restarts (joined recordings) continues
    where it stopped. Without any times, frame number / frame rate.

    Args:
        raw: (N,) seconds as reported; NaN, absurd, or 0 after the first where unknown.
        header_fps: The container's frame rate, used only where times say nothing.

    Returns:
        (N,) strictly increasing seconds from the first frame, and what had to be done.
    """
    n = len(raw)
    known = np.isfinite(raw) & (np.abs(raw) < MAX_TIME_S)
    known[1:] &= raw[1:] != 0
    if known.sum() < max(2, n / 2) or np.ptp(raw[known]) <= 0:
        return np.arange(n) / believable_fps(header_fps), (Notice.TIMES_FROM_INDEX,) * (n > 1)
    notices: list[Notice] = []
    times = _fill(raw, known)
    if bool(np.any(np.diff(times) < 0)):
        times, notice = _reorder(times)
        notices.append(notice)
    repeated = np.concatenate([[False], np.diff(times) <= 0])
    times = _fill(times, ~repeated)
    # A file with B-frames often lacks the last time only; that is not worth a word.
    if bool(repeated.any()) or not bool(known[: n - 1].all()):
        notices.append(Notice.TIMES_FILLED)
    return _strictly_increasing(times - times[0]), tuple(notices)


def believable_fps(header_fps: float) -> float:
    """The header's frame rate, or the fallback where it is absurd."""
    return header_fps if MIN_FPS <= header_fps <= MAX_FPS else FALLBACK_FPS


def measured_fps(times: Float64, header_fps: float) -> float:
    """Mean frames a second over times (N,), the header's rate for a single frame."""
    if len(times) < 2:
        return believable_fps(header_fps)
    return float((len(times) - 1) / (times[-1] - times[0]))


def duration_s(times: Float64, header_fps: float) -> float:
    """Seconds from the first frame's start to the last frame's end."""
    if len(times) < 2:
        return len(times) / believable_fps(header_fps)
    return float(times[-1] - times[0] + np.median(np.diff(times)))


def pick_nearest(times: Float64, fps: float | None) -> Bool:
    """Choose frames by time: for every grid time k / fps the nearest frame, each once.

    Args:
        times: (N,) strictly increasing seconds from 0.
        fps: Grid rate; None takes every frame.

    Returns:
        (N,) True where the frame is taken.
    """
    if fps is None or len(times) == 0:
        return np.ones(len(times), np.bool_)
    grid = np.arange(int(np.floor(times[-1] * fps + 0.5)) + 1) / fps
    picked = np.zeros(len(times), np.bool_)
    picked[nearest_index(times, grid)] = True
    return picked


def nearest_index(times: Float64, wanted: Float64) -> Int64:
    """Index of the frame nearest to each wanted time; the earlier one on a tie."""
    right = np.clip(np.searchsorted(times, wanted), 1, max(len(times) - 1, 1))
    right = np.minimum(right, len(times) - 1)
    left = np.maximum(right - 1, 0)
    nearer_left = wanted - times[left] <= times[right] - wanted + TIE_S
    return np.where(nearer_left, left, right).astype(np.int64)


def _fill(times: Float64, known: Bool) -> Float64:
    """Interpolate unknown times over the frame number, extrapolate with the median step."""
    at = np.flatnonzero(known)
    steps = np.diff(times[at]) / np.diff(at)
    step = _median_step(steps)
    index = np.arange(len(times))
    filled = np.interp(index, at, times[at])
    filled += step * (np.minimum(index - at[0], 0) + np.maximum(index - at[-1], 0))
    return filled


def _median_step(steps: Float64) -> float:
    """Median of the steps forward in time, in seconds."""
    forward = steps[steps > 0]
    return float(np.median(forward)) if len(forward) else 1.0 / FALLBACK_FPS


def _reorder(times: Float64) -> tuple[Float64, Notice]:
    """Sort swapped times, or join the parts of a clock that restarts."""
    ordered = np.sort(times)
    step = float(np.median(np.diff(ordered)))
    backward = np.flatnonzero(np.diff(times) < 0) + 1
    span = float(np.max(times[backward - 1] - times[backward]))
    # Swapped times fall into places of their own when sorted, and were never far from them;
    # a second run over the same clock lands on the first run's places.
    distinct = float(np.min(np.diff(ordered))) >= 0.5 * step
    if distinct and span < MAX_REORDER_FRAMES * step:
        return ordered, Notice.TIMES_UNORDERED
    joined = times.copy()
    usual = _median_step(np.diff(times))
    for start in backward:
        joined[start:] += joined[start - 1] + usual - joined[start]
    return joined, Notice.TIMES_RESET


def _strictly_increasing(times: Float64) -> Float64:
    """Push a time that does not advance just behind the one before it."""
    floor = np.arange(len(times)) * MIN_STEP_S
    advanced: Float64 = np.maximum.accumulate(times - floor)
    return advanced + floor
