"""The video behind a motion: still where it was, and still the same file?"""

from dataclasses import dataclass
from pathlib import Path

from pipeline.reasons import PipelineError
from pipeline.skeleton_files import DECODER
from pipeline.video import content_hash
from storage.rows import VideoRow


@dataclass(frozen=True)
class SourceVideo:
    """Where to read the pictures, or why there are none."""

    path: Path | None
    """None when the pictures cannot be had."""
    note: str = ""
    """One sentence on what is wrong; empty when nothing is."""
    never: str = ""
    """Why there never was a video, in a word or two; empty when there was one."""


def find_source(video: VideoRow | None) -> SourceVideo:
    """Look for a motion's video and compare its content with what was ingested.

    Args:
        video: The video's row; None for motion capture.
    """
    if video is None:
        return SourceVideo(None, "this motion was captured, not filmed", "captured, not filmed")
    if video.decoder == DECODER:
        said = f"there is no video: its 2D was read from the skeleton file {video.path}"
        return SourceVideo(None, said, "from a skeleton file")
    if "://" in video.path:
        return SourceVideo(None, f"the video is not on this machine: it lies at {video.path}")
    try:
        found = content_hash(video.path)
    except PipelineError as error:
        return SourceVideo(None, f"the video {video.path} cannot be shown: {error.detail}")
    if found != video.video_hash:
        return SourceVideo(None, f"the video {video.path} has changed since it was ingested")
    return SourceVideo(Path(video.path))
