"""What a row of the ablation trains on: where the rows are unequal though steps and batch agree."""

from collections.abc import Sequence

import numpy as np

from models.batches.augment import CROP_UNIT
from models.checkpoint import Checkpoint
from models.data.motion import Motion
from models.evaluation.ablation import Share
from models.train.known_3d import known_3d
from models.train.train_config import TrainConfig


def share_of(motions: Sequence[Motion], stage_1: Checkpoint) -> Share:
    """Count what Stage I draws from and moves.

    Args:
        motions: The training split.
        stage_1: What Stage I ended with; it says how it was trained.

    Raises:
        ValueError: It does not say how.
    """
    config = TrainConfig.from_json(stage_1.about.get("train") or {})
    shortest = min(config.windows) if config.bucketed else CROP_UNIT
    drawn = np.array([len(m.joints) - 1 >= shortest for m in motions], dtype=np.bool_)
    network = stage_1.network
    weights = sum(parameter.numel() for parameter in network.parameters())
    unread = 0 if config.trains_2d else sum(p.numel() for p in network.own_parameters("2d"))
    return Share(
        motions_3d=int((drawn & known_3d(motions, config)).sum()),
        motions_2d=int(drawn.sum()) if config.trains_2d else 0,
        parameters=weights - unread,
        windows=config.windows,
    )
