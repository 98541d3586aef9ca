"""Which motions a store has: what a preparation asks first, and names the commit by."""

import pyarrow.compute as pc

from storage.lineage import sha256_text
from storage.schemas import MOTIONS
from storage.store import Store

SHARD_ID_LENGTH = 20
"""Hex digits in a shard's name."""


def known_motions(store: Store, dataset: str) -> dict[str, str]:
    """Motion id -> hash of its source (empty when unknown), of one data set.

    Raises:
        StoreError: The store cannot be read.
    """
    columns = ["motion_id", "source_hash"]
    rows = store.snapshot(MOTIONS.name).read(pc.field("dataset") == dataset, columns)
    values = (rows.column(name).to_pylist() for name in columns)
    return {name: source or "" for name, source in zip(*values, strict=True)}


def foreign_motions(store: Store, dataset: str) -> dict[str, str]:
    """Motion id -> data set, of all other data sets: an id names one motion of the whole store.

    Raises:
        StoreError: The store cannot be read.
    """
    columns = ["motion_id", "dataset"]
    rows = store.snapshot(MOTIONS.name).read(pc.field("dataset") != dataset, columns)
    return dict(zip(*(rows.column(name).to_pylist() for name in columns), strict=True))


def name_of_shard(motion_ids: list[str]) -> str:
    """A name for a commit of these motions: equal content, equal name."""
    return sha256_text("\n".join(sorted(motion_ids)))[:SHARD_ID_LENGTH]
