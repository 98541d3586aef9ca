"""The report's pictures: a video frame and a pose of some motions, and the data to play them."""

import base64
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from flows.quality_figures import figures_of
from flows.show import film_motion, film_track
from flows.source_video import find_source
from pipeline.reasons import PipelineError
from pipeline.render import skeleton_thumbnail, thumbnail
from pipeline.render.player_data import PackedMotion, pack_motion
from pipeline.video import read_frame_at
from storage.catalog import MotionRecord, get_motion
from storage.rows import MotionRow
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
    """Data URL of the 3D pose; empty for a motion that is 2D only."""
    packed: PackedMotion | None
    """The motion for the player; None for a motion that is 2D only."""
    azimuth_deg: float
    """Where the player begins to look from: as in the picture of the pose."""
    figures: tuple[tuple[str, str], ...]
    """(name, value with unit)."""
    command: str
    """What makes a film of it."""


def make_cards(store: Store, motion_ids: Sequence[str]) -> list[Card]:
    """Pictures and facts of some motions, by class and then by id."""
    cards = list(_cards(store, motion_ids))
    return sorted(cards, key=lambda card: (card.motion.action or "", card.motion.motion_id))


def _cards(store: Store, motion_ids: Sequence[str]) -> Iterator[Card]:
    for motion_id in motion_ids:
        yield _card(get_motion(store, motion_id), store)


def _card(record: MotionRecord, store: Store) -> Card:
    motion, film = record.motion, film_motion(record.motion)
    picture, note = _video_picture(record, film.middle_s)
    pose, packed = "", None
    if motion.joints3d is not None:
        pose = _data_url(
            skeleton_thumbnail(motion.joints3d, motion.fps, azimuth_deg=film.azimuth_deg)
        )
        packed = pack_motion(motion.joints3d)
    return Card(
        motion=motion,
        name=record.video.name if record.video else "",
        middle_s=film.middle_s,
        picture=picture,
        note=note,
        pose=pose,
        packed=packed,
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


def _data_url(jpeg: bytes) -> str:
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode('ascii')}"
