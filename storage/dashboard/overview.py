"""The overview's numbers: how much there is, how good, when it came, and what was made of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.arrays import Float64
from storage.dashboard.browsing import rows_of, tally
from storage.runs import RunRow, read_runs
from storage.schemas import MOTIONS
from storage.store import Store, open_store
from storage.versions import VersionEntry, store_history

BINS = 24
NUDGE = 1e-5
"""Share of a bar's width by which its bound avoids a value."""
VERSIONS_SHOWN = 50
RUNS_SHOWN = 20
METRICS_SHOWN = 8
VERDICT_NAMES = ("promoted", "rejected")


@dataclass(frozen=True)
class Figure:
    """A column that the overview draws."""

    column: str
    label: str
    unit: str = ""


FIGURES = (
    Figure("label_score", "label score"),
    Figure("reprojection", "reprojection error", "m"),
    Figure("skating", "foot skating", "m/s"),
    Figure("coverage", "coverage"),
    Figure("seconds", "length", "s"),
)
_DATASETS = """
SELECT dataset, coalesce(videos, 0) AS videos, coalesce(motions, 0) AS motions,
       coalesce(seconds, 0) AS seconds
FROM (SELECT dataset, count(*) AS motions, sum(seconds) AS seconds FROM m GROUP BY 1)
FULL JOIN (SELECT dataset, count(*) AS videos FROM v GROUP BY 1) USING (dataset)
WHERE $dataset IS NULL OR dataset = $dataset ORDER BY dataset
"""
_THROUGHPUT = """
SELECT date_trunc('hour', ingested_at) AS at, dataset, count(*) AS clips,
       sum(motions)::BIGINT AS motions, sum(work_s)::DOUBLE AS seconds
FROM v WHERE $dataset IS NULL OR dataset = $dataset
GROUP BY 1, 2 ORDER BY 1 DESC, 2 LIMIT 200
"""


def overview(cursor: duckdb.DuckDBPyConnection, dataset: str | None) -> dict[str, Any]:
    """All that is counted in memory, of one data set or (None) of all."""
    scope = {"dataset": dataset}
    return {
        "datasets": rows_of(cursor, _DATASETS, scope),
        "videos_by_status": tally(cursor, "v", "status", dataset),
        "failures_by_reason": tally(cursor, "v", "reason", dataset, "status = 'failed'"),
        "classes": tally(cursor, "shown", "action", dataset),
        "verdicts": tally(cursor, "shown", "verdict", dataset),
        "histograms": [_histogram(cursor, figure, dataset) for figure in FIGURES],
        "throughput": rows_of(cursor, _THROUGHPUT, scope)[::-1],
    }


def versions_of(store: Store, newest: int) -> list[dict[str, Any]]:
    """The store's last versions, newest first: how many motions each had and what it brought.

    Args:
        store: The store.
        newest: The last version to tell of.

    Raises:
        StoreError: The log cannot be read.
    """
    shown = _history(store.location.root, newest)[: VERSIONS_SHOWN + 1]
    counts = {e.version.motions: _count(store.location.root, e.version.motions) for e in shown}
    told = []
    for entry, before in zip(shown, [*shown[1:], None], strict=True):
        now = counts[entry.version.motions]
        earlier = counts[before.version.motions] if before else 0
        told.append(
            {
                "version": entry.version.videos,
                "at": entry.committed_at,
                "motions": now,
                "what": _what(now - earlier, entry.version.datasets, before),
            }
        )
    return told[:VERSIONS_SHOWN]


def runs_of(store: Store, dataset: str | None) -> list[dict[str, Any]]:
    """The last runs that read the store, newest first.

    Raises:
        StoreError: The store cannot be read.
    """
    return [_run(run) for run in read_runs(store, dataset=dataset)[:RUNS_SHOWN]]


def _histogram(
    cursor: duckdb.DuckDBPyConnection, figure: Figure, dataset: str | None
) -> dict[str, Any]:
    sql = (
        f"SELECT {figure.column} AS x FROM shown "  # noqa: S608 - our own names
        f"WHERE {figure.column} IS NOT NULL AND ($dataset IS NULL OR dataset = $dataset)"
    )
    values = cursor.execute(sql, {"dataset": dataset}).fetchnumpy()["x"]
    known = np.asarray(values, np.float64)
    edges = _edges(known) if known.size else np.array([])
    counts = np.histogram(known, edges)[0] if known.size else np.array([])
    return {
        "column": figure.column,
        "label": figure.label,
        "unit": figure.unit,
        "edges": edges.tolist(),
        "counts": counts.tolist(),
    }


def _edges(known: Float64) -> Float64:
    """Bounds of the bars.

    No value lies on an inner one: as a filter, which takes both its bounds in, a bar gives as many
    motions as it counts.
    """
    edges = np.histogram_bin_edges(known, BINS)
    width = float(edges[1] - edges[0])
    edges[1:-1] -= np.isin(edges[1:-1], known) * width * NUDGE
    return np.asarray(edges, np.float64)


@lru_cache(maxsize=64)
def _history(root: str, newest: int) -> list[VersionEntry]:
    """The versions up to one: what was committed never changes, so it is read once."""
    entries = store_history(open_store(root).location)
    return [entry for entry in entries if entry.version.videos <= newest]


@lru_cache(maxsize=1024)
def _count(root: str, version: int) -> int:
    """Rows of the motions table by its log: no data file is opened."""
    actions = pa.table(open_store(root).snapshot(MOTIONS.name, version).table.get_add_actions())
    if not actions.num_rows:
        return 0
    return int(pc.sum(actions.column("num_records")).as_py() or 0)


def _what(added: int, datasets: int | None, before: VersionEntry | None) -> str:
    if before is None:
        return "created"
    if added > 0:
        return f"{added:,} motions more"
    if added < 0:
        return f"{-added:,} motions fewer"
    if datasets != before.version.datasets:
        return "labelled anew"
    return "no motions more"


def _run(run: RunRow) -> dict[str, Any]:
    return {
        "run_id": run.run_id,
        "kind": run.kind,
        "what": run.what,
        "status": run.status,
        "finished_at": run.finished_at,
        "metrics": dict(_numbers(run.metrics)[:METRICS_SHOWN]),
        "gate": _gate(run.metrics),
        "checkpoint": run.checkpoint_ids[-1] if run.checkpoint_ids else None,
    }


def _gate(metrics: Mapping[str, Any]) -> str | None:
    verdict = metrics.get("verdict")
    if isinstance(verdict, Mapping):
        verdict = verdict.get("verdict")
    return verdict if verdict in VERDICT_NAMES else None


def _numbers(metrics: Mapping[str, Any], prefix: str = "", depth: int = 2) -> list[tuple[str, Any]]:
    """The plain numbers of a run's metrics, and the means of figures a level down."""
    found: list[tuple[str, Any]] = []
    for name, value in metrics.items():
        if isinstance(value, bool) or name.startswith("by_"):
            continue
        if isinstance(value, int | float):
            found.append((f"{prefix}{name}", value))
        elif isinstance(value, Mapping) and isinstance(value.get("mean"), int | float):
            found.append((f"{prefix}{name}", value["mean"]))
        elif isinstance(value, Mapping) and depth:
            found += _numbers(value, f"{prefix}{name} ", depth - 1)
    return found
