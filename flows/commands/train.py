"""`crossdiff train`."""

from pathlib import Path
from typing import Literal

from tyro.conf import FlagCreatePairsOff

from flows.commands.outcome import Outcome
from flows.names import split_names


def train(
    out: Path,
    data: str | None = None,
    stage: Literal[1, 2] | None = None,
    preset: Literal["paper", "base", "small", "tiny"] | None = None,
    config: Path | None = None,
    initial: Path | None = None,
    views: Literal["4", "1", "continuous"] | None = None,
    noise: Literal["none", "base", "blazepose"] | None = None,
    proportions: Literal["canonical", "detected"] | None = None,
    confidence: FlagCreatePairsOff[bool] = False,
    no_shared_encoder: FlagCreatePairsOff[bool] = False,
    fraction_3d: float | None = None,
    only_3d: FlagCreatePairsOff[bool] = False,
    datasets: tuple[str, ...] = (),
    steps: int | None = None,
    batch_size: int | None = None,
    accumulate: int | None = None,
    learning_rate: float | None = None,
    gradient_clip: float | None = None,
    ema_decay: float | None = None,
    precision: Literal["no", "bf16"] | None = None,
    group_lengths: FlagCreatePairsOff[bool] = False,
    compile: FlagCreatePairsOff[bool] = False,
    seed: int | None = None,
    log_every: int | None = None,
    validate_every: int | None = None,
    max_minutes: float | None = None,
    resume: FlagCreatePairsOff[bool] = False,
    json: bool = False,
) -> Outcome:
    """Train CrossDiff on prepared motions. Kill it at any time; --resume continues.

    Several GPUs: `torchrun --nproc_per_node 4 -m flows.cli train ...`, or `accelerate launch`.
    Curves: `tensorboard --logdir OUT`.

    Args:
        out: Folder of the run: config.json, state.pt, best/ and last/ checkpoints, tensorboard/.
        data: Store that `crossdiff prepare` wrote, URL or URL@version; --resume knows it.
        stage: 1: all four paths. 2: 3D to 3D alone from --initial, at a tenth of the rate.
            Default: 1.
        preset: `paper` is the paper's; `base` and `small` are for little data, `tiny` is for
            trying things out on a CPU. Default: like the --initial checkpoint, or `small`.
        config: config.json of a run or a checkpoint to train like, instead of a preset.
        initial: Checkpoint folder to start from; its sizes and statistics are kept.
        views: Cameras: the paper's four, front alone, or any azimuth; default: the preset's.
        noise: How 2D is spoilt: not at all, by guessed jitter and gaps, or as the packaged
            detector was measured to; default: the preset's.
        proportions: Bodies that the 2D input shows: the canonical one alone, or others, as the
            packaged detector finds people's joints; default: the preset's.
        confidence: Tell the network how sure the detector is of each joint; goes on from a
            checkpoint without it too.
        no_shared_encoder: Each dimension has its own copy of the shared layers (an ablation).
        fraction_3d: Share of the motions that keep their 3D; the rest have only 2D (an ablation).
        only_3d: Train 3D to 3D alone in Stage I, on the motions that have 3D (an ablation).
        datasets: Only these data sets of the store; default: all motion capture.
        steps: Optimizer steps; default: the preset's.
        batch_size: Clips a step and process; default: the preset's.
        accumulate: Parts in which a batch goes through the network, one after the other: the same
            gradient with less memory; default: the preset's.
        learning_rate: Of AdamW; default: the preset's.
        gradient_clip: Largest gradient norm, 0 for none; default: the preset's.
        ema_decay: Decay of the averaged weights that are saved, 0 for none; default: the preset's.
        precision: `bf16` for mixed precision; default: the preset's.
        group_lengths: Batches of clips of about one length, padding hidden and left out: the same
            clips in fewer frames.
        compile: Compile the layers first: a minute or two, then faster steps.
        seed: Of weights, data order and noise; default: the preset's.
        log_every: Steps between two progress lines.
        validate_every: Steps between two validations, each of which also saves.
        max_minutes: Stop cleanly after this long; --resume continues.
        resume: Continue the run in --out with the options it was begun with.
        json: Print one JSON object on stdout instead of text.
    """
    from accelerate import PartialState  # noqa: PLC0415

    from flows.train import run_training  # noqa: PLC0415
    from flows.train_options import TrainOptions  # noqa: PLC0415

    options = TrainOptions(
        out=out,
        data=data,
        stage=stage,
        preset=preset,
        config=config,
        initial=initial,
        views=views,
        noise=noise,
        proportions=proportions,
        confidence=confidence,
        no_shared_encoder=no_shared_encoder,
        only_3d=only_3d,
        fraction_3d=fraction_3d,
        datasets=split_names(datasets),
        group_lengths=group_lengths,
        resume=resume,
        max_minutes=max_minutes,
        changes={
            "steps": steps,
            "batch_size": batch_size,
            "accumulate": accumulate,
            "learning_rate": learning_rate,
            "gradient_clip": gradient_clip,
            "ema_decay": ema_decay,
            "precision": precision,
            "compile": compile or None,
            "seed": seed,
            "log_every": log_every,
            "validate_every": validate_every,
        },
    )
    result = run_training(options)
    if not PartialState().is_main_process:
        raise SystemExit(0)  # the first process speaks for all
    return Outcome(result, [f"{key}: {value}" for key, value in result.items()])
