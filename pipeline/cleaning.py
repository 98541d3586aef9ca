"""From a detector's jumpy, gappy joints to an even 20 fps: gaps, spikes, smoothing, runs."""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import median_filter
from scipy.signal import butter, sosfiltfilt

from pipeline.arrays import Bool, Float32, Float64
from pipeline.joint_mapping import MappedPose
from pipeline.skeletons import HUMANML3D

PELVIS = 0


@dataclass(frozen=True)
class CleaningConfig:
    """What cleaning changes; part of a data set's recipe."""

    fps: float = HUMANML3D.fps
    max_gap_s: float = 0.25
    """Longest stretch without a joint that is bridged by a straight line; longer stays masked."""
    spike_frames: int = 3
    """Width of the running median that removes single-frame jumps; 1 switches it off."""
    cutoff_hz: float = 6.0
    """Zero-phase low-pass (Butterworth, order 2, forward and backward); 0 switches it off."""
    min_frames: int = 41
    """Shortest run that becomes a motion: 41 positions give the paper's shortest clip, 40 rows."""
    min_joints: int = 12
    """Fewest joints that must be known in a frame of a run, of 22."""


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
    """Interpolate onto an even time grid, remove spikes, smooth, and cut into runs.

    Args:
        pose: The 22 joints at true frame times.
        config: Limits and filters.

    Returns:
        Runs of at least `min_frames` in which the pelvis and `min_joints` are known; may be empty.
    """
    known = np.flatnonzero(pose.seen[:, PELVIS])
    if len(known) < 2:
        return []
    start, stop = float(pose.times[known[0]]), float(pose.times[known[-1]])
    grid = start + np.arange(int(np.floor((stop - start) * config.fps + 1e-6)) + 1) / config.fps
    joints, seen, confidence = _resample(pose, grid, config.max_gap_s)
    good = seen[:, PELVIS] & (seen.sum(axis=1) >= config.min_joints)
    runs = []
    for a, b in spans(good):
        if b - a < config.min_frames:
            continue
        smooth = np.stack([_filter(joints[a:b, j], seen[a:b, j], config)
                           for j in range(joints.shape[1])], axis=1)  # fmt: skip
        smooth[~seen[a:b]] = 0.0
        runs.append(
            CleanRun(
                joints=smooth.astype(np.float32),
                seen=seen[a:b],
                confidence=confidence[a:b],
                start_s=float(grid[a]),
                start_frame=a,
            )
        )
    return runs


def spans(flags: Bool) -> list[tuple[int, int]]:
    """[start, stop) of every unbroken stretch of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(np.int8)))
    return [(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def _resample(
    pose: MappedPose, grid: Float64, max_gap_s: float
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
        after = np.searchsorted(times, grid).clip(0, len(times) - 1)
        before = (after - 1).clip(0)
        exact = np.isclose(times[after], grid, atol=1e-6)
        between = (times[before] <= grid) & (grid <= times[after])
        bridged = between & (times[after] - times[before] <= max_gap_s + 1e-6)
        # The first and last sighting stand for the half frame around them.
        edge = np.abs(times[after] - grid) <= 0.5 / HUMANML3D.fps
        seen[:, j] = exact | bridged | edge
        for axis in range(2):
            out[:, j, axis] = np.interp(grid, times, pose.joints[index, j, axis])
        confidence[:, j] = np.interp(grid, times, pose.confidence[index, j]) * seen[:, j]
    return out, seen, confidence


def _filter(track: Float64, seen: Bool, config: CleaningConfig) -> Float64:
    """Median, then zero-phase low-pass, within each unbroken stretch of one joint (T, 2)."""
    out = track.copy()
    sos = None
    if config.cutoff_hz:
        sos = butter(2, config.cutoff_hz, fs=config.fps, output="sos")
    for a, b in spans(seen):
        part = track[a:b]
        if config.spike_frames > 1 and b - a >= config.spike_frames:
            part = median_filter(part, size=(config.spike_frames, 1), mode="nearest")
        if sos is not None and b - a > 1:
            part = sosfiltfilt(sos, part, axis=0, padlen=min(9, b - a - 1))
        out[a:b] = part
    return out
