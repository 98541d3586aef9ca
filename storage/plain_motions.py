"""Motions without their arrays, in one narrow file: questions over a million of them take no time.

The tables keep whole motions in small row groups, so that one can be read without its neighbours'
megabytes. The price is that a question about every motion reads the description of every row group:
ten seconds for a million. A data file never changes, hence its plain columns are copied once into
one file beside the tables (`STORE/.opened`), which the next question brings up to date with the
files that were added or merged since. It holds nothing that is not in the tables and may be deleted
at any time. Remote stores, pinned versions and stores that cannot be written are read directly.
"""

import os
import uuid
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow as pa

from storage.catalog import connect
from storage.errors import told_plainly
from storage.opened import FOLDER
from storage.schemas import MOTIONS, VIDEOS
from storage.snapshot import Snapshot
from storage.store import Store

LAYOUT = "plain-v2"
"""Changes with `PLAIN`, so that no older file is taken for a new one."""
PLAIN = (
    "motion_id", "dataset", "video_hash", "action", "split", "source_kind", "n_frames", "fps",
    "joint_set", "mirrored", "quality_reprojection_error", "quality_coverage",
    "quality_mean_confidence", "quality_mask_share", "quality_foot_skating", "quality_jitter",
    "label_score", "label_error",
)  # fmt: skip
KEPT = 3
"""Files left in place, newest first: another process may be about to read the one before."""

_BOUNDS = {
    "max_reprojection_m": ("quality_reprojection_error", "<="),
    "min_confidence": ("quality_mean_confidence", ">="),
    "min_coverage": ("quality_coverage", ">="),
    "max_masked": ("quality_mask_share", "<="),
    "min_score": ("label_score", ">="),
}

_COPY = """
COPY (
    SELECT {columns}, file, video_hash IS NULL OR EXISTS (
        SELECT 1 FROM videos
        WHERE videos.dataset = part.dataset AND videos.video_hash = part.video_hash) AS visible
    FROM ({known} SELECT {columns}, substring(filename, {folder}) AS file FROM fresh) AS part
) TO '{out}' (FORMAT parquet)
"""


@dataclass(frozen=True)
class QualityBounds:
    """What a motion must reach; None asks nothing. A motion without the value does not reach it."""

    max_reprojection_m: float | None = None
    """Mean 2D distance of the lift, metres."""
    min_confidence: float | None = None
    """Mean of the detector's, 0 to 1."""
    min_coverage: float | None = None
    """Share of frames with a detection."""
    max_masked: float | None = None
    """Share of joints not known."""
    min_score: float | None = None
    """Calibrated trust in the label, 0 to 1; a label without a score does not reach it."""

    def __post_init__(self) -> None:
        """Refuse what no motion could be asked for."""
        for name in ("min_confidence", "min_coverage", "max_masked", "min_score"):
            value = getattr(self, name)
            if value is not None and not 0.0 <= value <= 1.0:
                raise ValueError(f"{name} is {value}: give a share, 0 to 1")
        if self.max_reprojection_m is not None and not self.max_reprojection_m > 0.0:
            raise ValueError(f"max_reprojection is {self.max_reprojection_m}: give metres above 0")


def motions_per_class(
    store: Store, bounds: QualityBounds | None = None, dataset: str | None = None
) -> pa.Table:
    """Motions that reach some quality, by class.

    Returns:
        Columns action ("" for none), motions and seconds; most motions first.

    Raises:
        StoreError: The store cannot be read.
    """
    asked = {name: getattr(bounds or QualityBounds(), name) for name in _BOUNDS}
    given = {name: value for name, value in asked.items() if value is not None}
    # DuckDB orders NaN above every number.
    wheres = ["NOT isnan({0}) AND {0} {1} ${2}".format(*_BOUNDS[name], name) for name in given]
    if dataset is not None:
        wheres.append("dataset = $dataset")
        given["dataset"] = dataset
    sql = (
        "SELECT coalesce(action, '') AS action, count(*) AS motions, "  # noqa: S608 - our own names
        f"sum(n_frames / fps) AS seconds FROM motions WHERE {' AND '.join(wheres) or 'true'} "
        "GROUP BY 1 ORDER BY motions DESC, 1"
    )
    with (
        told_plainly(f"count the motions of {store.location}"),
        connect_plain(store) as connection,
    ):
        return connection.sql(sql, params=given).to_arrow_table()


