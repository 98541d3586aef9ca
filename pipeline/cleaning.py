"""From a detector's jumpy, gappy joints to an even 20 fps: gaps, spikes, smoothing, runs."""

from dataclasses import dataclass, replace
from functools import cache
from itertools import pairwise

import numpy as np
from scipy.ndimage import median_filter
from scipy.signal import butter, sosfiltfilt

from pipeline.arrays import Bool, Float32, Float64
from pipeline.cleaning_config import CleaningConfig
from pipeline.joint_mapping import MappedPose

PELVIS = 0
TIME_TOLERANCE_S = 1e-6
"""Rounding of frame times: a gap of exactly the limit is still bridged."""
PADDING_FRAMES = 9
"""By how much the low-pass mirrors a stretch at its ends: its settling time."""


@dataclass(frozen=True)
class CleanRun:
    """A stretch in which the person can be followed without a break."""

    joints: Float32
    """(T, 22, 2) pixels at `fps`; 0 where masked."""
    seen: Bool
    """(T, 22) joint was seen or a short gap was bridged."""
    confidence: Float32
    """(T, 22) detector confidence, interpolated; 0 where masked."""
    start_s: float
    """Time of the first frame in the video."""
    start_frame: int
    """The same as a number of frames at `fps` since the person was first seen."""


def clean_pose(pose: MappedPose, config: CleaningConfig) -> list[CleanRun]:
    """Remove spikes, interpolate onto an even time grid, cut into runs, and smooth.

    Args:
        pose: The 22 joints at true frame times.
        config: Limits and filters.

    Returns:
        Runs of at least `min_frames` in which the pelvis and `min_joints` are known; may be empty.
        A longer one than `max_frames` comes as several, smoothed before it was cut.
    """
    known = np.flatnonzero(pose.seen[:, PELVIS])
    if len(known) < 2:
        return []
    start, stop = float(pose.times[known[0]]), float(pose.times[known[-1]])
    grid = start + np.arange(int(np.floor((stop - start) * config.fps + 1e-6)) + 1) / config.fps
    joints, seen, confidence = _resample(pose, grid, config)
    good = seen[:, PELVIS] & (seen.sum(axis=1) >= config.min_joints)
    runs = []
    for a, b in spans(good):
        if b - a < config.min_frames:
            continue
        smooth = _smooth(joints[a:b], seen[a:b], config).astype(np.float32)
        runs += [
            CleanRun(
                joints=smooth[start - a : stop - a],
                seen=seen[start:stop],
                confidence=confidence[start:stop],
                start_s=float(grid[start]),
                start_frame=start,
            )
            for start, stop in pieces(a, b, config.max_frames)
        ]
    return runs


def pieces(start: int, stop: int, longest: int) -> list[tuple[int, int]]:
    """A run [start, stop) as pieces of about equal length, none longer than allowed.

    Neighbours share one frame: the last frame of a run only says where the one before it moves to,
    and is no frame of the motion.

    Args:
        start: First frame.
        stop: Frame after the last.
        longest: Frames of the longest motion; 0 leaves the run whole.
    """
    frames = stop - start - 1
    count = -(-frames // longest) if longest else 1
    edges = np.linspace(start, stop - 1, max(1, count) + 1).round().astype(int).tolist()
    return [(a, b + 1) for a, b in pairwise(edges)]


def with_guesses(run: CleanRun, guesses: MappedPose, config: CleaningConfig) -> CleanRun:
    """A run with the detector's guesses at joints that it was not sure enough of.

    Joints that were seen stay as they are, and so does the run's length: guesses alone make none.

    Args:
        run: Of the sure joints.
        guesses: The same person's joints, mapped with a lower threshold.
        config: As the run was cleaned with.

    Returns:
        The run with `seen` True where a joint was seen or guessed, and the guess' confidence.
    """
    grid = run.start_s + np.arange(len(run.seen)) / config.fps
    joints, known, confidence = _resample(guesses, grid, config)
    smooth = _smooth(joints, known, config).astype(np.float32)
    added = known & ~run.seen
    return replace(
        run,
        joints=np.where(added[..., None], smooth, run.joints),
        seen=run.seen | added,
        confidence=np.where(added, confidence, run.confidence),
    )


def spans(flags: Bool) -> list[tuple[int, int]]:
    """[start, stop) of every unbroken stretch of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(np.int8)))
    return [(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def _resample(
    pose: MappedPose, grid: Float64, config: CleaningConfig
) -> tuple[Float64, Bool, Float32]:
    """Each joint on the grid; known where the sightings around it are close enough in time."""
    frames, joints = len(grid), pose.seen.shape[1]
    out = np.zeros((frames, joints, 2))
    seen = np.zeros((frames, joints), dtype=np.bool_)
    confidence = np.zeros((frames, joints), np.float32)
    for j in range(joints):
        index = np.flatnonzero(pose.seen[:, j])
        if len(index) == 0:
            continue
        times = pose.times[index]
        track = _without_spikes(pose.joints[index, j], times, config)
        after = np.searchsorted(times, grid).clip(0, len(times) - 1)
        before = (after - 1).clip(0)
        between = (times[before] <= grid) & (grid <= times[after])
        bridged = between & (times[after] - times[before] <= config.max_gap_s + TIME_TOLERANCE_S)
        # The last sighting before a gap and the first after it stand for half a frame around them.
        nearest = np.where(grid - times[before] < times[after] - grid, before, after)
        held = np.abs(times[nearest] - grid) <= 0.5 / config.fps
        seen[:, j] = bridged | held
        line = np.stack([np.interp(grid, times, track[:, axis]) for axis in range(2)], axis=-1)
        out[:, j] = np.where(bridged[:, None], line, track[nearest])
        confidence[:, j] = np.interp(grid, times, pose.confidence[index, j]) * seen[:, j]
    return out, seen, confidence


def _without_spikes(track: Float64, times: Float64, config: CleaningConfig) -> Float64:
    """Running median over one joint's sightings (N, 2), where they follow each other closely.

    On sightings, before resampling: interpolation would widen a jump to two frames of the grid,
    and a median of three removes only one. Sightings further apart than frames of the grid are
    left alone: there a jump cannot be told from fast motion.
    """
    half = config.spike_frames // 2
    if half == 0 or len(track) < config.spike_frames:
        return track
    out = track.copy()
    span = times[2 * half :] - times[: -2 * half]
    close = half + np.flatnonzero(span <= config.spike_frames / config.fps + TIME_TOLERANCE_S)
    out[close] = median_filter(track, size=(config.spike_frames, 1))[close]
    return out


def _smooth(joints: Float64, seen: Bool, config: CleaningConfig) -> Float64:
    """Zero-phase low-pass within each unbroken stretch of every joint (T, J, 2); 0 where masked.

    Joints seen in the same frames, mostly all of them, are filtered together.
    """
    if not config.cutoff_hz:
        return np.where(seen[..., None], joints, 0.0)
    out, sos = np.zeros_like(joints), _low_pass(config.cutoff_hz, config.fps)
    patterns, group = np.unique(seen, axis=1, return_inverse=True)
    for number, known in enumerate(patterns.T):
        alike = np.flatnonzero(group.ravel() == number)
        for a, b in spans(known):
            padding = min(PADDING_FRAMES, b - a - 1)
            part = sosfiltfilt(sos, joints[a:b, alike], axis=0, padlen=padding)
            out[a:b, alike] = part
    return out


@cache
def _low_pass(cutoff_hz: float, fps: float) -> Float64:
    """The filter's sections; designing it takes longer than filtering a joint."""
    return np.asarray(butter(2, cutoff_hz, fs=fps, output="sos"))
