"""Exactly-once commits: one table at a time, each decided on the version it replaces.

How it is exact. A commit to a table reads version N, decides which rows are new by their keys, and
asks the log for version N + 1 with no retries of the library's own. The log grants each version
once (atomic creation of its file on a disk, conditional put on S3 and GCS), so between the decision
and the commit nobody else changed the table; whoever loses reads again and decides again. Hence no
key can be doubled, whoever runs beside and however shards are composed.

Three tables cannot change at one instant. A shard commits tracks, motions, then videos; the row in
`videos` says that a file is done. What a killed run left in tracks and motions is either equal to
what the rerun brings (then it stays) or is replaced in the same commit that brings the new rows.
On a local store a lock (released by the system when its process dies) makes the three commits one
turn. On object stores two live runs of the same video may interleave: rows still occur once, but
where the two computed different numbers the track may be the one's and the motion the other's.
"""

import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import pyarrow as pa
from deltalake import CommitProperties, Transaction
from deltalake.exceptions import CommitFailedError
from deltalake.transaction import AddAction, RemoveAction

from storage.arrow_rows import rows_of_units, units_of
from storage.columns import TableSpec
from storage.datafiles import remove_data_file, write_data_file
from storage.errors import StoreError, StoreUnreachable, in_short, told_plainly
from storage.schemas import TABLES
from storage.snapshot import Snapshot
from storage.store import Store
from storage.versions import METADATA_KEY

MAX_ATTEMPTS = 100
FIRST_WAIT_S = 0.02
LONGEST_WAIT_S = 2.0


@dataclass(frozen=True)
class Change:
    """What a commit does to a table: bring rows, after taking away all rows of some units."""

    rows: pa.Table
    replaced: frozenset[str] = frozenset()
    notes: dict[str, object] = field(default_factory=dict)
    """Kept in the commit's metadata."""


@dataclass(frozen=True)
class Committed:
    """How a commit went."""

    version: int
    """The table version that holds the rows."""
    rows: int = 0
    replaced: int = 0
    attempts: int = 1


Plan = Callable[[Snapshot], Change | None]
"""Decides on one version of a table what to do; None: nothing is left to do."""


def commit_change(store: Store, name: str, partition: str, app_id: str, plan: Plan) -> Committed:
    """Commit what `plan` decides, on exactly the version it decided on.

    Args:
        store: The store.
        name: The table.
        partition: The partition that all rows of the change belong to.
        app_id: Names the piece of work in the log's transaction records.
        plan: Called again with a newer snapshot when another writer was faster.

    Raises:
        StoreUnreachable: The store is so busy that this writer never gets a turn, or is away.
        StoreError: The store cannot be written.
    """
    if store.location.version is not None:
        raise StoreError(f"{store.location}: a version of a store can be read, not written to")
    files = _PreparedFiles(store, TABLES[name], partition, app_id.rpartition("/")[2])
    for attempt in range(1, MAX_ATTEMPTS + 1):
        snapshot = store.snapshot(name)
        change = plan(snapshot)
        if change is None:
            return Committed(snapshot.version, attempts=attempt)
        actions = files.actions(snapshot, change)
        try:
            write_log(snapshot, actions, app_id, change.notes)
        except CommitFailedError as error:
            refusal = in_short(error)
            wait_for_turn(attempt)
            continue
        rows, replaced = change.rows.num_rows, len(change.replaced)
        return Committed(snapshot.version + 1, rows, replaced, attempt)
    raise StoreUnreachable(f"cannot commit to table {name} of {store.location}: {refusal}")


def write_log(
    snapshot: Snapshot,
    actions: list[AddAction | RemoveAction],
    app_id: str,
    notes: Mapping[str, object],
) -> None:
    """Ask the log for exactly the version after the snapshot's.

    Raises:
        CommitFailedError: Another writer has that version.
        StoreError: The log cannot be written.
    """
    spec, table = snapshot.spec, snapshot.table
    done_before = table.transaction_version(app_id) or 0
    properties = CommitProperties(
        custom_metadata={METADATA_KEY: dict(notes)},
        max_commit_retries=0,
        app_transactions=[Transaction(app_id, done_before + 1)],
    )
    with told_plainly(f"commit to table {spec.name} of {snapshot.location}"):
        table.create_write_transaction(
            actions, "append", table.schema(), [spec.partition], commit_properties=properties
        )


def wait_for_turn(attempt: int) -> None:
    """Sleep a random time, longer after every lost turn."""
    ceiling = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2**attempt)
    time.sleep(random.uniform(0, ceiling))  # noqa: S311 - keeps writers out of step, no secret


class _PreparedFiles:
    """Data files written for a commit, used again when only the log's turn was lost."""

    def __init__(self, store: Store, spec: TableSpec, partition: str, shard_id: str) -> None:
        self._store, self._spec = store, spec
        self._partition, self._shard_id = partition, shard_id
        self._written: tuple[frozenset[str], AddAction] | None = None

    def actions(self, snapshot: Snapshot, change: Change) -> list[AddAction | RemoveAction]:
        """Log entries for a change: files for the new rows, and for what stays of old files."""
        actions: list[AddAction | RemoveAction] = []
        if change.rows.num_rows:
            actions.append(self._new_rows(change.rows))
        if change.replaced:
            for file in snapshot.holding(self._partition, change.replaced):
                actions.append(remove_data_file(self._spec, file))
                stays = snapshot.units_in(file) - change.replaced
                if stays:
                    whole = snapshot.read(paths=[file.path])
                    actions.append(self._write(rows_of_units(whole, self._spec, stays)))
        return actions

    def _new_rows(self, rows: pa.Table) -> AddAction:
        units = frozenset(units_of(rows, self._spec).to_pylist())
        if self._written is None or self._written[0] != units:
            self._written = (units, self._write(rows))
        return self._written[1]

    def _write(self, rows: pa.Table) -> AddAction:
        return write_data_file(self._store.location, self._spec, rows, self._shard_id)
