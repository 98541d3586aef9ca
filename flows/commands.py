"""The commands behind the command line: arguments in, an `Outcome` out."""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from tyro.conf import Positional


@dataclass(frozen=True)
class Outcome:
    """What a command has to say."""

    data: dict[str, Any]
    """For `--json`."""
    lines: list[str] = field(default_factory=list)
    """For a terminal."""
    failed: bool = False
    """Something asked for was not done."""


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
    from models.label_config import LabelConfig  # noqa: PLC0415

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


def ls(
    store: str,
    dataset: str | None = None,
    status: Literal["ok", "failed"] | None = None,
    reason: str | None = None,
    action: str | None = None,
    motions: bool = False,
    json: bool = False,
) -> Outcome:
    """List what is in a store: videos, or motions; what failed and why.

    Args:
        store: The store, or `STORE@VERSION`.
        dataset: Only this data set.
        status: Only videos that are ok, or that failed.
        reason: Only this reason code, e.g. no_person.
        action: Only this action class, e.g. YoYo.
        motions: List motions instead of videos.
        json: Print one JSON object on stdout instead of text.
    """
    from flows.listing import list_store  # noqa: PLC0415

    data, lines = list_store(
        store, dataset=dataset, status=status, reason=reason, action=action, motions=motions
    )
    return Outcome(data, lines)


def show(motion_id: Positional[str], /, store: str, out: Path, json: bool = False) -> Outcome:
    """Make a film of one motion: the video with its 2D overlay beside the 3D skeleton.

    Args:
        motion_id: As `crossdiff ls --motions` prints it.
        store: The store.
        out: The MP4 to write.
        json: Print one JSON object on stdout instead of text.
    """
    from flows.show import show_motion  # noqa: PLC0415

    data = show_motion(store, motion_id, out)
    return Outcome(data, [str(out)])


def report(store: str, out: Path, dataset: str | None = None, json: bool = False) -> Outcome:
    """Write the HTML report of a store; it opens from disk.

    Args:
        store: The store, or `STORE@VERSION`.
        out: The HTML file to write.
        dataset: Only this data set.
        json: Print one JSON object on stdout instead of text.
    """
    from flows.report import write_report  # noqa: PLC0415

    path = str(write_report(store, out, dataset))
    return Outcome({"report": path}, [path])


def prepare(
    source: Positional[Literal["mocap"]],
    folder: Positional[Path],
    /,
    out: Path,
    parts: tuple[str, ...] = ("cmu", "hdm05"),
    json: bool = False,
) -> Outcome:
    """Bring motion capture onto the canonical skeleton, mirrored, with caption embeddings.

    Args:
        source: What kind of data the folder holds.
        folder: A packed mocap archive: NAME.npz and NAME.json per part.
        out: Folder for the training set (Parquet).
        parts: Which parts of the archive.
        json: Print one JSON object on stdout instead of text.
    """
    from flows.prepare import prepare_mocap  # noqa: PLC0415

    data = prepare_mocap(folder, out, parts)
    return Outcome(data, [f"{key}: {value}" for key, value in data.items()])


def train(
    data: Path,
    out: Path,
    preset: Literal["paper", "small", "base"] = "small",
    config: Path | None = None,
    stage: Literal[1, 2] | None = None,
    steps: int | None = None,
    batch_size: int | None = None,
    seed: int | None = None,
    views: Literal["preset", "4", "continuous"] = "preset",
    max_minutes: float | None = None,
    resume: bool = False,
    json: bool = False,
) -> Outcome:
    """Train CrossDiff on a prepared training set. Kill it at any time; --resume continues.

    Args:
        data: Folder that `crossdiff prepare` wrote.
        out: Folder of the run: config.json, state.pt, best/ and last/ checkpoints.
        preset: `paper` is the paper's; `small` and `base` are for little data and machines.
        config: config.json of a run or a checkpoint to train like, instead of a preset.
        stage: 1: all four paths. 2: 3D to 3D alone; default: the preset's.
        steps: Optimizer steps; default: the preset's.
        batch_size: Clips a step and process; default: the preset's.
        seed: Of weights, data order and noise; default: the preset's.
        views: Cameras: the paper's four, or any azimuth; default: the preset's.
        max_minutes: Stop cleanly after this long; --resume continues.
        resume: Continue the run in --out.
        json: Print one JSON object on stdout instead of text.
    """
    from flows.train import run_training, starting_point  # noqa: PLC0415

    changes = {"stage": stage, "steps": steps, "batch_size": batch_size, "seed": seed}
    result = run_training(
        data, out, starting_point(preset, config), views, changes, max_minutes, resume
    )
    return Outcome(result, [f"{key}: {value}" for key, value in result.items()])


def evaluate_lift(
    data: Path, checkpoint: Path | None = None, split: str = "test", json: bool = False
) -> Outcome:
    """Measure the 2D-to-3D lift on motion capture, beside a mean pose and a linear regressor.

    Args:
        data: Folder that `crossdiff prepare` wrote.
        checkpoint: Checkpoint folder; default: the weights that come with the package.
        split: train, val or test.
        json: Print one JSON object on stdout instead of text.
    """
    from flows.evaluate import run_lift_evaluation  # noqa: PLC0415

    result, lines = run_lift_evaluation(data, checkpoint, split)
    return Outcome(result, lines)
