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
    shard_size: int = 8,
    workers: int = 1,
    device: str = "auto",
    one_euro: bool = False,
    json: bool = False,
) -> Outcome:
    """Turn videos into pseudo-3D motions in a store. Safe to interrupt and to repeat.

    Args:
        videos: A file, a folder, a UCF101 tree, or a CSV/Parquet list with a column `path`.
        dataset: Name of the data set the rows belong to.
        out: The store: a folder, s3://... or gs://...
        pose: 2D estimator: `packaged` needs no download, `mmpose` takes any mmpose model.
        pose_config: mmpose config, by name or path.
        pose_checkpoint: mmpose weights (.pth), or the folder that `mim download` filled.
        detector_config: mmdet person detector config; without it the whole frame is one box.
        detector_checkpoint: mmdet weights (.pth).
        checkpoint: CrossDiff checkpoint folder; default: the weights that come with the package.
        shard_size: Clips per commit.
        workers: Processes that work at the same time.
        device: auto, cpu, cuda or cuda:N.
        one_euro: Smooth labels with the paper's One-Euro filter.
        json: Print one JSON object on stdout instead of text.
    """
    from flows.options import IngestOptions, PoseOptions  # noqa: PLC0415
    from flows.reporting import add_report  # noqa: PLC0415
    from flows.run_ingest import run_ingest  # noqa: PLC0415
    from models.checkpoint_id import SHIPPED  # noqa: PLC0415
    from models.lifting.label_config import LabelConfig  # noqa: PLC0415

    options = IngestOptions(
        videos=videos,
        dataset=dataset,
        out=out,
        checkpoint=checkpoint or SHIPPED,
        pose=PoseOptions(
            pose, pose_config, pose_checkpoint, detector_config, detector_checkpoint, device
        ),
        label=LabelConfig(one_euro=one_euro),
        shard_size=shard_size,
        workers=workers,
    )
    summary = add_report(run_ingest(options))
    return Outcome(asdict(summary), summary.lines(), failed=bool(summary.failed_shards))
