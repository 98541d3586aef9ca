"""One motion whole, found through memory: only the files that hold it are opened."""

from contextlib import suppress
from typing import Any

import pyarrow.compute as pc

from storage.arrow_rows import RowT, from_arrow
from storage.catalog import MotionRecord, get_motion
from storage.dashboard.browsing import motion_row
from storage.dashboard.light_tables import LightTables
from storage.dashboard.state import LiveStore
from storage.errors import UnknownMotion
from storage.rows import MotionRow, TrackRow, VideoRow
from storage.schemas import MOTIONS, TRACKS, VIDEOS
from storage.snapshot import Snapshot
from storage.store import open_store

RECENT = 16
"""Motions kept whole in memory: a megabyte each, or so."""


def require_row(live: LiveStore, motion_id: str) -> dict[str, Any]:
    """A motion's light columns.

    Raises:
        UnknownMotion: No motion has this id.
    """
    with live.cursor() as cursor:
        row = motion_row(cursor, motion_id)
    if row is None:
        raise UnknownMotion(f"{live.store.location} has no such motion: choose one of the list")
    return row


def find_record(live: LiveStore, motion_id: str, version: int | None = None) -> MotionRecord:
    """A motion with its arrays, its track and its video.

    Args:
        live: The store as it is shown.
        motion_id: Which motion.
        version: A version of the store; None is the one that is shown.

    Raises:
        UnknownMotion: No motion has this id (in that version).
        StoreError: The store cannot be read.
    """
    if version is not None:
        newest = live.light().version.videos
        if version > newest:
            raise UnknownMotion(f"the store has no version {version}: the newest is {newest}")
        return get_motion(open_store(f"{live.store.location.root}@{version}"), motion_id)
    light = live.light()
    known = light.recent.get(motion_id)
    if known is not None:
        return known
    record = _read(live, light, require_row(live, motion_id))
    light.recent[motion_id] = record
    while len(light.recent) > RECENT:
        with suppress(KeyError):  # another thread was faster
            light.recent.popitem(last=False)
    return record


def _read(live: LiveStore, light: LightTables, row: dict[str, Any]) -> MotionRecord:
    motion_id = row["motion_id"]
    if row["file"] is None:
        return get_motion(light.store, motion_id)
    where = pc.field("motion_id") == motion_id
    found = light.snapshots[MOTIONS.name].read(where, paths=[str(row["file"])])
    if not found.num_rows:  # the state was replaced in between
        return get_motion(live.store, motion_id)
    motion = from_arrow(found, MotionRow)[0]
    if motion.video_hash is None:
        return MotionRecord(motion, None, None)
    return MotionRecord(motion, _track(light, motion), find_video(light, motion))


def find_video(light: LightTables, motion: MotionRow) -> VideoRow | None:
    """The video of a motion; None for motion capture."""
    same = (pc.field("video_hash") == motion.video_hash) & (pc.field("dataset") == motion.dataset)
    return _first(light.snapshots[VIDEOS.name], motion, same, VideoRow)


def _track(light: LightTables, motion: MotionRow) -> TrackRow | None:
    same = (
        (pc.field("video_hash") == motion.video_hash)
        & (pc.field("dataset") == motion.dataset)
        & (pc.field("shot") == motion.shot)
        & (pc.field("track") == motion.track)
    )
    return _first(light.snapshots[TRACKS.name], motion, same, TrackRow)


def _first(
    snapshot: Snapshot, motion: MotionRow, where: pc.Expression, kind: type[RowT]
) -> RowT | None:
    """The row of a motion's video; which file holds it is learnt once a process."""
    holding = snapshot.holding(motion.dataset, [str(motion.video_hash)])
    found = from_arrow(snapshot.read(where, paths=[file.path for file in holding]), kind)
    return found[0] if found else None
