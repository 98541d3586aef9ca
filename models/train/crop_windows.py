"""Which crop lengths a training set can fill."""

import dataclasses
from collections.abc import Sequence

from models.batches.augment import CROP_UNIT
from models.data.motion import Motion
from models.train.train_config import TrainConfig


def longest_rows(motions: Sequence[Motion]) -> int:
    """Feature rows of the longest motion, one less than its frames; 0 without motions."""
    return max((len(m.joints) - 1 for m in motions), default=0)


def fit_windows(config: TrainConfig, longest: int) -> TrainConfig:
    """Leave out windows that no motion can fill, where every window has to be filled.

    Args:
        config: As asked for.
        longest: From `longest_rows` of the training split.

    Raises:
        ValueError: No motion is as long as the shortest crop.
    """
    if longest < CROP_UNIT:
        raise ValueError(f"no training motion has more than {CROP_UNIT} frames")
    if not config.bucketed:
        return config
    windows = tuple(w for w in config.windows if w <= longest)
    return dataclasses.replace(config, windows=windows or (longest // CROP_UNIT * CROP_UNIT,))
