"""How sure the mean errors of a lift are: what other motions of the same kind might have given."""

from collections.abc import Sequence
from dataclasses import astuple

import numpy as np

from models.lifting.lift_tally import Errors, Tally, errors

RESAMPLES = 2000
PERCENTILES = (2.5, 97.5)
SEED = 0
"""Of the resampling: the same errors have the same interval."""
HOW = (
    f"95 %: percentile bootstrap over motions, each with all its frames and views; {RESAMPLES} "
    "resamples"
)
VELOCITY = 4
"""Place of the velocity among `Errors`: it alone is a mean over steps."""


def interval_over_motions(motions: Sequence[Tally], shape: int) -> tuple[Errors, Errors] | None:
    """Ends of the 95 % interval of the mean errors; None for one motion, which says nothing of it.

    Frames of one motion are alike, so that motions are drawn (with replacement), not frames.

    Args:
        motions: The sums of each motion.
        shape: The frame of reference that PA-MPJPE is told of.
    """
    if len(motions) < 2:
        return None
    means = np.array([astuple(errors(part, shape)) for part in motions], np.float64)
    weights = np.repeat([[float(part.frames)] for part in motions], means.shape[1], axis=1)
    weights[:, VELOCITY] = [part.steps for part in motions]
    draw = np.random.default_rng(SEED)
    n = len(motions)
    times = draw.multinomial(n, np.full(n, 1.0 / n), size=RESAMPLES).astype(np.float64)
    drawn = (times @ (means * weights)) / (times @ weights)
    low, high = np.percentile(drawn, PERCENTILES, axis=0).tolist()
    return Errors(*low), Errors(*high)
