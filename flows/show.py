"""`crossdiff show`: a film of one motion, from the store and, if it is still there, the video."""

from pathlib import Path
from typing import Any

from flows.quality_figures import figures_of
from pipeline.reasons import PipelineError
from pipeline.render import (
    FilmCaption,
    FilmInfo,
    film_fps,
    write_side_by_side,
    write_skeleton_film,
)
from pipeline.video import read_frames
from storage.catalog import MotionRecord, get_motion
from storage.film_rows import film_motion, film_track
from storage.rows import MotionRow
from storage.source_video import find_source
from storage.store import open_store

SHOWN, MISSING, NO_VIDEO = "shown", "missing", "none"


def show_motion(store_url: str, motion_id: str, out: Path) -> dict[str, Any]:
    """Write a film of a motion: the video with its 2D joints beside the 3D skeleton.

    Without its video (gone, changed or unreadable) the skeleton is shown alone.

    Args:
        store_url: The store, or `STORE@VERSION`.
        motion_id: Which motion.
        out: The `.mp4` file to write.

    Returns:
        `motion_id`, `film` (its path), `video` (`shown`, `missing`, `none`: there never was one),
        `note` (why the video is not shown; empty when it is), `frames`, `fps`, `width`, `height`,
        `seconds`.

    Raises:
        UnknownMotion: No such motion.
        StoreError: The store cannot be read.
        ValueError: `out` cannot be written, or there is neither video nor 3D to show.
    """
    record = get_motion(open_store(store_url), motion_id)
    source = find_source(record.video)
    info, note = None, source.note
    if source.path is not None:
        try:
            info = _with_video(record, source.path, out)
        except PipelineError as error:
            note = f"the video {source.path} cannot be shown: {error.detail}"
    if info is None:
        info = _alone(record.motion, note, source.never or "video missing", out)
    state = NO_VIDEO if source.never else MISSING if note else SHOWN
    return {
        "motion_id": motion_id,
        "film": str(info.path),
        "video": state,
        "note": note,
        "frames": info.frames,
        "fps": info.fps,
        "width": info.width,
        "height": info.height,
        "seconds": info.duration_s,
    }


def _with_video(record: MotionRecord, path: Path, out: Path) -> FilmInfo:
    video = record.video
    with read_frames(path, fps=None) as stream:
        return write_side_by_side(
            stream,
            film_track(record.track),
            film_motion(record.motion),
            out,
            caption=_caption(record.motion, ""),
            fps=film_fps(video.fps if video else None),
            duration_s=video.duration_s if video else None,
        )


def _alone(motion: MotionRow, note: str, words: str, out: Path) -> FilmInfo:
    if motion.joints3d is None:
        raise ValueError(f"motion '{motion.motion_id}' is 2D only, and {note}")
    return write_skeleton_film(
        motion.joints3d,
        motion.fps,
        out,
        caption=_caption(motion, words),
        azimuth_deg=film_motion(motion).azimuth_deg,
    )


def _caption(motion: MotionRow, note: str) -> FilmCaption:
    return FilmCaption(motion.motion_id, motion.action or "", figures_of(motion), note)
