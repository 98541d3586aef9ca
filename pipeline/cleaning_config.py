"""Settings of the cleaning stage; plain data, so that naming them costs no heavy import."""

from dataclasses import asdict, dataclass
from typing import Any

from pipeline.skeletons import HUMANML3D


@dataclass(frozen=True)
class CleaningConfig:
    """What cleaning changes; part of a data set's recipe."""

    fps: float = HUMANML3D.fps
    max_gap_s: float = 0.25
    """Longest stretch without a joint that is bridged by a straight line; longer stays masked."""
    spike_frames: int = 3
    """Width of the running median that removes single-frame jumps; 1 switches it off."""
    cutoff_hz: float = 6.0
    """Zero-phase low-pass (Butterworth, order 2, forward and backward); 0 switches it off."""
    min_frames: int = 41
    """Shortest run that becomes a motion: 41 positions give the paper's shortest clip, 40 rows."""
    min_joints: int = 12
    """Fewest joints that must be known in a frame of a run, of 22."""
    max_frames: int = 2400
    """Longest motion, two minutes: a longer run becomes several of about equal length, each going
    on where the one before ended, so that a long film needs no more memory; 0 cuts nothing. No
    clip of the data sets that the method was published on is nearly as long."""

    def __post_init__(self) -> None:
        """Refuse a bound under which halves would be too short to be motions."""
        if self.max_frames and self.max_frames < 2 * self.min_frames:
            raise ValueError(
                f"max_frames must be 0 or at least twice min_frames ({2 * self.min_frames}), got "
                f"{self.max_frames}"
            )

    def settings(self) -> dict[str, Any]:
        """What a recipe says of it.

        The longest motion only where it is not the usual one: recipes made before there was a
        bound do not name it.
        """
        told = asdict(self)
        if self.max_frames == CleaningConfig.max_frames:
            del told["max_frames"]
        return told
