"""Queries over a store: listings, counts, one motion whole; reading only the columns asked for.

A motion (and a track) is visible when its video's row exists, or when it has no video (motion
capture): what a killed run left half-committed does not show. Every query sees one consistent
state: the pinned version of the store, or the newest.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from storage.arrow_rows import from_arrow
from storage.columns import TableSpec
from storage.errors import UnknownMotion, told_plainly
from storage.rows import MotionRow, TrackRow, VideoRow
from storage.schemas import DATASETS, DECISIONS, MOTIONS, TRACKS, VIDEOS
from storage.snapshot import FILE_NAME, Snapshot
from storage.store import Store, has_table

_VISIBLE = """
CREATE TEMP VIEW {table} AS SELECT * FROM {table}_all AS part
WHERE part.video_hash IS NULL OR EXISTS (
    SELECT 1 FROM videos
    WHERE videos.dataset = part.dataset AND videos.video_hash = part.video_hash)
"""

_MEAN_REPROJECTION = """
SELECT avg(quality_reprojection_error) FROM motions
WHERE dataset = $dataset AND NOT isnan(quality_reprojection_error)
"""
_WITHOUT_OPINION = """
SELECT count(*) FROM motions
WHERE dataset = $dataset AND source_kind = 'pseudo' AND joints3d_shape IS NOT NULL
AND second_opinion IS NULL
"""
_COUNTED = {
    VIDEOS.name: "status, reason",
    TRACKS.name: "dataset",
    MOTIONS.name: "dataset, action, n_frames",
}
"""Columns that the counts need, by table."""


@dataclass(frozen=True)
class MotionRecord:
    """One motion with what it was made from."""

    motion: MotionRow
    track: TrackRow | None
    """None for motion capture."""
    video: VideoRow | None
    """None for motion capture."""


@dataclass(frozen=True)
class Counts:
    """How much is in a store."""

    videos: int
    videos_by_status: dict[str, int]
    failures_by_reason: dict[str, int]
    tracks: int
    motions: int
    motions_by_dataset: dict[str, int]
    motions_by_action: dict[str, int]
    """Key `` (empty) for motions without an action."""
    motion_frames: int


def connect(store: Store) -> duckdb.DuckDBPyConnection:
    """A DuckDB connection with a view of each table of rows, for any SQL.

    The views are `videos`, `tracks`, `motions`, `datasets` and `decisions`; the last one holds all
    decisions ever made, whichever version of the store is opened.
    Columns that a query does not name are not read from disk. Close it, or let it go, when done.

    Raises:
        StoreError: A table cannot be read.
    """
    connection = duckdb.connect()
    # videos first: the other tables are then never too old for it.
    for spec in (VIDEOS, DATASETS):
        store.snapshot(spec.name).add_view(connection, spec.name)
    for spec in (TRACKS, MOTIONS):
        store.snapshot(spec.name).add_view(connection, f"{spec.name}_all")
        connection.execute(_VISIBLE.format(table=spec.name))
    if has_table(store.location, DECISIONS.name):
        store.snapshot(DECISIONS.name).add_view(connection, DECISIONS.name)
    else:  # a store from before decisions were kept
        connection.register(DECISIONS.name, DECISIONS.schema.empty_table())
    return connection


def list_videos(
    store: Store,
    *,
    dataset: str | None = None,
    status: str | None = None,
    reason: str | None = None,
    action: str | None = None,
    limit: int | None = None,
) -> pa.Table:
    """Rows of `videos`, sorted by data set and name; None means any.

    Raises:
        StoreError: The store cannot be read.
    """
    wanted = {"dataset": dataset, "status": status, "reason": reason, "action": action}
    return _list(store, VIDEOS, wanted, order="dataset, name", limit=limit)


def list_motions(
    store: Store,
    *,
    dataset: str | None = None,
    action: str | None = None,
    split: str | None = None,
    source_kind: str | None = None,
    min_score: float | None = None,
    limit: int | None = None,
) -> pa.Table:
    """Visible rows of `motions` without their arrays, sorted by motion id; None means any.

    A label without a score has not reached `min_score`.

    Raises:
        StoreError: The store cannot be read.
    """
    wanted = {"dataset": dataset, "action": action, "split": split, "source_kind": source_kind}
    least = {} if min_score is None else {"label_score": min_score}
    return _list(store, MOTIONS, wanted, order="motion_id", limit=limit, least=least)


def count_rows(store: Store, dataset: str | None = None) -> Counts:
    """Totals of a store, or of one of its data sets.

    Raises:
        StoreError: The store cannot be read.
    """
    with told_plainly(f"count the rows of {store.location}"), connect(store) as connection:
        # Each table is scanned once, into a small one that all the counts come from.
        for table, columns in _COUNTED.items():
            where = "true" if dataset is None else "dataset = $dataset"
            sql = (
                f"CREATE TEMP TABLE {table}_counted AS SELECT {columns} FROM {table} WHERE {where}"  # noqa: S608
            )
            connection.execute(sql, {} if dataset is None else {"dataset": dataset})
        frames = connection.sql("SELECT coalesce(sum(n_frames), 0) FROM motions_counted").fetchall()
        by_status = _tally(connection, "videos", "status")
        by_dataset = _tally(connection, "motions", "dataset")
        return Counts(
            videos=sum(by_status.values()),
            videos_by_status=by_status,
            failures_by_reason=_tally(connection, "videos", "reason", "status = 'failed'"),
            tracks=sum(_tally(connection, "tracks", "dataset").values()),
            motions=sum(by_dataset.values()),
            motions_by_dataset=by_dataset,
            motions_by_action=_tally(connection, "motions", "action"),
            motion_frames=int(frames[0][0]),
        )


def mean_reprojection(store: Store, dataset: str) -> float | None:
    """Mean reprojection error of a data set's visible motions, metres; None where none is known.

    Raises:
        StoreError: The store cannot be read.
    """
    with told_plainly(f"read the motions of {store.location}"), connect(store) as connection:
        rows = connection.execute(_MEAN_REPROJECTION, {"dataset": dataset}).fetchall()
    return None if rows[0][0] is None else float(rows[0][0])


def count_without_opinion(store: Store, dataset: str) -> int:
    """Visible labels of a data set without the 2D estimator's own 3D in them.

    Raises:
        StoreError: The store cannot be read.
    """
    with told_plainly(f"read the motions of {store.location}"), connect(store) as connection:
        rows = connection.execute(_WITHOUT_OPINION, {"dataset": dataset}).fetchall()
    return int(rows[0][0])


def get_motion(store: Store, motion_id: str) -> MotionRecord:
    """One motion with all its arrays, its track and its video.

    Raises:
        UnknownMotion: No visible motion has this id.
        StoreError: The store cannot be read.
    """
    videos = store.snapshot(VIDEOS.name)
    motions = _find(store.snapshot(MOTIONS.name), pc.field("motion_id") == motion_id)
    found = from_arrow(motions, MotionRow)
    if not found:
        raise UnknownMotion(f"{store.location} has no motion '{motion_id}'")
    motion = found[0]
    if motion.video_hash is None:
        return MotionRecord(motion, None, None)
    same_video = (pc.field("video_hash") == motion.video_hash) & (
        pc.field("dataset") == motion.dataset
    )
    video = from_arrow(_find(videos, same_video), VideoRow)
    if not video:
        raise UnknownMotion(f"motion '{motion_id}' of {store.location} is not complete yet")
    same_track = (pc.field("shot") == motion.shot) & (pc.field("track") == motion.track)
    track = from_arrow(_find(store.snapshot(TRACKS.name), same_video & same_track), TrackRow)
    return MotionRecord(motion, track[0] if track else None, video[0])


def _tally(
    connection: duckdb.DuckDBPyConnection, table: str, column: str, where: str = "true"
) -> dict[str, int]:
    """How many rows have each value, most frequent first; all names are this module's own."""
    rows = connection.sql(
        f"SELECT coalesce({column}, ''), count(*) AS n FROM {table}_counted "  # noqa: S608
        f"WHERE {where} GROUP BY 1 ORDER BY n DESC, 1"
    ).fetchall()
    return {str(value): int(count) for value, count in rows}


