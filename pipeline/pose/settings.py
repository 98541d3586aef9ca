"""What can be set about pose estimation; plain data, so that choosing costs no heavy import."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class LinkSettings:
    """When a detection continues a track."""

    max_gap_s: float = 1.0
    """A person lost for longer than this (seconds) starts a new track when seen again."""
    min_similarity: float = 0.1
    """Least mean of box IoU and OKS between a detection and a track's last detection."""


@dataclass(frozen=True)
class PackagedSettings:
    """BlazePose's own knobs."""

    smooth_landmarks: bool = False
    """MediaPipe's causal filter. Off: it delays the joints by a fraction of a frame (on the three
    sample clips the mean error rises from 1.73 to 2.13, 2.41 to 2.51 and 7.71 to 7.75 px), and the
    cleaning stage smooths without delay."""
    min_detection_confidence: float = 0.5
    min_tracking_confidence: float = 0.5


@dataclass(frozen=True)
class MMPoseSettings:
    """Which models, on what, and how persons are found."""

    config: str = "rtmpose-m_8xb256-420e_coco-256x192"
    """Pose config: a name in the installed mmpose, or a path. A config file is Python code and
    runs as such: use only files you trust."""
    checkpoint: Path | None = None
    """Its weights: a `.pth`, or the folder `mim download` filled."""
    detector_config: str | None = None
    """mmdet config: a name or a path. None takes the whole frame as the one person's box."""
    detector_checkpoint: Path | None = None
    device: str = "auto"
    """`auto`, `cpu`, `cuda` or `cuda:N`."""
    batch_size: int = 32
    """Person crops a forward pass."""
    detector_batch_size: int = 8
    """Frames a detector pass."""
    min_person_score: float = 0.3
    """Least detector score of a person box."""
    flip_test: bool | None = None
    """Average with the mirrored picture (twice the time); None does what the config says
    (RTMPose: yes)."""
