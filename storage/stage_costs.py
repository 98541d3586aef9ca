"""What ingesting into this store has cost: read from its rows and its log, nothing is estimated.

Rows of a shard carry the moment the shard began (`created_at`) and the moment each video was done
(`ingested_at`); the log carries the moment of the commit. What lies between is the wall-clock time
of every video and of every commit.
"""

import json
from collections.abc import Iterator

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.arrays import Float64
from pipeline.stage_costs import CLIP_STAGES, StageCosts
from storage.catalog import connect
from storage.datafiles import table_files
from storage.errors import told_plainly
from storage.schemas import MOTIONS, TRACKS, VIDEOS
from storage.store import Store

NEWEST_VIDEOS = 5000
"""Older rows say nothing new, and may come of another machine or version."""
NEWEST_COMMITS = 64
SHORTEST_S = 1e-9
"""Of a rest that is divided by."""
TIMED = CLIP_STAGES[:-1]
"""Stages with a column of their own in `videos`; the last is what is left of the whole."""

_TIMED_VIDEOS = f"""
SELECT dataset, shard_id, status, duration_s, estimator_id, epoch_us(ingested_at) AS done_us,
    {", ".join(f"seconds_{stage}" for stage in TIMED)},
    (done_us - coalesce(
        lag(done_us) OVER (PARTITION BY dataset, shard_id ORDER BY done_us),
        epoch_us(created_at))) / 1e6 AS seconds_whole
FROM videos WHERE $dataset IS NULL OR dataset = $dataset
ORDER BY done_us DESC LIMIT {NEWEST_VIDEOS}
"""  # noqa: S608 - constants alone

_STORED = """
SELECT count(*), coalesce(sum(duration_s), 0), list(DISTINCT dataset)
FROM videos WHERE $dataset IS NULL OR dataset = $dataset
"""

_MOTION_SECONDS = """
SELECT coalesce(sum(n_frames / fps), 0) FROM motions
WHERE source_kind = 'pseudo' AND ($dataset IS NULL OR dataset = $dataset)
"""


def stage_costs(store: Store, dataset: str | None = None) -> StageCosts:
    """Seconds by stage of the newest videos, seconds of the newest commits, bytes of the tables.

    Args:
        store: An opened store.
        dataset: Only this data set; None for all that hold videos.

    Returns:
        Measured costs; without any video where nothing was ingested yet.

    Raises:
        StoreError: The store cannot be read.
    """
    wanted = {"dataset": dataset}
    with (
        told_plainly(f"read the stage costs of {store.location}"),
        connect(store) as connection,
    ):
        rows = connection.sql(_TIMED_VIDEOS, params=wanted).to_arrow_table()
        stored = _row(connection, _STORED, dataset)
        motion_s = _row(connection, _MOTION_SECONDS, dataset)[0]
    readable = rows.filter(pc.greater(rows["duration_s"], 0.0))
    commit_s, brought = _commits(store, rows)
    return StageCosts(
        duration_s=_numbers(readable, "duration_s"),
        seconds=_seconds(readable),
        commit_s=commit_s,
        commit_videos=brought,
        failed=readable["status"].to_pylist().count("failed"),
        unreadable=rows.num_rows - readable.num_rows,
        bytes_by_table=_bytes(store, frozenset(stored[2] or ())),
        stored_videos=stored[0],
        stored_video_s=stored[1],
        stored_motion_s=motion_s,
        estimators=tuple(sorted(set(readable["estimator_id"].to_pylist()))),
        datasets=tuple(sorted(set(readable["dataset"].to_pylist()))),
    )


def _row(
    connection: duckdb.DuckDBPyConnection, sql: str, dataset: str | None
) -> tuple[int, float, list[str] | None]:
    (row,) = connection.execute(sql, {"dataset": dataset}).fetchall()
    return row


def _numbers(rows: pa.Table, column: str) -> Float64:
    values: Float64 = rows[column].to_numpy().astype(np.float64)
    return np.nan_to_num(values)


def _seconds(rows: pa.Table) -> dict[str, Float64]:
    """(N,) seconds by stage; `other` is the wall-clock rest, never below zero.

    A clip is lifted while the next one is looked at: where stages together took more than passed
    on the clock, each counts for its share of that.
    """
    timed = {stage: _numbers(rows, f"seconds_{stage}") for stage in TIMED}
    whole, worked = _numbers(rows, "seconds_whole"), sum(timed.values(), np.zeros(rows.num_rows))
    if whole.sum() < worked.sum():
        share = float(whole.sum() / worked.sum())
        return {**{s: v * share for s, v in timed.items()}, CLIP_STAGES[-1]: np.zeros(len(whole))}
    # Clips overlap, so a row's clock is not its own: only the rest of all together is known.
    rest = np.maximum(whole - worked, 0.0)
    rest *= (whole.sum() - worked.sum()) / max(float(rest.sum()), SHORTEST_S)
    return {**timed, CLIP_STAGES[-1]: rest}


def _bytes(store: Store, datasets: frozenset[str]) -> dict[str, int]:
    """Bytes of the files of these data sets, by table."""
    return {
        spec.name: sum(
            file.size
            for file in store.snapshot(spec.name).files.values()
            if file.partition in datasets
        )
        for spec in (VIDEOS, TRACKS, MOTIONS)
    }


def _commits(store: Store, rows: pa.Table) -> tuple[Float64, Float64]:
    """Seconds from a shard's last video to its commit, and how many videos it brought.

    Commits that only rearranged rows have no shard of these rows, and are passed over.
    """
    last: dict[tuple[str, str], int] = {}
    count: dict[tuple[str, str], int] = {}
    columns = (rows[name].to_pylist() for name in ("dataset", "shard_id", "done_us"))
    for dataset, shard, done in zip(*columns, strict=True):
        last[dataset, shard] = max(done, last.get((dataset, shard), done))
        count[dataset, shard] = count.get((dataset, shard), 0) + 1
    found = {shard: at_ms for shard, at_ms in _shard_commits(store) if shard in last}
    seconds = [max(at * 1e3 - last[shard], 0.0) / 1e6 for shard, at in found.items()]
    return np.array(seconds, np.float64), np.array([count[shard] for shard in found], np.float64)


def _shard_commits(store: Store) -> Iterator[tuple[tuple[str, str], int]]:
    """((data set, shard id), time in ms) of the newest commits to `videos` that brought a shard."""
    files = table_files(store.location, VIDEOS.name)
    newest = store.snapshot(VIDEOS.name).version
    for version in range(newest, max(newest - NEWEST_COMMITS, 0), -1):
        try:
            with files.open_input_file(f"_delta_log/{version:020d}.json") as entry:
                actions = [json.loads(line) for line in entry.read().splitlines() if line.strip()]
        except FileNotFoundError:
            return  # an older log is folded into its checkpoint
        name = next((a["txn"]["appId"] for a in actions if "txn" in a), "")
        at = next((a["commitInfo"].get("timestamp") for a in actions if "commitInfo" in a), None)
        parts = name.split("/")
        if at is not None and len(parts) == 3:
            yield (parts[1], parts[2]), int(at)


__all__ = ["StageCosts", "stage_costs"]
