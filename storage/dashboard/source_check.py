"""Is a motion's video still the file that was ingested? Known again while nothing touched it."""

import threading
from collections import OrderedDict
from pathlib import Path

from pipeline.video.stamps import Stamp, is_racy, stamp_of
from storage.rows import VideoRow
from storage.source_video import SourceVideo, find_source

KEPT = 10_000
"""Videos remembered."""


class SourceCheck:
    """`find_source`, without reading a video's bytes at every picture of it."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[str, str], Stamp] = OrderedDict()
        self._lock = threading.Lock()

    def find(self, video: VideoRow | None) -> SourceVideo:
        """As `find_source`: the file, or one sentence on why there is none."""
        stamp = None if video is None else _stamp(video.path)
        if video is None or stamp is None or is_racy(stamp):
            return find_source(video)
        key = (video.path, video.video_hash)
        with self._lock:
            if self._known.get(key) == stamp:
                return SourceVideo(Path(video.path))
        found = find_source(video)
        if found.path is not None and _stamp(video.path) == stamp:
            with self._lock:
                self._known[key] = stamp
                while len(self._known) > KEPT:
                    self._known.popitem(last=False)
        return found


def _stamp(path: str) -> Stamp | None:
    try:
        return None if "://" in path else stamp_of(Path(path))
    except (OSError, ValueError):
        return None
