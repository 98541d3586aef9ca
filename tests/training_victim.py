"""A tiny training run in its own process, to be killed: `training_victim.py OUT SECONDS [STAGE]`.

Prints each progress line and then waits SECONDS, so that a test can strike between two steps. At
the end it prints a digest of the weights it ended with.
"""

import dataclasses
import hashlib
import sys
import time
from pathlib import Path
from typing import Literal

from synthetic_motion import random_motions

from models.augment import CameraAugmentation, DetectorNoise
from models.network import NetworkConfig
from models.train_config import TrainConfig
from models.training import train
from models.training_data import MotionBank, build_bank, training_statistics
from pipeline.normalisation import Statistics

TINY_NETWORK = NetworkConfig(
    width=16, feed_forward=32, root_feed_forward=16, heads=2, private_layers=1, shared_layers=2,
    root_layers=1, text_dim=8, max_frames=48,
)  # fmt: skip
TINY = TrainConfig(
    network=TINY_NETWORK,
    steps=12,
    batch_size=3,
    windows=(16, 40),
    learning_rate=3e-3,
    warmup_steps=3,
    cosine_decay=True,
    weight_decay=0.01,
    gradient_clip=1.0,
    ema_decay=0.9,
    zero_step_share=0.4,
    camera=CameraAugmentation(continuous=0.5, elevation_deg=12.0),
    noise=DetectorNoise(share=0.5),
    masks_padding=True,
    log_every=1,
    validate_every=4,
)
"""Every option that carries state from step to step is on."""


def tiny_data() -> tuple[MotionBank, MotionBank, Statistics]:
    """Training and validation banks, and statistics."""
    motions = random_motions([30, 60, 24, 45])
    return (
        build_bank(motions, TINY_NETWORK.text_dim),
        build_bank(motions[:2], TINY_NETWORK.text_dim),
        training_statistics(motions),
    )


def main(out: Path, pause: float, stage: Literal[1, 2] = 1) -> None:
    """Train TINY into `out`, pausing after each line."""

    def say(message: str) -> None:
        print(message, flush=True)
        time.sleep(pause)

    config = dataclasses.replace(TINY, stage=stage)
    run = train(config, *tiny_data(), out, resume=True, say=say)
    state = b"".join(v.numpy().tobytes() for v in run.network.state_dict().values())
    print(f"weights {hashlib.sha256(state).hexdigest()}\n", end="", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), float(sys.argv[2]), 2 if sys.argv[3:] == ["2"] else 1)
