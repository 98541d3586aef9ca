"""The deployment `finetune`: started by an ingest's event, it finetunes when enough is new."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Failed
from pydantic import Field

from flows import events
from flows.deployments.ending import DAY_S, attempt, completed, ended, skipped
from flows.finetune_due import run_folder, too_few, version_to_read, waiting_run
from flows.finetune_files import FINETUNE_FILE
from flows.finetune_options import FinetuneOptions, TooLittle
from models.checkpoint_id import SHIPPED, read_promotion

Share = Annotated[float, Field(ge=0.0, le=1.0)]
Motions = Annotated[int, Field(ge=0)]
Steps = Annotated[int, Field(ge=1)]
Positive = Annotated[float, Field(gt=0.0)]


@flow(name="finetune-when-due", persist_result=False, timeout_seconds=DAY_S)
def finetune(
    dataset: str,
    store: str,
    mocap: str,
    models: Path,
    version: int | None = None,
    min_new_motions: dict[str, Motions] = {},  # noqa: B006 - Prefect makes a schema of it
    min_new_motions_default: Motions = 50,
    checkpoint: Path = SHIPPED,
    preset: Literal["base", "paper"] = "base",
    steps: Steps | None = None,
    wild_ratio: Share = 0.5,
    quality: Literal["weight", "filter", "none", "score"] = "weight",
    max_reprojection: Positive | None = None,
    min_score: Share | None = None,
    only_2d: bool = False,
    holdout: Share | None = 0.25,
    tolerance: Share = 0.02,
    actions: list[str] = [],  # noqa: B006 - the same
    captions: Path | None = None,
) -> State[Any]:
    """Finetune the promoted checkpoint on a data set, when it has enough new motions.

    A run lies in MODELS/runs/DATASET-vVERSION; started again with the same version after it was
    cancelled or killed, it goes on where it was.

    Args:
        dataset: The data set with the new motions.
        store: Its store, without a version.
        mocap: The store of motion capture that the other half of a batch comes from; `URL@VERSION`.
        models: Folder of runs and of the pointer to the promoted checkpoint.
        version: Version of the store; none: the newest.
        min_new_motions: Data set -> motions that must be new since its last finetuning.
        min_new_motions_default: The same for data sets that are not named.
        checkpoint: What to begin with as long as nothing was promoted in `models`.
        preset: Training as the checkpoint's own, or the paper's.
        steps: Training steps; none: the preset's.
        wild_ratio: Share of a batch that is in-the-wild.
        quality: Weigh labels by their reprojection error or by their score, filter them, or
            neither.
        max_reprojection: Metres; with the quality `filter`, labels worse than this are left out.
        min_score: With the quality `score`, labels under it are trained on in 2D alone.
        only_2d: Train the 2D paths alone, without pseudo labels.
        holdout: Share of recordings to hold out for the evaluation; none: the stored splits.
        tolerance: By what share the figures on motion capture may get worse.
        actions: Only these action classes.
        captions: Sentences by action, CSV or JSON.
    """
    options = FinetuneOptions(
        out=Path(),  # settled when the version is
        data=mocap,
        checkpoint=checkpoint,
        actions=tuple(actions),
        captions=captions,
        wild_ratio=wild_ratio,
        preset=preset,
        quality=quality,
        max_reprojection=max_reprojection,
        min_score=min_score,
        only_2d=only_2d,
        holdout=holdout,
        wild_datasets=(dataset,),
        models=models.absolute(),
        tolerance=tolerance,
        gate=False,  # a deployment of its own
        changes={"steps": steps},
    )
    least = min_new_motions.get(dataset, min_new_motions_default)
    return ended(lambda: _finetune(options, store, dataset, version, least))


def _finetune(
    options: FinetuneOptions, store: str, dataset: str, version: int | None, least: int
) -> State[Any]:
    models = options.pointer
    waiting = waiting_run(store, models)
    if waiting is not None:
        told = _announce(waiting, dataset) or "it was announced again"
        return skipped(f"{waiting.name} waits for its evaluation: {told}")
    why = too_few(store, dataset, least)
    if why:
        return skipped(why)
    at = version_to_read(store, version)
    # Here and not above: torch takes seconds to import, and most events find too little.
    from flows.finetune import run_finetune  # noqa: PLC0415

    settled = _settled(options, f"{store}@{at}", run_folder(models, dataset, at))
    try:
        data, lines = attempt(lambda: run_finetune(settled))
    except TooLittle as why_not:
        return skipped(str(why_not))
    if not data["finished"]:
        return Failed(message="; ".join(lines))
    told = _announce(settled.out, dataset) or "its evaluation was announced"
    lines = [*lines, told]
    return completed(f"finetune-{dataset}", f"Finetuning on {dataset}", lines, data)


def _settled(options: FinetuneOptions, wild: str, out: Path) -> FinetuneOptions:
    """A run that was begun goes on as it was begun, whatever was promoted or changed since."""
    if (out / FINETUNE_FILE).is_file():
        return FinetuneOptions(out=out, resume=True, gate=False)
    parent = options.checkpoint if read_promotion(options.pointer) is None else options.pointer
    return replace(options, wild=wild, out=out, checkpoint=parent)


def _announce(run: Path, dataset: str) -> str:
    resource = f"{events.FINETUNE_RESOURCE}.{run.name}"
    payload = {"run": str(run), "dataset": dataset}
    return events.announce(events.FINETUNE_FINISHED, resource, payload)
