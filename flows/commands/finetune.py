"""`crossdiff finetune` and `gate`."""

from pathlib import Path
from typing import Literal

from tyro.conf import FlagCreatePairsOff, Positional

from flows.commands.outcome import Outcome
from flows.names import split_names


def finetune(
    out: Path,
    data: str | None = None,
    wild: str | None = None,
    checkpoint: Path | None = None,
    actions: tuple[str, ...] = (),
    captions: Path | None = None,
    wild_ratio: float = 0.5,
    seen_weight: float = 0.0,
    preset: Literal["base", "paper"] = "base",
    steps: int | None = None,
    batch_size: int | None = None,
    learning_rate: float | None = None,
    seed: int | None = None,
    precision: Literal["no", "bf16"] | None = None,
    validate_every: int | None = None,
    quality: Literal["weight", "filter", "none", "score"] = "weight",
    max_reprojection: float | None = None,
    min_score: float | None = None,
    poor: Literal["2d", "drop"] = "2d",
    only_2d: FlagCreatePairsOff[bool] = False,
    holdout: float | None = 0.25,
    datasets: tuple[str, ...] = (),
    wild_datasets: tuple[str, ...] = (),
    text_encoder: Path | None = None,
    models: Path | None = None,
    tolerance: float = 0.02,
    certain: FlagCreatePairsOff[bool] = False,
    no_gate: FlagCreatePairsOff[bool] = False,
    resume: FlagCreatePairsOff[bool] = False,
    max_minutes: float | None = None,
    json: bool = False,
) -> Outcome:
    """Go on training a checkpoint on videos; promote it if it is better than its parent.

    Killed at any time, the same command goes on. What it judges by is held out: clips of one
    recording are never on both sides. Status 1 when the checkpoint is rejected.

    Args:
        out: Folder of the run: finetune.json, best/ (the checkpoint), gate/report.html, gate.json.
        data: Motion capture: the store that `crossdiff prepare` wrote, URL or URL@version.
        wild: Motions from video: the store that `crossdiff ingest` wrote, URL or URL@version.
        checkpoint: To go on from; a folder of models stands for the one promoted there.
        actions: Only these classes of the videos; default: all.
        captions: Your sentences by class: JSON {class: [sentences]}, or CSV with action,caption.
            Before them go a clip's own captions, after them those that come with the package.
        wild_ratio: Share of each batch that is from video, up to 1.
        seen_weight: Weight of a loss that is not the paper's: the distance between the lift of a
            clip and the joints that were seen in it (1 at 10 cm); e.g. 0.1.
        preset: `base`: the parent's cameras, noise and averaging with the paper's in-the-wild
            losses; `paper`: the paper's stage, 2000 epochs over the clips.
        steps: Optimizer steps; default: the preset's.
        batch_size: Clips a step, both kinds; default: 8.
        learning_rate: Of AdamW; default: 1e-5.
        seed: Of data order and noise; default: the parent's.
        precision: `bf16` for mixed precision; default: `no`, float32.
        validate_every: Steps between two validations, each kept as a checkpoint; default: 250.
        quality: What a label's reprojection error means: `weight` it down, `filter` beyond
            --max-reprojection, or `none`; `score` weighs a label by its calibrated score instead,
            one without a score by its error. Curators' decisions go before it.
        max_reprojection: Metres at which a label counts half, or is poor; default: 0.1.
        min_score: With `--quality score`: labels under this score, 0 to 1, are poor.
        poor: With `filter`: train poor clips in 2D alone, or drop them.
        only_2d: Use no 3D label at all.
        holdout: Share of each class's recordings that is held out; `None`: the stored splits.
        datasets: Data sets of --data; default: all motion capture.
        wild_datasets: Data sets of --wild; default: all from video.
        text_encoder: Weights of the checkpoint's text encoder, where they are not packaged.
        models: Folder of the pointer promoted.json; default: the one that --out is in.
        tolerance: By what share the figures on motion capture may get worse.
        certain: Promote only when the improvement's 95 % interval excludes 0.
        no_gate: Only train; `crossdiff gate OUT` judges later.
        resume: Continue the run in --out with the options that it was begun with.
        max_minutes: Stop cleanly after this long.
        json: Print one JSON object on stdout instead of text.
    """
    from flows.finetune import run_finetune  # noqa: PLC0415
    from flows.finetune_options import FinetuneOptions  # noqa: PLC0415

    options = FinetuneOptions(
        out=out,
        data=data,
        wild=wild,
        checkpoint=checkpoint,
        actions=split_names(actions),
        captions=captions,
        wild_ratio=wild_ratio,
        seen_weight=seen_weight,
        preset=preset,
        quality=quality,
        max_reprojection=max_reprojection,
        min_score=min_score,
        poor=poor,
        only_2d=only_2d,
        holdout=holdout,
        datasets=split_names(datasets),
        wild_datasets=split_names(wild_datasets),
        text_encoder=text_encoder,
        models=models,
        tolerance=tolerance,
        certain=certain,
        gate=not no_gate,
        resume=resume,
        max_minutes=max_minutes,
        changes={
            "steps": steps,
            "batch_size": batch_size,
            "learning_rate": learning_rate,
            "seed": seed,
            "precision": precision,
            "validate_every": validate_every,
        },
    )
    data_told, lines = run_finetune(options)
    verdict = data_told.get("gate", {}).get("verdict")
    return Outcome(data_told, lines, failed=verdict == "rejected")


def gate(run: Positional[Path], /, json: bool = False) -> Outcome:
    """Judge a finetuning that was only trained: promote its checkpoint, or reject it.

    Asked again, the verdict stays. Status 1 when the checkpoint is rejected.

    Args:
        run: Folder of the run: `crossdiff finetune --out`.
        json: Print one JSON object on stdout instead of text.
    """
    from flows.gate import run_gate  # noqa: PLC0415

    data, lines = run_gate(run)
    return Outcome(data, lines, failed=data["verdict"] == "rejected")
