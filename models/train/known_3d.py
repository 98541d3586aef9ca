"""The paper's "50 % 3D": which training motions keep their 3D, and what may be known without it."""

import hashlib
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from models.data.motion import Motion
from models.train.train_config import TrainConfig
from pipeline.arrays import Bool
from pipeline.normalisation import Statistics

_BUCKETS = 2**32


def keeps_3d(motion_id: str, fraction: float, seed: int) -> bool:
    """Whether a motion is among the share that keeps its 3D.

    A function of id and seed alone: adding motions moves nobody, and a smaller share is a subset
    of a larger one.
    """
    digest = hashlib.sha256(f"{seed}:{motion_id}".encode()).digest()
    return int.from_bytes(digest[:4], "big") < fraction * _BUCKETS


def known_3d(motions: Sequence[Motion], config: TrainConfig) -> Bool:
    """(N,) True for motions whose 3D the run may use.

    A mirror image goes with its original: it would tell the same poses.
    """
    share, seed = config.fraction_3d, config.subset_seed
    kept = [m.has_3d and keeps_3d(_recording(m.motion_id), share, seed) for m in motions]
    return np.array(kept, dtype=np.bool_)


def shown_3d(motions: Sequence[Motion], config: TrainConfig) -> Tensor | None:
    """`known_3d` as training takes it: None when all motions keep their 3D."""
    known = known_3d(motions, config)
    return None if known.all() else torch.from_numpy(known)


def _recording(motion_id: str) -> str:
    """The same for a motion and its mirror image, also where the motion's own id begins with M."""
    return motion_id.lstrip("M")


def without_hidden_3d(everything: Statistics, known: Statistics) -> Statistics:
    """2D statistics of all motions with the 3D statistics of those that keep their 3D."""
    return replace(everything, mean3=known.mean3, std3=known.std3)
