"""What an ingest is asked to do: one declaration for command line, flow and workers."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from models.lifting.label_config import LabelConfig
from pipeline.pose.settings import MMPoseSettings
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
    label: LabelConfig = field(default_factory=LabelConfig)
    shard_size: int = 8
    workers: int = 1


def check(options: IngestOptions) -> None:
    """Refuse what can be seen to be wrong before anything is read or made.

    Raises:
        ValueError: An option out of range; the sentence names it.
    """
    for name, value in (("--workers", options.workers), ("--shard-size", options.shard_size)):
        if value < 1:
            raise ValueError(f"{name} must be at least 1, not {value}")
    if not DEVICE.fullmatch(options.pose.device):
        raise ValueError(f"--device {options.pose.device}: give auto, cpu, cuda or cuda:N")
    check_name("--dataset", options.dataset)
