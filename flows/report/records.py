"""The motions that the report shows, with their tracks and videos, in three reads for all."""

from collections.abc import Collection, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from storage.arrow_rows import from_arrow
from storage.catalog import MotionRecord
from storage.rows import MotionRow, TrackRow, VideoRow
from storage.schemas import MOTIONS, TRACKS, VIDEOS
from storage.snapshot import FILE_NAME
from storage.store import Store


def read_records(store: Store, motion_ids: Sequence[str]) -> list[MotionRecord]:
    """What `storage.catalog.get_motion` gives, for many motions at the cost of about one.

    Args:
        store: Held at one version, at which the motions are visible.
        motion_ids: Which motions; the result has another order.

    Raises:
        StoreError: The store cannot be read.
    """
    motions = from_arrow(_find(store, MOTIONS.name, "motion_id", motion_ids), MotionRow)
    hashes = {row.video_hash for row in motions if row.video_hash is not None}
    videos = from_arrow(_find(store, VIDEOS.name, "video_hash", hashes), VideoRow)
    tracks = from_arrow(_find(store, TRACKS.name, "video_hash", hashes), TrackRow)
    by_video: dict[tuple[str, str | None], VideoRow] = {
        (row.dataset, row.video_hash): row for row in videos
    }
    by_person: dict[tuple[str, str | None, int | None, int | None], TrackRow] = {
        (row.dataset, row.video_hash, row.shot, row.track): row for row in tracks
    }
    return [
        MotionRecord(
            motion,
            by_person.get((motion.dataset, motion.video_hash, motion.shot, motion.track)),
            by_video.get((motion.dataset, motion.video_hash)),
        )
        for motion in motions
    ]


def _find(store: Store, table: str, column: str, values: Collection[str]) -> pa.Table:
    """Rows with any of the values: first which files hold them, then only those files."""
    snapshot = store.snapshot(table)
    where = pc.field(column).isin(pa.array(sorted(values), pa.string()))
    paths = set(snapshot.keys().filter(where).column(FILE_NAME).to_pylist())
    return snapshot.read(where, paths=paths)
