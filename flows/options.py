"""What an ingest is asked to do: one declaration for command line, flow and workers."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from models.lifting.label_config import LabelConfig, preset_config
from models.lifting.label_wish import DEFAULT_PRESET
from pipeline.pose.settings import MMPoseSettings
from pipeline.skeleton_files import UCF101_FPS, is_skeleton_file
from storage.rows import check_name

DEVICE = re.compile(r"auto|cpu|cuda(:\d+)?")


@dataclass(frozen=True)
class PoseOptions:
    """Which 2D estimator, and with which files."""

    backend: Literal["packaged", "mmpose"] = "packaged"
    config: str | None = None
    """mmpose config, name or path."""
    checkpoint: Path | None = None
    """mmpose weights (.pth)."""
    detector_config: str | None = None
    detector_checkpoint: Path | None = None
    device: str = "auto"
    people_detector: Literal["movenet", "blazepose"] | None = None
    """Who finds everybody for the packaged estimator; `blazepose` as before MoveNet came. None: as
    the data set has it, MoveNet for one that begins."""

    def mmpose(self) -> MMPoseSettings:
        """The same for the mmpose backend; its own default config when none was named."""
        fallback = MMPoseSettings()
        return MMPoseSettings(
            config=self.config or fallback.config,
            checkpoint=self.checkpoint,
            detector_config=self.detector_config,
            detector_checkpoint=self.detector_checkpoint,
            device=self.device,
        )


@dataclass(frozen=True)
class IngestOptions:
    """One ingest."""

    videos: str
    dataset: str
    out: str
    """Store URL."""
    checkpoint: Path
    pose: PoseOptions = field(default_factory=PoseOptions)
    label: LabelConfig = field(default_factory=lambda: preset_config(DEFAULT_PRESET, {}))
    continues: bool = False
    """Whether `label` is the data set's own, since nobody chose another."""
    shard_size: int | None = None
    """Clips per commit; None: chosen when the run begins, see `flows.shard_size`."""
    workers: int = 1
    runner: Literal["local", "ray", "dask"] = "local"
    address: str | None = None
    """Of a running Ray or Dask cluster; None makes one for the run."""
    skeleton_fps: float = UCF101_FPS
    """Frames a second of a skeleton file's clips, which it does not say."""
    classes: Path | None = None
    """Names of a skeleton file's class numbers."""
    settle_s: float = 0.0
    """Files touched within this many seconds are left for another time."""
    keep_downloads: bool = False
    """Whether copies of videos from a bucket outlive the commit of their rows."""
    shard_timeout_s: float | None = None
    """Seconds after which a shard is given up; None: judged by its files' sizes."""


def check(options: IngestOptions) -> None:
    """Refuse what can be seen to be wrong before anything is read or made.

    Raises:
        ValueError: An option out of range; the sentence names it.
    """
    for name, value in (("--workers", options.workers), ("--shard-size", options.shard_size)):
        if value is not None and value < 1:
            raise ValueError(f"{name} must be at least 1, not {value}")
    if not 0 <= options.settle_s < float("inf"):
        raise ValueError(f"--settle must be a number of seconds, not {options.settle_s:g}")
    if options.shard_timeout_s is not None and not options.shard_timeout_s > 0:
        raise ValueError(f"--shard-timeout must be positive, not {options.shard_timeout_s:g}")
    _check_skeletons(options)
    if not DEVICE.fullmatch(options.pose.device):
        raise ValueError(f"--device {options.pose.device}: give auto, cpu, cuda or cuda:N")
    if options.address is not None:
        if options.runner == "local":
            raise ValueError("--address is for --runner ray or dask")
        if options.workers != 1:
            raise ValueError("--workers: the cluster at --address has its own; leave it out")
    check_name("--dataset", options.dataset)


def _check_skeletons(options: IngestOptions) -> None:
    if not 0 < options.skeleton_fps < float("inf"):
        raise ValueError(f"--fps must be positive, not {options.skeleton_fps:g}")
    if is_skeleton_file(options.videos):
        if options.pose != PoseOptions(device=options.pose.device):
            raise ValueError(
                f"{options.videos} brings its own 2D: leave --pose and its options out"
            )
    elif options.classes is not None or options.skeleton_fps != UCF101_FPS:
        raise ValueError("--fps and --classes are for skeleton files (.pkl): leave them out")