def _list(
    store: Store,
    spec: TableSpec,
    wanted: dict[str, str | None],
    *,
    order: str,
    limit: int | None,
    least: Mapping[str, float] = MappingProxyType({}),
) -> pa.Table:
    values: dict[str, object] = {k: value for k, value in wanted.items() if value is not None}
    # DuckDB orders NaN above every number.
    reached = [f"NOT isnan({name}) AND {name} >= ${name}" for name in least]
    where = " AND ".join([*(f"{name} = ${name}" for name in values), *reached]) or "true"
    values |= least
    shown = ", ".join(f'"{name}"' for name in spec.light_columns)
    # Names come from the schema and from this module; values are bound, never pasted.
    sql = f"SELECT {shown} FROM {spec.name} WHERE {where} ORDER BY {order}"  # noqa: S608
    if limit is not None:
        sql += f" LIMIT {int(limit)}"
    with told_plainly(f"list the {spec.name} of {store.location}"), connect(store) as connection:
        return connection.sql(sql, params=values).to_arrow_table()


def _find(snapshot: Snapshot, where: pc.Expression) -> pa.Table:
    """Rows by key, reading arrays only from the row groups that hold them.

    The first pass reads key columns to learn the file; in the second, row group statistics spare
    the other motions of that file.
    """
    hits = snapshot.keys().filter(where)
    paths = set(hits.column(FILE_NAME).to_pylist())
    return snapshot.read(where, paths=paths)
