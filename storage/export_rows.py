"""Motions for an export, read file after file: never all of them at once."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from storage.arrow_rows import from_arrow
from storage.decisions import Decision
from storage.errors import told_plainly
from storage.lineage import Lineage
from storage.rows import MotionRow
from storage.schemas import MOTIONS
from storage.snapshot import FILE_NAME
from storage.store import Store, open_store
from storage.versions import resolve_version

NOT_READ = (
    "views2d", "views2d_shape", "features2d_views", "features2d_views_shape",
    "caption_embeddings", "caption_embeddings_shape", "text_encoder",
)  # fmt: skip
"""What no motion file holds: most of a captured motion's bytes."""
BATCH_ROWS = 32
"""Motions in memory at a time: 20 MB of ten-second clips."""


def files_of(store: Store, ids: Sequence[str]) -> dict[str, list[str]]:
    """Motion ids by the data file that they lie in, files and ids in order.

    Raises:
        StoreError: The store cannot be read.
    """
    keys = store.snapshot(MOTIONS.name).keys()
    wanted = keys.filter(pc.is_in(keys.column("motion_id"), pa.array(sorted(ids), pa.string())))
    out: dict[str, list[str]] = {}
    places = zip(wanted.column(FILE_NAME).to_pylist(), wanted.column("motion_id").to_pylist(),
                 strict=True)  # fmt: skip
    for path, motion_id in sorted(places):
        out.setdefault(path, []).append(motion_id)
    return out


def exported_rows(
    store: Store, ids: Sequence[str], decided: Mapping[str, Decision]
) -> Iterator[MotionRow]:
    """The motions with captions and split as decided; without views and embeddings.

    Args:
        store: The store.
        ids: Which motions, in any order; they come in the order of the store's files.
        decided: By motion id, what a curator said.

    Raises:
        StoreError: The store cannot be read.
    """
    columns = [name for name in MOTIONS.schema.names if name not in NOT_READ]
    for path, inside in files_of(store, ids).items():
        for table in batches(store, path, inside, columns):
            for row in from_arrow(table, MotionRow):
                yield _as_decided(row, decided.get(row.motion_id))


def batches(
    store: Store, path: str, ids: Sequence[str], columns: Sequence[str]
) -> Iterator[pa.Table]:
    """Rows of one data file, a few at a time.

    Raises:
        StoreError: The file cannot be read.
    """
    source = store.snapshot(MOTIONS.name).dataset([path])
    where = pc.field("motion_id").isin(pa.array(sorted(ids), pa.string()))
    with told_plainly(f"read the motions of {store.location}"):
        for batch in source.to_batches(
            columns=list(columns), filter=where, batch_size=BATCH_ROWS, batch_readahead=1
        ):
            if batch.num_rows:
                yield pa.Table.from_batches([batch])


def lineage_facts(lineage: Lineage) -> dict[str, Any]:
    """Where a row comes from as plain values; the configuration by its hash alone."""
    return {
        "estimator_id": lineage.estimator_id,
        "checkpoint_id": lineage.checkpoint_id,
        "recipe_id": lineage.recipe_id,
        "code_version": lineage.code_version,
        "code_commit": lineage.code_commit,
        "config_hash": lineage.config_hash,
        "source_hash": lineage.source_hash,
        "created_at": lineage.created_at.isoformat(),
    }


def _as_decided(row: MotionRow, decision: Decision | None) -> MotionRow:
    if decision is None:
        return row
    split = decision.split or row.split
    if decision.captions is None:
        return replace(row, split=split)
    return replace(row, split=split, captions=decision.captions, tokens=())


def open_pinned(url: str) -> tuple[Store, dict[str, int]]:
    """A store held at one version while it is read, and the versions of its tables.

    Args:
        url: The store, or `STORE@VERSION`.

    Raises:
        StoreError: The store cannot be read.
    """
    location = open_store(url).location
    versions = resolve_version(location, location.version).by_table()
    return Store(location, versions), versions
