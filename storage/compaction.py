"""Merging small files: a shard is a small file, and every query opens every file.

A merge changes no row, only where rows lie; it is one commit like any other, so readers see the old
files or the new one, and old versions keep the old ones. Rows come out sorted by key over the whole
file, so that one motion is found by the statistics of a single row group.
"""

from dataclasses import dataclass

import pyarrow as pa
from deltalake.exceptions import CommitFailedError
from deltalake.transaction import AddAction, RemoveAction

from storage.columns import TableSpec
from storage.commit import MAX_ATTEMPTS, wait_for_turn, write_log
from storage.datafiles import remove_data_file, write_data_file
from storage.errors import StoreError
from storage.schemas import DECISIONS, MOTIONS, RUNS, TRACKS, VIDEOS
from storage.snapshot import DataFile, Snapshot
from storage.store import Store, has_table

MERGED_BYTES = 128 * 2**20
"""A merged file's size: few enough files for a million motions, small enough to hold in memory."""
SMALL_BYTES = MERGED_BYTES // 2
"""Files below this are merged."""
FEWEST_FILES = 8
"""Fewer small files than this are left alone: merging writes their rows once more."""


@dataclass(frozen=True)
class Compacted:
    """What merging did to one table."""

    table: str
    files_before: int
    files_after: int


def compact(store: Store, dataset: str, fewest: int = FEWEST_FILES) -> list[Compacted]:
    """Merge the small files of a data set in all tables; safe beside running ingests.

    The old files stay on disk for the versions that use them.

    Args:
        store: A store opened with `create_store`.
        dataset: The data set.
        fewest: Least number of small files worth merging, at least 2.

    Raises:
        StoreError: The store cannot be read or written.
    """
    if fewest < 2:
        raise ValueError(f"fewest is {fewest}, expected at least 2")
    return [_compact_table(store, spec, dataset, fewest) for spec in (TRACKS, MOTIONS, VIDEOS)]


def compact_all(store: Store, fewest: int = FEWEST_FILES) -> list[Compacted]:
    """Merge the small files of all data sets, and those of runs and decisions.

    Args:
        store: A store opened with `create_store` or `open_store`, at its newest version.
        fewest: As of `compact`.

    Returns:
        One line a table that the store has.

    Raises:
        StoreError: The store cannot be read or written, or is held at a version.
        ValueError: `fewest` is below 2.
    """
    if fewest < 2:
        raise ValueError(f"fewest is {fewest}, expected at least 2")
    if store.location.version is not None:
        raise StoreError(f"{store.location}: merge files without @VERSION; old versions stay")
    return [
        _compact_partitions(store, spec, fewest)
        for spec in (RUNS, DECISIONS, TRACKS, MOTIONS, VIDEOS)
        if has_table(store.location, spec.name)
    ]


def _compact_partitions(store: Store, spec: TableSpec, fewest: int) -> Compacted:
    partitions = sorted({file.partition for file in store.snapshot(spec.name).files.values()})
    done = [_compact_table(store, spec, partition, fewest) for partition in partitions]
    before, after = sum(d.files_before for d in done), sum(d.files_after for d in done)
    return Compacted(spec.name, before, after)


def _compact_table(store: Store, spec: TableSpec, dataset: str, fewest: int) -> Compacted:
    before = len(_files(store.snapshot(spec.name), dataset))
    for attempt in range(1, MAX_ATTEMPTS + 1):
        try:
            while _merge_some(store, spec, dataset, fewest):
                pass
        except CommitFailedError:
            wait_for_turn(attempt)
            continue
        return Compacted(spec.name, before, len(_files(store.snapshot(spec.name), dataset)))
    raise StoreError(f"cannot merge files of table {spec.name} of {store.location}: it is too busy")


def _merge_some(store: Store, spec: TableSpec, dataset: str, fewest: int) -> bool:
    """Merge one file's worth of small files; False when there are too few.

    Raises:
        CommitFailedError: Another writer was faster; nothing changed.
    """
    with store.exclusive():
        snapshot = store.snapshot(spec.name)
        group = _next_group(_files(snapshot, dataset))
        if len(group) < fewest:
            return False
        order = [(name, "ascending") for name in spec.key]
        rows: pa.Table = snapshot.read(paths=[file.path for file in group]).sort_by(order)
        merged = write_data_file(store.location, spec, rows, "merged", new_rows=False)
        actions: list[AddAction | RemoveAction] = [
            remove_data_file(spec, file, rows_go=False) for file in group
        ]
        write_log(snapshot, [*actions, merged], f"crossdiff/{dataset}/merge", {})
    return True


def _files(snapshot: Snapshot, dataset: str) -> list[DataFile]:
    return [file for file in snapshot.files.values() if file.partition == dataset]


def _next_group(files: list[DataFile]) -> list[DataFile]:
    """Small files, smallest first, until they fill a merged file."""
    group: list[DataFile] = []
    size = 0
    for file in sorted(files, key=lambda file: (file.size, file.path)):
        if file.size >= SMALL_BYTES or size >= MERGED_BYTES:
            break
        group.append(file)
        size += file.size
    return group
