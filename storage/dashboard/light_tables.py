"""Motions and videos without their arrays, in memory: what filters, sorts and counts are asked of.

One in-memory DuckDB per state of the store. Motions are small without arrays: a hundred thousand
take some tens of megabytes. A reader takes a cursor of its own.
"""

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import duckdb
import pyarrow as pa

from storage.catalog import MotionRecord, connect
from storage.dashboard.light_copies import LightCopies
from storage.decisions import Decision, Standing
from storage.errors import told_plainly
from storage.schemas import MOTIONS, TRACKS, VIDEOS
from storage.snapshot import Snapshot
from storage.store import Store
from storage.versions import StoreVersion, newest_version

_NUMBERS = {
    "label_score": "label_score",
    "label_error": "label_error",
    "reprojection": "quality_reprojection_error",
    "coverage": "quality_coverage",
    "skating": "quality_foot_skating",
}
"""Our name -> the column; NaN becomes null, so that it never passes a bound."""
_MOTIONS = """
CREATE TABLE m AS
SELECT row_number() OVER (ORDER BY motion_id) AS place, motion_id, dataset, action,
  split AS own_split, source_kind, n_frames, fps::DOUBLE AS fps,
  n_frames / nullif(fps, 0)::DOUBLE AS seconds, captions AS own_captions,
  lower(concat_ws(' ', array_to_string(captions, ' '), action, motion_id)) AS own_words,
  view_name, visible, video_hash, shot, track, coalesce(start_s, 0) AS start_s, checkpoint_id,
  created_at, joints3d_shape IS NOT NULL AS has3d, {numbers}, {file} AS file
FROM motions
"""
_VIDEOS = """
CREATE TABLE v AS
SELECT dataset, video_hash, name, action, status, reason, detail, duration_s, motions,
  frames_decoded, ingested_at, {file} AS file,
  coalesce(seconds_decode, 0) + coalesce(seconds_pose, 0) + coalesce(seconds_normalise, 0)
    + coalesce(seconds_lift, 0) AS work_s
FROM videos
"""
_DECIDED = """
CREATE TABLE decided (
  motion_id VARCHAR PRIMARY KEY, verdict VARCHAR, captions VARCHAR[], split VARCHAR,
  note VARCHAR, decided_by VARCHAR, decided_at TIMESTAMPTZ, decision_id VARCHAR, words VARCHAR)
"""
_SHOWN = """
CREATE VIEW shown AS
SELECT m.* EXCLUDE (own_split, own_captions, own_words),
  coalesce(d.split, own_split) AS split, coalesce(d.captions, own_captions) AS captions,
  coalesce(d.words, own_words) AS words,
  d.verdict, d.note, d.decided_by, d.decided_at, d.decision_id
FROM m LEFT JOIN decided d ON d.motion_id = m.motion_id
"""
LAYOUT = f"{_MOTIONS}{_VIDEOS}{sorted(_NUMBERS.items())}"
"""What the tables are made by: copies that were made otherwise are not taken."""
DECIDED = pa.schema(
    [
        ("motion_id", pa.string()),
        ("verdict", pa.string()),
        ("captions", pa.list_(pa.string())),
        ("split", pa.string()),
        ("note", pa.string()),
        ("decided_by", pa.string()),
        ("decided_at", pa.timestamp("us", tz="UTC")),
        ("decision_id", pa.string()),
        ("words", pa.string()),
    ]
)


@dataclass(frozen=True, eq=False)
class LightTables:
    """One state of the store; only `decided` still changes."""

    version: StoreVersion
    store: Store = field(repr=False)
    """The store held at this state."""
    connection: duckdb.DuckDBPyConnection = field(repr=False)
    motions: int = 0
    recent: OrderedDict[str, MotionRecord] = field(default_factory=OrderedDict, repr=False)
    """Motions that were read whole, the last one last: a viewer asks for one several times."""

    @cached_property
    def snapshots(self) -> Mapping[str, Snapshot]:
        """The tables at this state, opened once."""
        return {spec.name: self.store.snapshot(spec.name) for spec in (VIDEOS, TRACKS, MOTIONS)}

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """A connection for one thread."""
        return self.connection.cursor()


