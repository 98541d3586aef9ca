"""In which versions of the store a motion's label differs: before and after it was lifted anew."""

from functools import lru_cache
from typing import Any

import pyarrow.compute as pc
from deltalake import DeltaTable

from storage.dashboard.state import LiveStore
from storage.errors import told_plainly
from storage.schemas import DATASETS, MOTIONS
from storage.store import Store, open_store
from storage.versions import METADATA_KEY, RELABELLED_NOTE, VersionEntry, store_history

LABELS_SHOWN = 20


def versions_of_motion(live: LiveStore, row: dict[str, Any]) -> list[dict[str, Any]]:
    """A motion's labels, newest first: the newest store version that shows each.

    Args:
        live: The store.
        row: The motion's light columns.

    Raises:
        StoreError: The log cannot be read.
    """
    shown = live.light().version
    candidates = _candidates(live.store.location.root, shown.videos, row["dataset"])
    told: list[dict[str, Any]] = []
    for number, entry in enumerate(candidates[:LABELS_SHOWN]):
        label = row if number == 0 else _label(live.store, entry.version.motions, row)
        if label is not None:
            told.append(
                {
                    "version": entry.version.videos,
                    "at": entry.committed_at,
                    "checkpoint_id": label["checkpoint_id"],
                    "labelled_at": label["created_at"],
                }
            )
    return told


@lru_cache(maxsize=64)
def _candidates(root: str, newest: int, dataset: str) -> list[VersionEntry]:
    """The newest version, and the last one before each relabelling of the data set."""
    store = open_store(root)
    entries = [e for e in store_history(store.location) if e.version.videos <= newest]
    changes = sorted(_relabellings(store, dataset), reverse=True)
    found = entries[:1]
    for change in changes:
        before = [e for e in entries if (e.version.datasets or 0) < change]
        found += [e for e in before[:1] if e not in found]
    return found


def _relabellings(store: Store, dataset: str) -> list[int]:
    """Versions of the table of data sets in which this one got another recipe."""
    uri = store.location.table_uri(DATASETS.name)
    with told_plainly(f"read the history of {store.location.root}"):
        infos = DeltaTable(uri, storage_options=dict(store.location.options)).history()
    return [
        int(info["version"])
        for info in infos
        if info.get(METADATA_KEY, {}).get(RELABELLED_NOTE) == dataset
    ]


def _label(store: Store, version: int, row: dict[str, Any]) -> dict[str, Any] | None:
    where = (pc.field("motion_id") == row["motion_id"]) & (pc.field("dataset") == row["dataset"])
    columns = ["checkpoint_id", "created_at"]
    rows = store.snapshot(MOTIONS.name, version).read(where, columns=columns).to_pylist()
    return rows[0] if rows else None
