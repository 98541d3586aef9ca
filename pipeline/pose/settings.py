"""What can be set about pose estimation; plain data, so that choosing costs no heavy import."""

from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class LinkSettings:
    """When a detection continues a track."""

    max_gap_s: float = 1.0
    """A person lost for longer than this (seconds) starts a new track when seen again."""
    min_similarity: float = 0.1
    """Least mean of box IoU and OKS between a detection and a track's last detection."""
    predict: bool = False
    """Compare detections with where a track is going (constant velocity), not where it was."""
    unsure_margin: float = 0.0
    """Two established tracks end, and others begin, where exchanging their detections would cost
    less similarity than this: nobody could say who is who."""

    def told(self) -> dict[str, Any]:
        """For an estimator id: settings that came later are named only where they are used."""
        late = ("predict", "unsure_margin")
        return {
            f.name: getattr(self, f.name)
            for f in fields(self)
            if f.name not in late or getattr(self, f.name) != f.default
        }


PEOPLE_LINK = LinkSettings(predict=True, unsure_margin=0.05)
"""For estimators that see everybody: people meet, cross and hide one another."""


@dataclass(frozen=True)
class PackagedSettings:
    """BlazePose's own knobs."""

    smooth_landmarks: bool = False
    """MediaPipe's causal filter. Off: it delays the joints by a fraction of a frame (on the three
    sample clips the mean error rises from 1.73 to 2.13, 2.41 to 2.51 and 7.71 to 7.75 px), and the
    cleaning stage smooths without delay."""
    min_detection_confidence: float = 0.5
    min_tracking_confidence: float = 0.5


DETECTORS = ("movenet", "blazepose")
_ONLY_MOVENET = ("detector", "movenet_score", "movenet_tracking", "lost_every")
"""Not told of `blazepose`: what was labelled before MoveNet came keeps its id."""
_ONLY_BLAZEPOSE = (
    "tile_zooms",
    "tiles_per_look",
    "min_detection_confidence",
    "min_tracking_confidence",
    "min_newcomer_confidence",
    "newcomer_overlap",
)


@dataclass(frozen=True)
class PeopleSettings:
    """How everybody is looked for; BlazePose reads the joints."""

    detector: str = "movenet"
    """`movenet` (MoveNet MultiPose, in the package) or `blazepose` (the detector in MediaPipe's
    wheel, which sees one or two people and needs enlarged parts of the picture)."""
    movenet_score: float = 0.1
    """MoveNet: least score of a detection."""
    movenet_tracking: float = 0.3
    """MoveNet: least presence at which somebody's joints are still read. Lower than the 0.5 beside
    BlazePose's detector, since MoveNet puts right who was led astray."""
    lost_every: int = 1
    """MoveNet: frames between two close looks around somebody who was lost."""
    detect_every: int = 5
    """Frames between two looks for new people; in between, who is known is followed."""
    tile_zooms: tuple[int, ...] = (2, 3)
    """People are also looked for in overlapping squares so many times smaller than the picture's
    longer side, enlarged: the detector sees 224 x 224 pixels and misses who is small."""
    tiles_per_look: int = 2
    """Squares a look, in turn; a shot's first frame looks at all."""
    search_frames: int = 10
    """For so many frames a lost person is looked for around where they were."""
    max_people: int = 8
    """Most people followed at a time; each costs a pass of the landmark network a frame."""
    min_detection_confidence: float = 0.3
    """Lower than for one person (0.5): whether a newcomer is somebody, their joints decide."""
    min_tracking_confidence: float = 0.5
    min_newcomer_confidence: float = 0.5
    """Least mean visibility over all 33 landmarks of somebody to be followed from now on."""
    min_newcomer_agreement: float = 0.2
    """Least OKS between a newcomer's joints and those read in the square that these lead to: a body
    is found again where its joints say, a wave is not."""
    double_similarity: float = 0.4
    """OKS above which two sets of joints in one frame are one person's ..."""
    double_overlap: float = 0.75
    """... or above which so much of the smaller joints' box lies in the larger."""
    newcomer_overlap: float = 0.5
    """The same for newcomers, who are refused sooner: a turned or lying body is easily found twice,
    and who really stands behind somebody is found once they have parted."""
    min_track_frames: int = 3
    """Who is seen in fewer frames is nobody: waves and pool edges look like people for a moment."""

    def __post_init__(self) -> None:
        for name in ("detect_every", "lost_every", "max_people"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be 1 or more, got {getattr(self, name)}")
        if self.detector not in DETECTORS:
            raise ValueError(f"detector is {' or '.join(DETECTORS)}, not {self.detector!r}")

    def told(self) -> dict[str, Any]:
        """For an estimator id: only what the chosen detector uses."""
        unused = _ONLY_MOVENET if self.detector == "blazepose" else _ONLY_BLAZEPOSE
        return {name: value for name, value in asdict(self).items() if name not in unused}


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
    detect_every: int = 1
    """Frames between two detector passes; in between, a person's box comes from their last pose."""
    flip_test: bool | None = None
    """Average with the mirrored picture (twice the time); None does what the config says
    (RTMPose: yes)."""

    def __post_init__(self) -> None:
        if self.detect_every < 1:
            raise ValueError(f"detect_every must be 1 or more, got {self.detect_every}")
