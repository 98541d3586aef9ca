"""The One-Euro filter (Casiez et al. 2012), the smoothing that the paper puts on pseudo labels.

Every call starts afresh: the published code keeps the filter's state from one batch to the next,
so a clip's first frames are dragged towards another clip's last ones.
"""

import numpy as np

from pipeline.arrays import AnyFloat, Float64

SAMPLE_TIME = 1.0
"""The paper's te, frames: cutoffs are then in cycles per frame."""
MIN_CUTOFF = 0.05
"""Cutoff of a signal at rest, cycles per frame with the default te."""
BETA = 0.004
"""How fast the cutoff opens with speed (cutoff per unit of |signal change| per te)."""
DERIVATIVE_CUTOFF = 1.0
"""Cutoff of the speed estimate, cycles per frame with the default te."""


def one_euro(
    signal: AnyFloat,
    te: float = SAMPLE_TIME,
    min_cutoff: float = MIN_CUTOFF,
    beta: float = BETA,
    derivative_cutoff: float = DERIVATIVE_CUTOFF,
) -> AnyFloat:
    """Smooth a signal in time; causal, so fast motion lags a little.

    Args:
        signal: (T, ...) one clip, time first; every entry is filtered on its own.
        te: Time between samples.
        min_cutoff: Cutoff frequency at rest; lower smooths more.
        beta: Growth of the cutoff with speed; higher lags less.
        derivative_cutoff: Cutoff frequency of the speed estimate.

    Returns:
        The filtered signal, same shape and dtype; its first sample is the signal's.

    Raises:
        ValueError: No time axis, values that are not finite, or a te or cutoff that is not
            positive.
    """
    if signal.ndim == 0 or not np.isfinite(signal).all():
        raise ValueError("the One-Euro filter needs a (T, ...) signal of finite values")
    if min(te, min_cutoff, derivative_cutoff) <= 0.0 or beta < 0.0:
        raise ValueError("te, min_cutoff and derivative_cutoff must be positive, beta not negative")
    samples = signal.astype(np.float64)
    out = samples.copy()
    speed = np.zeros(samples.shape[1:])
    speed_gain = smoothing_gain(np.float64(derivative_cutoff), te)
    for i in range(1, len(samples)):
        raw_speed = (samples[i] - out[i - 1]) / te
        speed = speed + speed_gain * (raw_speed - speed)
        gain = smoothing_gain(min_cutoff + beta * np.abs(speed), te)
        out[i] = out[i - 1] + gain * (samples[i] - out[i - 1])
    return out.astype(signal.dtype)


def smoothing_gain(cutoff: Float64 | np.float64, te: float) -> Float64 | np.float64:
    """Share of the new sample in exponential smoothing: 1 / (1 + tau / te), tau = 1 / (2 pi fc)."""
    return 1.0 / (1.0 + 1.0 / (2.0 * np.pi * cutoff * te))
