"""Films of one motion: the video with its 2D joints beside the 3D skeleton, on one clock."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.arrays import AnyFloat, UInt8
from pipeline.carriers import FrameBatch
from pipeline.render import canvas
from pipeline.render.camera import AZIMUTH_DEG
from pipeline.render.mp4 import mp4_writer
from pipeline.render.overlay import draw_pose
from pipeline.render.palette import BACKDROP, TEXT_QUIET
from pipeline.render.panels import VideoPanel, video_panel
from pipeline.render.skeleton3d import (
    SkeletonScene,
    draw_empty_scene,
    draw_scene,
    skeleton_scene,
)
from pipeline.render.strip import TimeLine, blank_strip, draw_clock
from pipeline.render.subjects import FilmCaption, FilmMotion, FilmTrack

PANEL_PX = 480
"""Height of both pictures, and width of the skeleton's."""
SLOWEST_FPS, FASTEST_FPS = 10.0, 30.0
MARGIN_S = 10.0
"""How much of the video is shown before and after the motion."""
_WORDS_PX = 12.0


@dataclass(frozen=True)
class FilmInfo:
    """What was written."""

    path: Path
    frames: int
    fps: float
    width: int
    """Pixels."""
    height: int

    @property
    def duration_s(self) -> float:
        """Length of the film."""
        return self.frames / self.fps


def film_fps(video_fps: float | None) -> float:
    """The video's rate, or the nearest whole part or multiple of it between 10 and 30.

    Whole, so that pictures are dropped or repeated evenly. Without a known rate: 25.
    """
    if video_fps is None or not video_fps > 0 or not math.isfinite(video_fps):
        return 25.0
    if video_fps > FASTEST_FPS:
        return video_fps / math.ceil(video_fps / FASTEST_FPS)
    return video_fps * math.ceil(SLOWEST_FPS / video_fps)


def write_side_by_side(
    batches: Iterable[FrameBatch],
    track: FilmTrack | None,
    motion: FilmMotion,
    out: Path | str,
    *,
    caption: FilmCaption,
    fps: float,
    duration_s: float | None = None,
) -> FilmInfo:
    """Write the video with its 2D joints beside the 3D skeleton.

    Every picture shows one moment of the video's clock: the video's picture, the 2D joints and the
    3D pose of that moment. Where the motion has no pose, the skeleton's side says so.

    Args:
        batches: The video's frames in time order, from its beginning.
        track: The person's 2D joints; None draws none.
        motion: The 3D joints and when they begin.
        out: An `.mp4` file.
        caption: What to write under it.
        fps: Pictures a second of the film; see `film_fps`.
        duration_s: Length of the video, for the time line; None leaves the line out.

    Raises:
        ValueError: `out` cannot be written, or the video has no picture in the motion's time.
    """
    first, last = motion.start_s - MARGIN_S, motion.end_s + MARGIN_S
    moments = on_grid(batches, fps, first, last)
    start = next(moments, None)
    if start is None:
        raise ValueError("the video has no picture in the motion's time")
    panel = video_panel((start[1].shape[1], start[1].shape[0]), PANEL_PX)
    scene = _scene(motion)
    strip = blank_strip(panel.width + PANEL_PX, caption)
    line = _time_line(start[0], duration_s, motion)
    size = (strip.shape[1], PANEL_PX + len(strip))
    with mp4_writer(out, size, fps) as write:
        count = 0
        for time_s, frame in _chain(start, moments):
            now = strip.copy()
            draw_clock(now, time_s, line)
            left = _video_side(panel, frame, track, time_s)
            right = _motion_side(scene, motion.frame_at(time_s))
            write(np.vstack([np.hstack([left, right]), now]))
            count += 1
    return FilmInfo(Path(out), count, fps, *size)


