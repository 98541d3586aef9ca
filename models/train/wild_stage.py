"""The in-the-wild stage: what finetuning on labelled video takes from its parent, and what not.

Selection is not by validation: the last checkpoint is the one that is judged
(`TrainConfig.keeps_last`).
"""

import math
from dataclasses import replace
from typing import Literal

from models.batches.augment import NO_MIX, CameraAugmentation
from models.batches.detector_noise import DetectorNoise
from models.batches.proportions import SAME_BODY
from models.checkpoint import Checkpoint
from models.train.losses import PathWeights
from models.train.train_config import TrainConfig

WildPreset = Literal["paper", "base"]

WILD_WEIGHTS = PathWeights(w33=1.0, w23=0.1, w32=0.1, w22=1.0)
"""The paper's: what reads or writes a pseudo label across dimensions counts a tenth."""
WILD_BATCH, WILD_RATE = 8, 1e-5
"""The paper's batch size and constant learning rate."""
PAPER_EPOCHS = 2000
"""Over the in-the-wild clips."""
PAPER_WINDOW = 196
BASE_STEPS = 1000
SEEN_ZERO_STEP_SHARE = 0.4
"""As the shipped weights were trained."""
LOG_EVERY, VALIDATE_EVERY = 50, 250
"""Steps. A stage is short: its parent's figures would tell once or never."""


def parent_config(checkpoint: Checkpoint) -> TrainConfig:
    """The configuration a checkpoint was trained with, as far as it tells.

    Sizes and `masks_padding` are the checkpoint's own; what it does not tell is the paper's.

    Raises:
        ValueError: What it tells is no training configuration.
    """
    told = checkpoint.about.get("train")
    known = TrainConfig.from_json(told) if isinstance(told, dict) else TrainConfig()
    longest = checkpoint.network.config.max_frames
    windows = tuple(w for w in known.windows if w <= longest) or (longest,)
    return replace(
        known,
        network=checkpoint.network.config,
        masks_padding=checkpoint.masks_padding,
        windows=windows,
    )


def wild_stage(
    parent: TrainConfig,
    preset: WildPreset,
    *,
    steps: int | None,
    wild_ratio: float,
    clips: int | None = None,
    batch_size: int = WILD_BATCH,
    seen_weight: float = 0.0,
) -> TrainConfig:
    """Configuration of the in-the-wild stage.

    `paper`: four cameras, nothing spoilt or mixed, constant rate, whole clips, no averaging.
    `base`: the parent's cameras, detector noise (on the motion capture: clips bring their own),
    averaging and crop lengths, with the paper's losses, batch and rate. Both train all four paths,
    whatever the parent was trained on last, in float32.

    Args:
        parent: From `parent_config`.
        preset: Which of the two.
        steps: None: `BASE_STEPS`, or for `paper` from `paper_steps` of `clips`.
        wild_ratio: Share of in-the-wild clips in a batch, above 0 and at most 1.
        clips: How many clips are trained on; `paper` without steps has to know.
        batch_size: Of both kinds together; an epoch has fewer steps where it is larger.
        seen_weight: `TrainConfig.seen_weight`. It looks at the labelling pass, so with it at least
            `SEEN_ZERO_STEP_SHARE` of the samples are drawn at t = 0.

    Raises:
        ValueError: A value outside its range, or nobody said how long to train.
    """
    if not 0.0 < wild_ratio <= 1.0:
        raise ValueError(f"the in-the-wild ratio is {wild_ratio}: give one above 0 and at most 1")
    common = replace(
        parent,
        stage=1,
        only_3d=False,
        fraction_3d=1.0,
        bucketed=False,
        length_groups=0,
        accumulate=1,
        mix=NO_MIX,
        precision="no",
        compile=False,
        budget_seconds=0.0,
        warmup_steps=0,
        cosine_decay=False,
        batch_size=batch_size,
        learning_rate=WILD_RATE,
        weights=WILD_WEIGHTS,
        steps=BASE_STEPS if steps is None else steps,
        wild_ratio=wild_ratio,
        log_every=LOG_EVERY,
        validate_every=VALIDATE_EVERY,
    )
    if preset == "base":
        return _watching(common, seen_weight)
    if steps is None and clips is None:
        raise ValueError("the paper counts epochs over the clips: say how many there are, or steps")
    paper = replace(
        common,
        windows=(min(PAPER_WINDOW, parent.network.max_frames),),
        weight_decay=0.0,
        gradient_clip=0.0,
        ema_decay=0.0,
        zero_step_share=0.0,
        zero_step_text_drop=0.0,
        position_weight=1.0,
        camera=CameraAugmentation(),
        noise=DetectorNoise(),
        proportions=SAME_BODY,
    )
    if steps is None:
        paper = replace(paper, steps=paper_steps(paper, clips or 0))
    return _watching(paper, seen_weight)


def _watching(config: TrainConfig, seen_weight: float) -> TrainConfig:
    if not seen_weight:
        return config
    share = max(config.zero_step_share, SEEN_ZERO_STEP_SHARE)
    return replace(config, seen_weight=seen_weight, zero_step_share=share)


def paper_steps(config: TrainConfig, clips: int) -> int:
    """Steps after which every clip was seen `PAPER_EPOCHS` times (the last epoch may be begun)."""
    return max(1, math.ceil(PAPER_EPOCHS * clips / config.wild_count))