def count_unscored(store: Store, dataset: str | None = None) -> int:
    """Motions from video whose label has no score: no bound on scores speaks of them.

    Raises:
        StoreError: The store cannot be read.
    """
    sql = "SELECT count(*) FROM motions WHERE source_kind = 'pseudo' AND label_score IS NULL"
    scope = "" if dataset is None else " AND dataset = $dataset"
    params = {} if dataset is None else {"dataset": dataset}
    with (
        told_plainly(f"count the motions of {store.location}"),
        connect_plain(store) as connection,
    ):
        rows = connection.sql(sql + scope, params=params).fetchall()
    return int(rows[0][0])


def connect_plain(store: Store) -> duckdb.DuckDBPyConnection:
    """A DuckDB connection with a view `motions` of all visible motions' plain columns.

    Raises:
        StoreError: The store cannot be read.
    """
    if not store.location.is_local or store.pinned:
        return connect(store)
    videos = store.snapshot(VIDEOS.name)  # first: the motions are then never too old for them
    motions = store.snapshot(MOTIONS.name)
    file = _file(motions, videos)
    if not file.is_file():
        try:
            _make(file, motions, videos)
        except (OSError, duckdb.IOException):
            return connect(store)  # a store that cannot be written: slower, not wrong
    connection = duckdb.connect()
    try:
        connection.execute(
            f"CREATE TEMP VIEW motions AS SELECT {', '.join(PLAIN)} "  # noqa: S608
            f"FROM read_parquet('{_quoted(file)}') WHERE visible"
        )
    except duckdb.Error:  # damaged: the next question makes it again
        file.unlink(missing_ok=True)
        connection.close()
        return connect(store)
    return connection


def _file(motions: Snapshot, videos: Snapshot) -> Path:
    """The file of one state of the store; a store made anew in the same place has another id."""
    folder = motions.location.path / FOLDER / LAYOUT
    name = f"{motions.table.metadata().id}-{videos.version}-{motions.version}.parquet"
    return folder / name


def _make(file: Path, motions: Snapshot, videos: Snapshot) -> None:
    """Write the file: what an earlier one knows of the files that still are, and the new files."""
    file.parent.mkdir(parents=True, exist_ok=True)
    partial = file.with_name(f"{os.getpid()}-{uuid.uuid4().hex[:8]}.partial")
    with duckdb.connect() as connection:
        known = _known(connection, file, motions)
        fresh = [path for path in motions.files if path not in known]
        videos.add_view(connection, "videos")
        motions.add_view(connection, "fresh", fresh)
        if not fresh:  # an empty view has no file names
            connection.execute("CREATE OR REPLACE TEMP VIEW fresh AS SELECT *, '' AS filename "
                               "FROM fresh_declared")  # fmt: skip
        columns = ", ".join(PLAIN)
        earlier = "SELECT {0}, file FROM known SEMI JOIN living USING (file) UNION ALL BY NAME"
        try:
            connection.execute(
                _COPY.format(
                    columns=columns,
                    known=earlier.format(columns) if known else "",
                    folder=len(motions.location.table_uri(MOTIONS.name)) + 2,
                    out=_quoted(partial),
                )
            )
            partial.replace(file)
        finally:
            partial.unlink(missing_ok=True)
    _forget_older(file)


def _known(connection: duckdb.DuckDBPyConnection, file: Path, motions: Snapshot) -> frozenset[str]:
    """Data files that the newest earlier copy has and the table still has; makes views of them."""
    for earlier in _copies(file.parent):
        if not earlier.name.startswith(str(motions.table.metadata().id)):
            continue
        try:
            connection.execute(
                f"CREATE OR REPLACE TEMP VIEW known AS FROM read_parquet('{_quoted(earlier)}')"
            )
            rows = connection.execute("SELECT DISTINCT file FROM known").fetchall()
        except duckdb.Error:
            continue
        living = {path for (path,) in rows} & set(motions.files)
        connection.register("living", pa.table({"file": pa.array(sorted(living), pa.string())}))
        return frozenset(living)
    return frozenset()


def _copies(folder: Path) -> list[Path]:
    """Newest first."""
    return sorted(folder.glob("*.parquet"), key=lambda path: -path.stat().st_mtime_ns)


def _forget_older(file: Path) -> None:
    for path in _copies(file.parent)[KEPT:]:
        path.unlink(missing_ok=True)


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")
