"""The report's pictures: a video frame and a pose of some motions, and the data to play them."""

import base64
import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from flows.quality_figures import figures_of
from flows.report.records import read_records
from pipeline.reasons import PipelineError
from pipeline.render import FilmMotion, skeleton_thumbnail, thumbnail
from pipeline.render.player_data import PackedMotion, pack_motion
from pipeline.video import read_frame_at
from storage.catalog import MotionRecord
from storage.film_rows import film_motion, film_track
from storage.rows import MotionRow
from storage.source_video import find_source
from storage.store import Store


@dataclass(frozen=True)
class Card:
    """One motion of the gallery."""

    motion: MotionRow
    name: str
    """The video's name; empty for motion capture."""
    middle_s: float
    """Time of the pictures in the video."""
    picture: str
    """Data URL of the video frame with 2D joints; empty when there is none."""
    note: str
    """Why there is no video frame."""
    pose: str
    """Data URL of the 3D pose; empty when there is none."""
    packed: PackedMotion | None
    """The motion for the player; None when there is no pose."""
    pose_note: str
    """Why there is no pose."""
    azimuth_deg: float
    """Where the player begins to look from: as in the picture of the pose."""
    figures: tuple[tuple[str, str], ...]
    """(name, value with unit)."""
    command: str
    """What makes a film of it."""


def make_cards(store: Store, motion_ids: Sequence[str]) -> list[Card]:
    """Pictures and facts of some motions, by class and then by id."""
    cards = [_card(record, store) for record in read_records(store, motion_ids)]
    return sorted(cards, key=lambda card: (card.motion.action or "", card.motion.motion_id))


def _card(record: MotionRecord, store: Store) -> Card:
    motion, film = record.motion, film_motion(record.motion)
    picture, note = _video_picture(record, film.middle_s)
    pose, packed, pose_note = _pose_picture(film)
    return Card(
        motion=motion,
        name=record.video.name if record.video else "",
        middle_s=film.middle_s,
        picture=picture,
        note=note,
        pose=pose,
        packed=packed,
        pose_note=pose_note,
        azimuth_deg=film.azimuth_deg,
        figures=figures_of(motion),
        command=show_command(motion.motion_id, store.location.root),
    )


def show_command(motion_id: str, store_url: str) -> str:
    """The command line that makes a film of a motion, ready to paste."""
    words = ["crossdiff", "show", motion_id, "--store", store_url, "--out", f"{motion_id}.mp4"]
    return shlex.join(words)


def _video_picture(record: MotionRecord, time_s: float) -> tuple[str, str]:
    """The frame at a time with its 2D joints as a data URL; or nothing, and why."""
    source = find_source(record.video)
    if source.path is None:
        return "", source.note
    try:
        batch = read_frame_at(source.path, time_s)
    except PipelineError as error:
        return "", f"the video {source.path} cannot be shown: {error.detail}"
    shown_s = float(batch.times[0])
    track = film_track(record.track)
    if track is None:
        return _data_url(thumbnail(batch.frames[0])), ""
    detected, cleaned = track.detected_at(shown_s), track.cleaned_at(shown_s)
    return _data_url(thumbnail(batch.frames[0], detected, cleaned)), ""


def _pose_picture(film: FilmMotion) -> tuple[str, PackedMotion | None, str]:
    """The middle pose as a data URL and the motion for the player; or nothing, and why."""
    if film.joints3d is None:
        return "", None, "2D only: this motion has no 3D"
    try:
        pose = skeleton_thumbnail(film.joints3d, film.fps, azimuth_deg=film.azimuth_deg)
        return _data_url(pose), pack_motion(film.joints3d), ""
    except ValueError as error:
        return "", None, f"the motion cannot be drawn: {error}"


def _data_url(jpeg: bytes) -> str:
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode('ascii')}"
