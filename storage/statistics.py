"""Moments of a training split's features, measured once and kept beside the motions.

They are kept ungrouped, so that the statistics of several data sets together are exactly those of
their rows together. A row is named by the motions it was measured on: whichever version of a store
is opened, its statistics are found, or none are, but never another version's.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from deltalake import DeltaTable

from pipeline.arrays import Float64
from pipeline.normalisation import Moments, merge_moments
from storage.commit import Change, commit_change
from storage.lineage import sha256_text
from storage.schemas import MOTIONS, STATISTICS
from storage.snapshot import Snapshot
from storage.store import Store

TRAIN = "train"


@dataclass(frozen=True)
class SplitMoments:
    """Moments of one data set's training split."""

    features3: Moments
    features2: Moments
    """Over all four views."""


def split_hash(rows: pa.Table) -> str:
    """A name for a set of motions (columns `motion_id`, `source_hash`), whatever their order."""
    sources = pc.fill_null(rows.column("source_hash"), "")
    lines = pc.binary_join_element_wise(rows.column("motion_id"), sources, " ").combine_chunks()
    ordered = lines.take(pc.sort_indices(lines))
    whole = pa.ListArray.from_arrays(pa.array([0, len(ordered)], pa.int32()), ordered)
    return sha256_text(pc.binary_join(whole, "\n")[0].as_py())


def stored_moments(store: Store, wanted: Mapping[str, str]) -> dict[str, SplitMoments]:
    """What was measured on these motions before, by data set; nothing where nothing was.

    Args:
        store: The store, at any version: a row stands for its motions, not for a version.
        wanted: Data set -> `split_hash` of its training split.

    Raises:
        StoreError: The table cannot be read.
    """
    if not wanted:
        return {}  # nothing to ask for, and a filter on no value at all has no type
    location = store.location
    if not DeltaTable.is_deltatable(location.table_uri(STATISTICS.name), dict(location.options)):
        return {}  # a store from before statistics were kept
    snapshot = Store(location).snapshot(STATISTICS.name)
    rows = snapshot.read(pc.field("set_hash").isin(sorted(wanted.values()))).to_pylist()
    return {
        row["dataset"]: _from_row(row)
        for row in rows
        if wanted.get(row["dataset"]) == row["set_hash"]
    }


def stored_splits(store: Store, dataset: str) -> frozenset[str]:
    """The splits in which a data set has motions.

    Raises:
        StoreError: The table cannot be read.
    """
    rows = store.snapshot(MOTIONS.name).read(pc.field("dataset") == dataset, ["split"])
    return frozenset(split for split in rows.column("split").unique().to_pylist() if split)


def splits_by_source(store: Store, dataset: str) -> dict[str, str]:
    """Source (a file's name, say) -> the split that its motions were stored in.

    Raises:
        StoreError: The table cannot be read.
    """
    here = pc.field("dataset") == dataset
    rows = store.snapshot(MOTIONS.name).read(here, ["source", "split"]).to_pylist()
    return {row["source"]: row["split"] for row in rows if row["source"] and row["split"]}


def store_moments(store: Store, dataset: str, joint_set: str) -> int:
    """Measure the training split of a data set, if these motions were not measured before.

    Reads one data file at a time.

    Returns:
        How many motions the training split has; statistics are kept when there are any.

    Raises:
        StoreError: The store cannot be read or written.
    """
    motions = store.snapshot(MOTIONS.name)
    where = (pc.field("dataset") == dataset) & (pc.field("split") == TRAIN)
    names = motions.read(where, ["motion_id", "source_hash"])
    if not names.num_rows:
        return 0
    set_hash = split_hash(names)
    if stored_moments(store, {dataset: set_hash}):
        return int(names.num_rows)
    moments = _measure(motions, dataset)
    row = {
        "dataset": dataset,
        "set_hash": set_hash,
        "joint_set": joint_set,
        "motions": names.num_rows,
        **_columns("3", moments.features3),
        **_columns("2", moments.features2),
        "created_at": datetime.now(UTC),
    }
    rows = pa.Table.from_pylist([row], schema=STATISTICS.schema)

    def plan(snapshot: Snapshot) -> Change | None:
        return None if set_hash in snapshot.units(dataset) else Change(rows)

    commit_change(store, STATISTICS.name, dataset, f"crossdiff/{dataset}/{set_hash[:20]}", plan)
    return int(names.num_rows)


def _measure(motions: Snapshot, dataset: str) -> SplitMoments:
    paths = [file.path for file in motions.files.values() if file.partition == dataset]
    columns = ["features3d", "features3d_shape", "features2d_views", "features2d_views_shape"]
    parts3, parts2 = [], []
    for path in sorted(paths):
        rows = motions.read(pc.field("split") == TRAIN, columns, [path])
        parts3 += _moments(rows, "features3d")
        parts2 += _moments(rows, "features2d_views")
    return SplitMoments(merge_moments(parts3), merge_moments(parts2))


def _moments(rows: pa.Table, name: str) -> list[Moments]:
    """Moments of an array column's last axis; none when no row has the array."""
    known = rows.filter(pc.is_valid(rows.column(name)))
    if not known.num_rows:
        return []
    width = known.column(f"{name}_shape")[0].as_py()[-1]
    flat = pc.list_flatten(known.column(name)).to_numpy()
    return [Moments.of([flat.reshape(-1, width)])]


def _columns(suffix: str, moments: Moments) -> dict[str, object]:
    return {
        f"count{suffix}": moments.count,
        f"mean{suffix}": moments.mean,
        f"variance{suffix}": moments.variance,
    }


def _from_row(row: dict[str, object]) -> SplitMoments:
    return SplitMoments(_read(row, "3"), _read(row, "2"))


def _read(row: dict[str, object], suffix: str) -> Moments:
    def array(name: str) -> Float64:
        return np.asarray(row[name + suffix], np.float64)

    return Moments(int(str(row[f"count{suffix}"])), array("mean"), array("variance"))
