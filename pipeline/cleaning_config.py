"""Settings of the cleaning stage; plain data, so that naming them costs no heavy import."""

from dataclasses import dataclass

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
