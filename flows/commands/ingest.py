"""`crossdiff ingest`."""

from dataclasses import asdict
from pathlib import Path
from typing import Literal

from tyro.conf import Positional

from flows.commands.outcome import Outcome


def ingest(
    videos: Positional[str],
    /,
    dataset: str,
    out: str,
    pose: Literal["packaged", "mmpose"] = "packaged",
    pose_config: str | None = None,
    pose_checkpoint: Path | None = None,
    detector_config: str | None = None,
    detector_checkpoint: Path | None = None,
    checkpoint: Path | None = None,
    shard_size: int | None = None,
    workers: int = 1,
    runner: Literal["local", "ray", "dask"] = "local",
    address: str | None = None,
    device: str = "auto",
    one_euro: bool = False,
    only_2d: bool = False,
    settle: float = 0.0,
    shard_timeout: float | None = None,
    keep_downloads: bool = False,
    json: bool = False,
) -> Outcome:
    """Turn videos into pseudo-3D motions in a store. Safe to interrupt and to repeat.

    Args:
        videos: A file, a folder, a UCF101 tree, a CSV/Parquet list with a column `path`, or
            s3://bucket/folder, gs://bucket/folder.
        dataset: Name of the data set the rows belong to.
        out: The store: a folder, s3://... or gs://...
        pose: 2D estimator: `packaged` needs no download, `mmpose` takes any mmpose model.
        pose_config: mmpose config, by name or path.
        pose_checkpoint: mmpose weights (.pth), or the folder that `mim download` filled.
        detector_config: mmdet person detector config; without it the whole frame is one box.
        detector_checkpoint: mmdet weights (.pth).
        checkpoint: CrossDiff checkpoint folder; default: the weights that come with the package.
        shard_size: Clips per commit. Default: 8; with a cluster, about three minutes of work.
        workers: Processes that work at the same time.
        runner: Where they run: `local`, or a `ray` or `dask` cluster (an extra of the package).
        address: A running cluster: Ray's auto, HOST:6379 or ray://HOST:10001, Dask's
            tcp://HOST:8786. Without one the run makes a cluster here and takes it down again.
        device: auto, cpu, cuda or cuda:N.
        one_euro: Smooth labels with the paper's One-Euro filter.
        only_2d: Lift nothing: the motions train the 2D paths alone, until they are relabelled.
        settle: Leave files that were touched within this many seconds for the next run.
        shard_timeout: Seconds after which a shard is given up; default: by its files' sizes.
        keep_downloads: Keep copies of a bucket's videos after their rows are stored.
        json: Print one JSON object on stdout instead of text.
    """
    from flows.options import IngestOptions, PoseOptions  # noqa: PLC0415
    from flows.run_ingest import run_ingest  # noqa: PLC0415
    from models.checkpoint_id import SHIPPED  # noqa: PLC0415
    from models.lifting.label_config import LabelConfig  # noqa: PLC0415

    if only_2d and checkpoint is not None:
        raise ValueError("--only-2d lifts nothing: leave --checkpoint out")
    options = IngestOptions(
        videos=videos,
        dataset=dataset,
        out=out,
        checkpoint=checkpoint or SHIPPED,
        pose=PoseOptions(
            pose, pose_config, pose_checkpoint, detector_config, detector_checkpoint, device
        ),
        label=LabelConfig(one_euro=one_euro, only_2d=only_2d),
        shard_size=shard_size,
        workers=workers,
        runner=runner,
        address=address,
        settle_s=settle,
        keep_downloads=keep_downloads,
        shard_timeout_s=shard_timeout,
    )
    summary = run_ingest(options)
    return Outcome(asdict(summary), summary.lines(), failed=bool(summary.failed_shards))
