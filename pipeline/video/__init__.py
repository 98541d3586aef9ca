"""From a path to RGB frames with true times: finding videos, reading them in a child process."""

from pipeline.video.limits import ReadLimits
from pipeline.video.notices import Notice
from pipeline.video.reader import FrameStream, content_hash, read_frame_at, read_frames
from pipeline.video.sources import VIDEO_SUFFIXES, NoVideos, SourceClip, find_videos

__all__ = [
    "VIDEO_SUFFIXES",
    "FrameStream",
    "NoVideos",
    "Notice",
    "ReadLimits",
    "SourceClip",
    "content_hash",
    "find_videos",
    "read_frame_at",
    "read_frames",
]
