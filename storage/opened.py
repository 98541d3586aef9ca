"""Training motions as mapped memory: what makes opening a training set a matter of milliseconds.

Parquet is compressed, so whoever opens a training set has to decode every float of it; a loader
that reads one file per clip pays for every file. A data file of a table never changes, hence it is
decoded once, into an Arrow file beside the tables (`STORE/.opened`), and mapped from then on: no
copy, and the processes of one machine share the pages. The folder holds nothing that is not in the
tables; it may be deleted at any time. Remote stores and stores that cannot be written are decoded
in memory at every opening.
"""

import os
import uuid
from collections.abc import Collection
from pathlib import Path, PurePosixPath

import pyarrow as pa
import pyarrow.compute as pc

from storage.schemas import MOTIONS
from storage.shards import known_hashes
from storage.snapshot import DataFile, Snapshot
from storage.store import Store

FOLDER = ".opened"
LAYOUT = "v1"
"""Changes with `PLAIN`, `TRAINED_ON` or `SEEN`, so that no older file is taken for a new one."""
PLAIN = (
    "motion_id", "dataset", "split", "n_frames", "fps", "source_kind", "joint_set", "video_hash",
    "captions", "tokens", "text_encoder", "mirrored", "source", "action", "source_hash",
)  # fmt: skip
TRAINED_ON = ("joints3d", "features3d", "caption_embeddings")
SEEN = ("view2d", "joint_mask", "feature_mask3d")
"""Only kept for motions from video: of motion capture every joint is known in every view."""


def opened_motions(store: Store, snapshot: Snapshot, datasets: Collection[str]) -> list[pa.Table]:
    """The training columns of some data sets' visible motions, one table per data file.

    Float columns of local stores are views of mapped files: read-only, read on first touch.

    Args:
        store: The store.
        snapshot: Its motions, not older than what `store` shows of `videos`.
        datasets: Names of data sets.

    Raises:
        StoreError: The store cannot be read.
    """
    files = sorted(
        (file for file in snapshot.files.values() if file.partition in datasets),
        key=lambda file: (file.partition, file.path),
    )
    tables = [_open(snapshot, file) for file in files]
    return [_visible(table, store, f.partition) for f, table in zip(files, tables, strict=True)]


def forget_replaced(store: Store) -> int:
    """Delete opened files whose data file the newest version does not have; returns how many."""
    folder = _folder(store.snapshot(MOTIONS.name))
    if folder is None or not folder.is_dir() or store.pinned:
        return 0
    living = {_name(file) for file in store.snapshot(MOTIONS.name).files.values()}
    dead = [
        path for path in folder.iterdir() if path.suffix == ".arrow" and path.name not in living
    ]
    for path in dead:
        path.unlink(missing_ok=True)
    return len(dead)


def _open(snapshot: Snapshot, file: DataFile) -> pa.Table:
    folder = _folder(snapshot)
    if folder is None:
        return _decode(snapshot, file)
    path = folder / _name(file)
    mapped = _map(path)
    if mapped is not None:
        return mapped
    decoded = _decode(snapshot, file)
    try:
        _write(decoded, path)
    except OSError:
        return decoded  # a store that cannot be written, or a full disk: slower, not wrong
    return _map(path) or decoded


def _folder(snapshot: Snapshot) -> Path | None:
    return snapshot.location.path / FOLDER / LAYOUT if snapshot.location.is_local else None


def _name(file: DataFile) -> str:
    # A data file's name ends in a random id, so it is the file's own in any partition.
    return PurePosixPath(file.path).stem + ".arrow"


def _decode(snapshot: Snapshot, file: DataFile) -> pa.Table:
    arrays = [*TRAINED_ON, *SEEN]
    rows = snapshot.read(columns=[*PLAIN, *arrays], paths=[file.path])
    if rows.column("video_hash").null_count == rows.num_rows:
        rows = rows.drop_columns(list(SEEN))
    return rows.combine_chunks()


def _write(rows: pa.Table, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.stem}-{os.getpid()}-{uuid.uuid4().hex[:8]}.partial")
    try:
        with pa.OSFile(str(partial), "wb") as sink, pa.ipc.new_file(sink, rows.schema) as writer:
            writer.write_table(rows)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _map(path: Path) -> pa.Table | None:
    """The mapped file; None when it is not there or was damaged."""
    try:
        return pa.ipc.open_file(pa.memory_map(str(path))).read_all()
    except (OSError, pa.ArrowInvalid):
        return None


def _visible(rows: pa.Table, store: Store, dataset: str) -> pa.Table:
    """Without motions of videos that are not complete yet."""
    videos = rows.column("video_hash")
    if videos.null_count == rows.num_rows:
        return rows
    done = pa.array(sorted(known_hashes(store, dataset)), pa.string())
    seen = pc.or_(pc.is_null(videos), pc.is_in(videos, value_set=done))
    return rows if pc.all(seen).as_py() else rows.filter(seen)
