"""Entry points for Prefect deployments: plain parameters, validated, no command line."""

from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

from flows.prefect_settings import prepare_environment

prepare_environment()

from prefect import flow  # noqa: E402

from flows.options import IngestOptions, PoseOptions  # noqa: E402
from flows.reporting import add_report  # noqa: E402
from flows.run_ingest import run_ingest  # noqa: E402
from models.checkpoint_id import SHIPPED  # noqa: E402


@flow(name="scheduled-ingest", persist_result=False)
def scheduled_ingest(
    videos: str,
    dataset: str,
    out: str,
    pose: Literal["packaged", "mmpose"] = "packaged",
    pose_checkpoint: Path | None = None,
    checkpoint: Path | None = None,
    shard_size: int = 8,
    workers: int = 1,
) -> dict[str, Any]:
    """What `crossdiff ingest` does, for a schedule: only new content is processed.

    Args:
        videos: A file, a folder, a UCF101 tree, or a list; on the worker's machine.
        dataset: Name of the data set.
        out: Store URL.
        pose: 2D estimator.
        pose_checkpoint: mmpose weights.
        checkpoint: CrossDiff checkpoint folder; default: the shipped weights.
        shard_size: Clips per commit.
        workers: Processes that work at the same time.

    Returns:
        The ingest's summary.

    Raises:
        RuntimeError: Some shards could not be committed; the run is then marked failed.
    """
    options = IngestOptions(
        videos=videos,
        dataset=dataset,
        out=out,
        checkpoint=checkpoint or SHIPPED,
        pose=PoseOptions(backend=pose, checkpoint=pose_checkpoint),
        shard_size=shard_size,
        workers=workers,
    )
    summary = add_report(run_ingest(options))
    if summary.failed_shards:
        raise RuntimeError(f"{len(summary.failed_shards)} shards were not stored: run again")
    return asdict(summary)
