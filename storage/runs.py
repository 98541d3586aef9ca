"""The `runs` table: one row per finished run that read the store, written exactly once.

A run changes nothing that was read: the store's version is that of `videos`, so `URL@12` shows the
same motions before and after a run's row was committed.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from storage import fault
from storage.commit import Change, commit_change
from storage.lineage import canonical_json, code_commit, code_version, sha256_text
from storage.rows import check_name
from storage.schemas import RUNS
from storage.snapshot import Snapshot
from storage.store import Store, ensure_table, has_table

KINDS = ("train", "finetune", "evaluate")
COMPLETED, FAILED = "completed", "failed"


@dataclass(frozen=True, kw_only=True)
class RunRow:
    """A finished run; meanings are those of `storage.schemas.RUNS`."""

    run_id: str
    kind: str
    """One of `KINDS`."""
    what: str
    data: str
    seconds: float
    config: Mapping[str, Any]
    metrics: Mapping[str, Any] = field(repr=False)
    store_version: int | None = None
    table_versions: Mapping[str, int] = field(default_factory=dict)
    datasets: tuple[str, ...] = ()
    checkpoint_ids: tuple[str, ...] = ()
    out: str | None = None
    status: str = COMPLETED
    finished_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    code_version: str = field(default_factory=code_version)
    code_commit: str | None = field(default_factory=code_commit)

    def __post_init__(self) -> None:
        """Refuse what no reader could make sense of."""
        check_name("run id", self.run_id)
        if self.kind not in KINDS:
            raise ValueError(f"a run is one of {', '.join(KINDS)}, got {self.kind!r}")
        if self.status not in (COMPLETED, FAILED):
            raise ValueError(f"a run is {COMPLETED} or {FAILED}, got {self.status!r}")

    @property
    def started_at(self) -> datetime:
        """When it began, UTC."""
        return self.finished_at - timedelta(seconds=self.seconds)

    @property
    def config_hash(self) -> str:
        """Equal for equal configurations."""
        return sha256_text(canonical_json(self.config))


def record_run(store: Store, run: RunRow) -> bool:
    """Write a run's row; a run that has one already is left as it is.

    The table is made when a store does not have it yet; no other table changes.

    Args:
        store: The store that the run read; held at any version.
        run: The run.

    Returns:
        Whether the row is new.

    Raises:
        StoreError: The store cannot be written.
        ValueError: The configuration or the metrics have no JSON form.
    """
    newest = Store(store.location.at(None), locking=store.locking)
    rows = _to_arrow(run)

    def plan(snapshot: Snapshot) -> Change | None:
        return None if run.run_id in snapshot.units(run.kind) else Change(rows)

    with newest.exclusive():
        ensure_table(newest, RUNS)
        fault.die_at(fault.BEFORE_RUN)
        app_id = f"crossdiff/runs/{run.run_id}"
        committed = commit_change(newest, RUNS.name, run.kind, app_id, plan)
        fault.die_at(fault.AFTER_RUN)
    return committed.rows > 0


def find_run(store: Store, run_id: str) -> RunRow | None:
    """The row of one run; None when there is none.

    Args:
        store: The store, held at any version.
        run_id: The run.

    Raises:
        StoreError: The store cannot be read.
    """
    if not has_table(store.location, RUNS.name):
        return None
    newest = Store(store.location.at(None)).snapshot(RUNS.name)
    rows = newest.read(pc.field("run_id") == run_id).to_pylist()
    return _from_row(rows[0]) if rows else None


def read_runs(
    store: Store, *, kind: str | None = None, what: str | None = None, dataset: str | None = None
) -> list[RunRow]:
    """The runs that a store knows of, newest first; None means any.

    Args:
        store: The store; held at a version (`URL@12`), the runs that read this version.
        kind: One of `KINDS`.
        what: E.g. lift.
        dataset: Only runs that read this data set.

    Raises:
        StoreError: The store cannot be read.
    """
    if not has_table(store.location, RUNS.name):
        return []  # a store from before runs were kept
    where = pc.scalar(True)
    if kind is not None:
        where &= pc.field("kind") == kind
    if what is not None:
        where &= pc.field("what") == what
    if store.location.version is not None:
        where &= pc.field("store_version") == store.location.version
    found = Store(store.location.at(None)).snapshot(RUNS.name).read(where).to_pylist()
    runs = [_from_row(row) for row in found if dataset is None or dataset in row["datasets"]]
    return sorted(runs, key=lambda run: (run.finished_at, run.run_id), reverse=True)


def _to_arrow(run: RunRow) -> pa.Table:
    config = canonical_json(run.config)
    row = {
        "run_id": run.run_id,
        "kind": run.kind,
        "what": run.what,
        "status": run.status,
        "data": run.data,
        "datasets": list(run.datasets),
        "store_version": run.store_version,
        "table_versions_json": canonical_json(run.table_versions),
        "checkpoint_ids": list(run.checkpoint_ids),
        "config_json": config,
        "config_hash": sha256_text(config),
        "metrics_json": canonical_json(run.metrics),
        "out": run.out,
        "code_version": run.code_version,
        "code_commit": run.code_commit,
        "started_at": run.started_at,
        "finished_at": run.finished_at,
        "seconds": run.seconds,
    }
    return pa.Table.from_pylist([row], schema=RUNS.schema)


def _from_row(row: Mapping[str, Any]) -> RunRow:
    return RunRow(
        run_id=row["run_id"],
        kind=row["kind"],
        what=row["what"],
        status=row["status"],
        data=row["data"],
        datasets=tuple(row["datasets"]),
        store_version=row["store_version"],
        table_versions=json.loads(row["table_versions_json"]),
        checkpoint_ids=tuple(row["checkpoint_ids"]),
        config=json.loads(row["config_json"]),
        metrics=json.loads(row["metrics_json"]),
        out=row["out"],
        code_version=row["code_version"],
        code_commit=row["code_commit"],
        finished_at=row["finished_at"],
        seconds=row["seconds"],
    )
