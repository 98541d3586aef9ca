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
    preset: Literal["paper", "wild"] | None = None,
    people: Literal["preset", "one", "all"] = "preset",
    people_detector: Literal["movenet", "blazepose"] | None = None,
    shots: Literal["preset", "on", "off"] = "preset",
    camera: Literal["preset", "on", "off"] = "preset",
    half_bodies: Literal["preset", "on", "off"] = "preset",
    guesses: Literal["preset", "on", "off"] = "preset",
    body_joints: Literal["preset", "on", "off"] = "preset",
    ensemble: Literal["preset", "none", "flip", "many"] = "preset",
    refine: Literal["preset", "on", "off"] = "preset",
    second_opinion: Literal["preset", "on", "off"] = "preset",
    clean_up: Literal["preset", "on", "off"] = "preset",
    score: Literal["preset", "on", "off"] = "preset",
    one_euro: bool = False,
    only_2d: bool = False,
    fps: float | None = None,
    classes: Path | None = None,
    settle: float = 0.0,
    shard_timeout: float | None = None,
    keep_downloads: bool = False,
    json: bool = False,
) -> Outcome:
    """Turn videos into pseudo-3D motions in a store. Safe to interrupt and to repeat.

    Args:
        videos: A file, a folder, a UCF101 tree, a CSV/Parquet list with a column `path`, or
            s3://bucket/folder, gs://bucket/folder; or a skeleton file (.pkl) as mmaction2's
            ucf101_2d.pkl, whose 2D is taken as it is.
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
        preset: `paper` labels as published; `wild` switches on what goes beyond it, as measured.
            Default: what is not said follows the data set; a new one is `wild`. Each option below
            can be set alone.
        people: Label `one` person a video (shot), the most prominent, or `all`.
        people_detector: What finds everybody for `--people all`: `movenet`, or BlazePose's own, as
            older data sets have it. Default: as the data set has it; for a new one `movenet`.
        shots: Cut at shot boundaries: nobody is followed over a cut.
        camera: Take the camera's own motion out of the body's path and scale.
        half_bodies: Label people without hips in the picture; what was not seen is marked.
        guesses: Lift the 2D estimator's guesses at hardly seen joints too; rows say not seen.
        body_joints: Bring MediaPipe's joints to where a body has them (hips up, shoulders down).
        ensemble: Lift several times and average: `flip` twice, `many` more often.
        refine: Fit the lift to the joints that were seen, bones of constant length.
        second_opinion: Average with the 2D estimator's own 3D, where it has one (MediaPipe).
        clean_up: Feet that stand stand still and on the ground; less jitter.
        score: Judge each label: expected error, and a score from 0 to 1.
        one_euro: Smooth labels with the paper's One-Euro filter.
        only_2d: Lift nothing: the motions train the 2D paths alone, until they are relabelled.
        fps: Frames a second of a skeleton file's clips, which it does not say. Default: 25.
        classes: Names of a skeleton file's class numbers: one a line, or NUMBER NAME.
        settle: Leave files that were touched within this many seconds for the next run.
        shard_timeout: Seconds after which a shard is given up; default: by its files' sizes.
        keep_downloads: Keep copies of a bucket's videos after their rows are stored.
        json: Print one JSON object on stdout instead of text.
    """
    from flows.options import IngestOptions, PoseOptions  # noqa: PLC0415
    from flows.run_ingest import run_ingest  # noqa: PLC0415
    from models.checkpoint_id import SHIPPED  # noqa: PLC0415
    from models.lifting.label_wish import LabelWish  # noqa: PLC0415
    from pipeline.skeleton_files import UCF101_FPS  # noqa: PLC0415

    if only_2d and checkpoint is not None:
        raise ValueError("--only-2d lifts nothing: leave --checkpoint out")
    # Who names a checkpoint wants a lift, whatever the data set has.
    bare = True if only_2d else None if checkpoint is None else False
    wish = LabelWish(
        preset,
        {
            "people": people, "shots": shots, "camera": camera, "half_bodies": half_bodies,
            "guesses": guesses, "body_joints": body_joints, "second_opinion": second_opinion,
            "ensemble": ensemble, "refine": refine, "clean_up": clean_up, "score": score,
            "one_euro": one_euro or None, "only_2d": bare,
        },
    )  # fmt: skip
    options = IngestOptions(
        videos=videos,
        dataset=dataset,
        out=out,
        checkpoint=checkpoint or SHIPPED,
        pose=PoseOptions(
            pose,
            pose_config,
            pose_checkpoint,
            detector_config,
            detector_checkpoint,
            device,
            people_detector,
        ),
        label=wish.for_new(),
        shard_size=shard_size,
        workers=workers,
        runner=runner,
        address=address,
        skeleton_fps=UCF101_FPS if fps is None else fps,
        classes=classes,
        settle_s=settle,
        keep_downloads=keep_downloads,
        shard_timeout_s=shard_timeout,
    )
    summary = run_ingest(options, wish)
    return Outcome(asdict(summary), summary.lines(), failed=bool(summary.failed_shards))
