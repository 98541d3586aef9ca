"""Thumbnails: a frame of the video with the 2D skeleton, or the 3D skeleton where there is none."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.reasons import PipelineError
from pipeline.render import skeleton_thumbnail, thumbnail
from pipeline.render.thumbnail import jpeg as jpeg_of
from pipeline.video import read_frame_at
from pipeline.views import UNITS_PER_METRE
from storage.catalog import MotionRecord
from storage.dashboard.media_cache import MediaCache
from storage.dashboard.source_check import SourceCheck
from storage.film_rows import film_motion, film_track
from storage.rows import MotionRow

LAYOUT = 1
"""Changes with how a picture is drawn, so that no older one is shown."""
WIDTH_PX = 240
HEIGHT_PX = 180
BLANK = 128
"""Grey of a picture of nothing."""
FRAME, SKELETON = "frame", "skeleton"
FORGET_S = {FRAME: 3600, SKELETON: 60}
"""How long a browser may keep a picture: a video that is gone may come back."""


@dataclass(frozen=True)
class Picture:
    """A JPEG file and what it shows."""

    file: Path
    shows: str


class Pictures:
    """Makes thumbnails once and keeps them; any thread may ask."""

    def __init__(self, cache: MediaCache, sources: SourceCheck) -> None:
        self._cache = cache
        self._sources = sources

    def known(self, row: dict[str, Any]) -> Picture | None:
        """The picture that was made of a motion (its light row), if it was; nothing is opened."""
        file = self._place(row, FRAME)
        return Picture(file, FRAME) if self._cache.has(file) else None

    def make(self, row: dict[str, Any], find: Callable[[], MotionRecord]) -> Picture:
        """The picture of a motion, made now if need be.

        Args:
            row: The motion's light columns.
            find: Reads it whole.
        """
        record = find()
        jpeg = self._frame(record)
        if jpeg is not None:
            return self._keep(row, FRAME, jpeg)
        file = self._place(row, SKELETON)
        if self._cache.has(file):
            return Picture(file, SKELETON)
        try:
            drawn = _skeleton(record.motion)
        except ValueError:  # nothing in it can be drawn: the list shows an empty place
            drawn = jpeg_of(np.full((HEIGHT_PX, WIDTH_PX, 3), BLANK, np.uint8))
        return self._keep(row, SKELETON, drawn)

    def _frame(self, record: MotionRecord) -> bytes | None:
        source = self._sources.find(record.video)
        if source.path is None:
            return None
        try:
            batch = read_frame_at(source.path, film_motion(record.motion).middle_s)
        except PipelineError:
            return None
        track = film_track(record.track)
        shown_s = float(batch.times[0])
        detected = None if track is None else track.detected_at(shown_s)
        cleaned = None if track is None else track.cleaned_at(shown_s)
        frame = batch.frames[0]
        height = max(2, round(WIDTH_PX * frame.shape[0] / frame.shape[1]))
        return thumbnail(frame, detected, cleaned, min(height, 2 * HEIGHT_PX))

    def _place(self, row: dict[str, Any], shows: str) -> Path:
        made_from = (row["video_hash"], row["motion_id"], row["created_at"], row["checkpoint_id"])
        return self._cache.place(".jpg", "thumbnail", LAYOUT, shows, *made_from)

    def _keep(self, row: dict[str, Any], shows: str, jpeg: bytes) -> Picture:
        file = self._place(row, shows)
        self._cache.write(file, jpeg)
        return Picture(file, shows)


def _skeleton(motion: MotionRow) -> bytes:
    """The pose in the middle; of a motion without 3D its view, flat."""
    film = film_motion(motion)
    if motion.joints3d is not None and np.isfinite(motion.joints3d).all():
        size = (WIDTH_PX, HEIGHT_PX)
        return skeleton_thumbnail(motion.joints3d, film.fps, None, size, film.azimuth_deg)
    view = np.nan_to_num(motion.view2d.astype(np.float64)) / UNITS_PER_METRE
    flat = np.concatenate([view, np.zeros_like(view[..., :1])], axis=-1)
    return skeleton_thumbnail(flat, film.fps, None, (WIDTH_PX, HEIGHT_PX), 0.0)
