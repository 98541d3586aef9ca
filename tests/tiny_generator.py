"""A tiny network to generate with, and requests for it."""

import numpy as np
import torch

from models.checkpoint import Checkpoint
from models.generate.generation import (
    MotionRequest,
)
from models.network import CrossDiff, NetworkConfig
from pipeline.normalisation import Statistics
from pipeline.skeletons import HUMANML3D, Skeleton


def tiny_checkpoint(
    skeleton: Skeleton = HUMANML3D, text_dim: int = 8, *, masks_padding: bool = True
) -> Checkpoint:
    torch.manual_seed(0)
    network = CrossDiff(
        NetworkConfig(
            width=16, feed_forward=32, root_feed_forward=16, heads=2, private_layers=1,
            shared_layers=2, root_layers=1, dim3=skeleton.dim3, dim2=skeleton.dim2,
            text_dim=text_dim, max_frames=56,
        )
    ).eval()  # fmt: skip
    rng = np.random.default_rng(0)

    def values(width: int) -> np.ndarray:
        return rng.uniform(0.01, 0.1, width).astype(np.float32)

    statistics = Statistics(
        values(skeleton.dim3), values(skeleton.dim3), values(skeleton.dim2), values(skeleton.dim2)
    )
    return Checkpoint(network, statistics, skeleton, "tiny", masks_padding)


def request(frames: int, seed: int = 0) -> MotionRequest:
    text = np.random.default_rng(seed).normal(size=8).astype(np.float32)
    return MotionRequest(text, frames, seed)