def state_of(store: Store) -> StoreVersion:
    """The state that a store shows now: the version it is held at, or the newest.

    Raises:
        StoreError: The store cannot be read.
    """
    if store.pinned:
        known = store.pinned
        return StoreVersion(
            known["videos"], known[TRACKS.name], known[MOTIONS.name], known.get("datasets")
        )
    return newest_version(store.location)


def load_light(
    store: Store,
    begun: Callable[[duckdb.DuckDBPyConnection], object] = lambda _: None,
    copies: LightCopies | None = None,
) -> LightTables:
    """Read a store's light columns.

    Args:
        store: The store.
        begun: Gets the connection that reads, so that another thread can interrupt it.
        copies: Of earlier readings; None keeps none.

    Raises:
        StoreError: The store cannot be read.
    """
    version = state_of(store)
    held = Store(store.location, version.by_table(), unit_cache=store.unit_cache)
    with told_plainly(f"read the motions of {store.location}"):
        connection = duckdb.connect()
        begun(connection)
        if copies is None or not copies.read(held, LAYOUT, connection):
            connection.close()
            connection = connect(held)
            begun(connection)
            _make_tables(held, connection)
            if copies is not None:
                copies.write(held, LAYOUT, connection)
        connection.execute("SET TimeZone = 'UTC'")
        for sql in (_DECIDED, _SHOWN):
            connection.execute(sql)
        count = connection.sql("SELECT count(*) FROM m").fetchall()[0][0]
    return LightTables(version, held, connection, int(count))


def _make_tables(held: Store, connection: duckdb.DuckDBPyConnection) -> None:
    numbers = ", ".join(
        f"CASE WHEN isnan({column}) THEN NULL ELSE {column}::DOUBLE END AS {name}"
        for name, column in _NUMBERS.items()
    )
    file = _file(connection, held, MOTIONS.name)
    connection.execute(_MOTIONS.format(numbers=numbers, file=file))
    connection.execute(_VIDEOS.format(file=_file(connection, held, VIDEOS.name)))


def write_decided(light: LightTables, standings: Mapping[str, Standing], *, anew: bool) -> None:
    """Fold what was decided into the tables, all of it or for some motions."""
    rows = pa.Table.from_pylist([_row(name, made) for name, made in standings.items()], DECIDED)
    cursor = light.cursor()
    cursor.execute("BEGIN")
    try:
        if anew:
            cursor.execute("DELETE FROM decided")
        cursor.register("fresh", rows)
        cursor.execute("INSERT OR REPLACE INTO decided SELECT * FROM fresh")
        cursor.execute("COMMIT")
    except duckdb.Error:
        cursor.execute("ROLLBACK")
        raise
    finally:
        cursor.close()


def _row(motion_id: str, made: Standing) -> dict[str, object]:
    now: Decision | None = made.current
    row: dict[str, object] = {"motion_id": motion_id, "decision_id": made.last.decision_id}
    if now is None:
        return row
    captions = None if now.captions is None else list(now.captions)
    words = None if captions is None else " ".join([*captions, motion_id]).lower()
    return row | {
        "verdict": now.verdict,
        "captions": captions,
        "split": now.split,
        "note": now.note,
        "decided_by": now.by,
        "decided_at": now.at,
        "words": words,
    }


def _file(connection: duckdb.DuckDBPyConnection, store: Store, table: str) -> str:
    """Which of the table's files holds a row, where the reader says so (local stores)."""
    names = [row[0] for row in connection.sql(f"DESCRIBE {table}").fetchall()]
    skip = len(store.location.table_uri(table)) + 2
    return f"substring(filename, {skip})" if "filename" in names else "NULL"
