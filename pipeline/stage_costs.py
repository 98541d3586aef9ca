"""What ingesting took, as measured: seconds of every video by stage, of every commit, and bytes."""

from collections.abc import Mapping
from dataclasses import dataclass

from pipeline.arrays import Float64

CLIP_STAGES = ("decode", "pose", "normalise", "lift", "other")
"""Stages of one video; `other` is what its wall-clock time holds beside the four that are timed:
starting the decoder, choosing the person, making rows."""
COMMIT = "commit"
"""The stage of a shard of videos: bringing its rows into the tables."""


@dataclass(frozen=True)
class StageCosts:
    """Measured costs of N videos that could be read, newest first, and of the newest commits."""

    duration_s: Float64
    """(N,) length of each video."""
    seconds: Mapping[str, Float64]
    """(N,) wall-clock seconds by stage, for each of `CLIP_STAGES`."""
    commit_s: Float64
    """(C,) wall-clock seconds of each commit of a shard."""
    commit_videos: Float64
    """(C,) videos that the commit brought."""
    failed: int
    """Of the N videos, those that gave no motion; their time counts all the same."""
    unreadable: int
    """Further files that could not be read at all: not counted, they cost next to nothing."""
    bytes_by_table: Mapping[str, int]
    """Size of the tables' files, of the data sets that hold videos."""
    stored_videos: int
    """Videos that those bytes are about, unreadable ones included."""
    stored_video_s: float
    """Their length together."""
    stored_motion_s: float
    """Length of the motions that came of them."""
    estimators: tuple[str, ...]
    """2D estimators that the N videos went through."""
    datasets: tuple[str, ...] = ()
    """Data sets that the N videos belong to."""

    @property
    def videos(self) -> int:
        """N."""
        return len(self.duration_s)

    def seconds_per_video(self) -> dict[str, float]:
        """Mean wall-clock seconds by stage, commit included; {} when nothing was measured."""
        if not self.videos:
            return {}
        means = {stage: float(seconds.mean()) for stage, seconds in self.seconds.items()}
        return {**means, COMMIT: self.commit_s_per_video()}

    def commit_s_per_video(self) -> float:
        """Seconds of commit a video; 0 when no commit was measured."""
        brought = float(self.commit_videos.sum())
        return float(self.commit_s.sum()) / brought if brought else 0.0
