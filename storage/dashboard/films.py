"""Source videos as browsers play them: H.264 in MP4, on the source's own clock, made once.

Every frame is shown at the time that the project's reader gives it, with the rotation applied: the
joints' times and pixels are the film's. Long videos are cut around the motion; `offset_s` says by
how much the film's clock is behind the source's.
"""

import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from pipeline.arrays import UInt8
from pipeline.carriers import FrameBatch
from pipeline.render.film import on_grid
from pipeline.render.mp4 import mp4_writer
from pipeline.video import read_frames
from storage.catalog import MotionRecord
from storage.dashboard.media_cache import MediaCache
from storage.dashboard.source_check import SourceCheck

LAYOUT = 1
WHOLE_S = 120.0
"""Videos up to this length are shown whole."""
MARGIN_S = 10.0
"""What is shown of longer ones before and after the motion."""
LARGEST_PX = (1280, 720)
FASTEST_FPS = 60.0
UNKNOWN_FPS = 25.0


class NoFilm(LookupError):  # noqa: N818 - named as the situation it reports
    """There are no pictures of this motion; one sentence says why."""


@dataclass(frozen=True)
class Span:
    """The part of a source video that a film shows, seconds."""

    first_s: float
    last_s: float
    fps: float

    @property
    def offset_s(self) -> float:
        """Source time of the film's beginning."""
        return self.first_s


class Films:
    """Makes films once and keeps them; any thread may ask, one is made at a time."""

    def __init__(self, cache: MediaCache, sources: SourceCheck) -> None:
        self._cache = cache
        self._sources = sources
        self._turn = threading.Lock()

    def known(self, record: MotionRecord) -> Path | None:
        """The film that was made of a motion's video, if it was.

        Raises:
            NoFilm: Captured, gone, changed, or on another machine.
        """
        file = self._place(record)
        return file if self._cache.has(file) else None

    def make(self, record: MotionRecord) -> Path:
        """The film of a motion's video, made now if need be.

        Raises:
            NoFilm: Captured, gone, changed, or on another machine.
            PipelineError: The video cannot be read.
        """
        file = self._place(record)
        with self._turn:
            if not self._cache.has(file):
                write_film(self._source(record), span_of(record), file)
                self._cache.added(file)
        return file

    def _source(self, record: MotionRecord) -> Path:
        source = self._sources.find(record.video)
        if source.path is None:
            raise NoFilm(source.note)
        return source.path

    def _place(self, record: MotionRecord) -> Path:
        """Films are of what was ingested: a file that has changed has none."""
        self._source(record)
        content = record.video.video_hash if record.video else ""
        return self._cache.place(".mp4", "film", LAYOUT, content, span_of(record))


def span_of(record: MotionRecord) -> Span:
    """What a film of this motion shows."""
    motion, video = record.motion, record.video
    fps = (video.fps if video else None) or UNKNOWN_FPS
    rate = fps if fps <= FASTEST_FPS else fps / int(np.ceil(fps / FASTEST_FPS))
    length = (video.duration_s if video else None) or 0.0
    if length <= WHOLE_S:
        return Span(0.0, WHOLE_S + MARGIN_S, rate)
    start = motion.start_s or 0.0
    first = max(0.0, start - MARGIN_S)
    return Span(round(first, 3), start + motion.n_frames / motion.fps + MARGIN_S, rate)


def write_film(source: Path, span: Span, out: Path) -> None:
    """Write the film; it appears under its name when it is whole.

    Raises:
        PipelineError: The video cannot be read.
        ValueError: The film cannot be written, or the video has no picture in that time.
    """
    with read_frames(source, fps=None) as stream:
        moments = on_grid(_from_begin(stream, span.first_s), span.fps, span.first_s, span.last_s)
        begun = next(moments, None)
        if begun is None:
            raise ValueError(f"{source} has no picture in the motion's time")
        size = _size(begun[1])
        with mp4_writer(out, size, span.fps) as write:
            write(_fitted(begun[1], size))
            for _, frame in moments:
                write(_fitted(frame, size))


def _from_begin(batches: Iterable[FrameBatch], first_s: float) -> Iterator[FrameBatch]:
    """The frames with one at `first_s` exactly: the film's clock begins there, not at a frame."""
    before: FrameBatch | None = None
    begun = False
    for batch in batches:
        for at in range(len(batch.times)):
            one = FrameBatch(times=batch.times[at : at + 1], frames=batch.frames[at : at + 1])
            if not begun and float(one.times[0]) >= first_s:
                begun = True
                held = one if before is None else before
                if float(one.times[0]) > first_s:
                    yield FrameBatch(times=np.array([first_s]), frames=held.frames)
            before = one
            if begun:
                yield one


def _size(frame: UInt8) -> tuple[int, int]:
    """(width, height) of the film: the picture's, at most `LARGEST_PX`, both even."""
    height, width = frame.shape[:2]
    scale = min(1.0, LARGEST_PX[0] / width, LARGEST_PX[1] / height)
    return tuple(max(2, 2 * round(side * scale / 2)) for side in (width, height))  # type: ignore[return-value]


def _fitted(frame: UInt8, size: tuple[int, int]) -> UInt8:
    if (frame.shape[1], frame.shape[0]) == size:
        return frame
    return np.asarray(cv2.resize(frame, size, interpolation=cv2.INTER_AREA), np.uint8)
