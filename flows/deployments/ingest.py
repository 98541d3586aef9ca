"""The deployment `ingest`: what `crossdiff ingest` does, on a schedule."""

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Literal

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Failed
from pydantic import Field

from flows.deployments.ending import DAY_S, Done, attempt, completed, ended, skipped
from flows.options import IngestOptions, PoseOptions
from flows.run_ingest import run_ingest
from models.checkpoint_id import SHIPPED
from models.lifting.label_wish import LabelWish
from pipeline.video import NoVideos

AtLeastOne = Annotated[int, Field(ge=1)]
Seconds = Annotated[float, Field(ge=0.0)]
SETTLE_S = 30.0
"""A file that grew in the last half minute may still be copied: the next run takes it."""


@flow(name="scheduled-ingest", persist_result=False, timeout_seconds=DAY_S)
def ingest(
    videos: str,
    dataset: str,
    out: str,
    pose: Literal["packaged", "mmpose"] = "packaged",
    pose_config: str | None = None,
    pose_checkpoint: Path | None = None,
    checkpoint: Path = SHIPPED,
    preset: Literal["paper", "wild"] | None = None,
    only_2d: bool = False,
    shard_size: AtLeastOne | None = None,
    workers: AtLeastOne = 1,
    runner: Literal["local", "ray", "dask"] = "local",
    address: str | None = None,
    settle: Seconds = SETTLE_S,
) -> State[Any]:
    """Label what is new in a folder of videos; motions that are new start a finetuning.

    Args:
        videos: A file, a folder, a UCF101 tree, a list or a bucket, as the worker sees it.
        dataset: Name of the data set.
        out: Store URL.
        pose: 2D estimator.
        pose_config: mmpose config, by name or path.
        pose_checkpoint: mmpose weights.
        checkpoint: CrossDiff checkpoint folder.
        preset: As published, or with what goes beyond it; none: as the data set, a new one `wild`.
        only_2d: Store 2D alone, no pseudo label.
        shard_size: Clips per commit; none: 8, or by measured times on a cluster.
        workers: Processes that work at the same time.
        runner: Where shards run.
        address: Of a running Ray or Dask cluster.
        settle: Seconds that a file must have been left alone.
    """

    def work() -> Done:
        wish = LabelWish(preset, {"only_2d": only_2d or None})
        options = IngestOptions(
            videos=videos,
            dataset=dataset,
            out=out,
            checkpoint=checkpoint,
            pose=PoseOptions(backend=pose, config=pose_config, checkpoint=pose_checkpoint),
            label=wish.for_new(),
            shard_size=shard_size,
            workers=workers,
            runner=runner,
            address=address,
            settle_s=settle,
        )
        summary = run_ingest(options, wish)
        return asdict(summary), summary.lines()

    return ended(lambda: _ingest(dataset, work))


def _ingest(dataset: str, work: Callable[[], Done]) -> State[Any]:
    try:
        data, lines = attempt(work)
    except NoVideos as why_not:  # a watched folder may be empty
        return skipped(str(why_not))
    if data["failed_shards"]:
        return Failed(message=f"some shards were not stored, run again: {'; '.join(lines)}")
    return completed(f"scheduled-ingest-{dataset}", f"Ingest of {dataset}", lines, data)
