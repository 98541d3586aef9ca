"""A tiny training run in its own process, to be killed: `training_victim.py OUT SECONDS|both`.

Prints each progress line and then waits SECONDS, so that a test can strike between two steps.
`both` is for several processes: it trains all stages and prints digests of the weights.
"""

import dataclasses
import hashlib
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

from synthetic_motion import random_motions
from wild_clips import wild_motions

from models.batches.augment import CameraAugmentation
from models.batches.detector_noise import DetectorNoise
from models.data.training_data import MotionBank, build_bank, training_statistics
from models.data.wild_bank import WildBank, build_wild_bank
from models.network import NetworkConfig
from models.train.run_state import Run
from models.train.train_config import TrainConfig
from models.train.training import train
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
ONE_STEP = dataclasses.replace(TINY, steps=1, gradient_clip=0.0, ema_decay=0.0)
"""Shows the gradient: nothing clips or averages it."""
WILD_STEP = dataclasses.replace(ONE_STEP, batch_size=2, wild_ratio=0.5)
"""The same in the wild."""
LATE_SECONDS = 2.0


def tiny_data() -> tuple[MotionBank, MotionBank, Statistics]:
    """Training and validation banks, and statistics."""
    motions = random_motions([30, 60, 24, 45])
    return (
        build_bank(motions, TINY_NETWORK.text_dim),
        build_bank(motions[:2], TINY_NETWORK.text_dim),
        training_statistics(motions),
    )


def tiny_clips() -> WildBank:
    """Three clips with joints that nobody saw; the last is 2D alone."""
    return build_wild_bank(wild_motions([30, 45, 24]), [1.0, 0.5, 0.0], TINY_NETWORK.text_dim)


def say_then_wait(pause: float) -> Callable[[str], None]:
    """Prints a line, and gives a test the time to strike."""

    def say(message: str) -> None:
        print(message, flush=True)
        time.sleep(pause)

    return say


def digest(run: Run) -> str:
    """Names the weights that a run ended with."""
    state = b"".join(v.numpy().tobytes() for v in run.network.state_dict().values())
    return hashlib.sha256(state).hexdigest()


def main(out: Path, pause: float) -> None:
    """Train TINY into `out`, pausing after each line."""
    train(TINY, *tiny_data(), out, resume=True, say=say_then_wait(pause))


def come_late() -> None:
    """All but the first process are late: it must not have begun a run that they then refuse."""
    if os.environ.get("RANK", "0") != "0":
        time.sleep(LATE_SECONDS)


def both_stages(out: Path) -> None:
    """Stage II, where half of the network gets no gradient, and one plain step of the others."""
    data = tiny_data()
    second = train(dataclasses.replace(TINY, stage=2), *data, out / "2", say=say_then_wait(0))
    come_late()
    first = train(ONE_STEP, *data, out / "1", say=say_then_wait(0))
    wild = train(WILD_STEP, *data, out / "w", wild=tiny_clips(), say=say_then_wait(0))
    encoder = "models.text.text_encoder" in sys.modules
    weights = " ".join(digest(run) for run in (second, first, wild))
    print(f"weights {weights} encoder {encoder}\n", end="", flush=True)


if __name__ == "__main__":
    if sys.argv[2] == "both":
        both_stages(Path(sys.argv[1]))
    else:
        main(Path(sys.argv[1]), float(sys.argv[2]))