def write_skeleton_film(
    joints3d: AnyFloat,
    fps: float,
    out: Path | str,
    *,
    caption: FilmCaption | None = None,
    azimuth_deg: float = AZIMUTH_DEG,
) -> FilmInfo:
    """Write the 3D skeleton alone, a picture a frame.

    Args:
        joints3d: (T, 22, 3) metres, y up.
        fps: Frames a second.
        out: An `.mp4` file.
        caption: What to write under it; None leaves the strip out.
        azimuth_deg: Turn of the body about y.

    Raises:
        ValueError: `out` cannot be written, or the joints have another shape or are not finite.
    """
    width = PANEL_PX * 4 // 3
    scene = skeleton_scene(joints3d, fps, (width, PANEL_PX), azimuth_deg)
    strip = blank_strip(width, caption) if caption else np.empty((0, width, 3), np.uint8)
    size = (width, PANEL_PX + len(strip))
    with mp4_writer(out, size, fps) as write:
        for frame in range(scene.n_frames):
            now = strip.copy()
            if caption:
                draw_clock(now, frame / fps, None)
            write(np.vstack([draw_scene(scene, float(frame)), now]))
    return FilmInfo(Path(out), scene.n_frames, fps, *size)


def on_grid(
    batches: Iterable[FrameBatch], fps: float, first_s: float, last_s: float
) -> Iterator[tuple[float, UInt8]]:
    """Even times with the picture that a viewer of the video would see then.

    A picture is repeated through a gap in the video and left out where the video is faster.

    Args:
        batches: Frames in time order.
        fps: Times a second.
        first_s: Frames before this are left out; the grid begins at the first one kept.
        last_s: Frames after this are left out.

    Yields:
        (time in seconds, (H, W, 3) RGB frame).
    """
    shown: UInt8 | None = None
    begin, number, end = 0.0, 0, 0.0
    for time_s, frame in _frames(batches):
        if time_s < first_s:
            continue
        if time_s > last_s:
            break
        if shown is None:
            begin = time_s
        # The frame takes over at the grid time nearest to its own.
        while shown is not None and begin + (number + 0.5) / fps <= time_s:
            yield begin + number / fps, shown
            number += 1
        shown, end = frame, time_s
    while shown is not None and begin + (number - 0.5) / fps < end:
        yield begin + number / fps, shown
        number += 1


def _frames(batches: Iterable[FrameBatch]) -> Iterator[tuple[float, UInt8]]:
    for batch in batches:
        yield from zip(batch.times.tolist(), batch.frames, strict=True)


def _chain(
    start: tuple[float, UInt8], rest: Iterator[tuple[float, UInt8]]
) -> Iterator[tuple[float, UInt8]]:
    yield start
    yield from rest


def _scene(motion: FilmMotion) -> SkeletonScene | None:
    if motion.joints3d is None:
        return None
    size = (PANEL_PX, PANEL_PX)
    return skeleton_scene(motion.joints3d, motion.fps, size, motion.azimuth_deg)


def _time_line(start_s: float, duration_s: float | None, motion: FilmMotion) -> TimeLine | None:
    if duration_s is None:
        return None
    end = max(min(duration_s, motion.end_s + MARGIN_S), start_s)
    return TimeLine(start_s, end, motion.start_s, motion.end_s)


def _video_side(panel: VideoPanel, frame: UInt8, track: FilmTrack | None, time_s: float) -> UInt8:
    picture = panel.scaled(frame)
    if track is not None:
        draw_pose(picture, panel.scale, track.detected_at(time_s), track.cleaned_at(time_s))
    return panel.framed(picture)


def _motion_side(scene: SkeletonScene | None, frame: float | None) -> UInt8:
    if scene is not None and frame is not None:
        return draw_scene(scene, frame)
    if scene is None:
        side, words = canvas.filled((PANEL_PX, PANEL_PX), BACKDROP), "no 3D: this motion is 2D only"
    else:
        side, words = draw_empty_scene(scene, 0.0), "no motion"
    left = (PANEL_PX - canvas.text_width(words, _WORDS_PX)) / 2
    canvas.text(side, words, (left, PANEL_PX / 2), _WORDS_PX, TEXT_QUIET)
    return side
