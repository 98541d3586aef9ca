"""A zero-phase low-pass that does not smear a foot's landing over its stance."""

from functools import cache

import numpy as np
from scipy.signal import butter, sosfiltfilt

from pipeline.arrays import Bool, Float64

PADDING_FRAMES = 9
"""By how much the filter mirrors a motion at its ends: its settling time."""
FEWEST_FRAMES = 4


def without_jitter(
    joints: Float64, cutoff_hz: float, fps: float, standing: dict[int, Bool]
) -> Float64:
    """Filter every joint over time, the feet apart from where they stand.

    Args:
        joints: (T, J, 3).
        cutoff_hz: Of the Butterworth filter, order 2, forward and backward; 0: nothing is done.
        fps: Frames a second.
        standing: By joint, (T,) frames in which it stands.
    """
    if not cutoff_hz:
        return joints
    out = _filtered(joints, cutoff_hz, fps)
    for joint, stands in standing.items():
        edges = np.flatnonzero(np.diff(stands.astype(np.int8))) + 1
        for part in np.split(np.arange(len(joints)), edges):
            out[part, joint] = _filtered(joints[part, joint], cutoff_hz, fps)
    return out


def _filtered(track: Float64, cutoff_hz: float, fps: float) -> Float64:
    if len(track) < FEWEST_FRAMES:
        return track.copy()
    padding = min(PADDING_FRAMES, len(track) - 1)
    return np.asarray(sosfiltfilt(_low_pass(cutoff_hz, fps), track, axis=0, padlen=padding))


@cache
def _low_pass(cutoff_hz: float, fps: float) -> Float64:
    return np.asarray(butter(2, cutoff_hz, fs=fps, output="sos"))
