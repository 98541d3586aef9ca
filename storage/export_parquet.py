"""Motions as a data set in the Hugging Face layout: Parquet shards by split, and a card.

Rows are those of the table `motions`, all columns; captions and split as curators decided.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from storage.columns import is_float, leaf_path
from storage.datafiles import COMPRESSION, COMPRESSION_LEVEL
from storage.decisions import Decision
from storage.export_rows import batches, files_of
from storage.export_selection import Selection
from storage.schemas import MOTIONS
from storage.store import Store

SHARD_BYTES = 500_000_000
"""Of a shard's arrays in memory; on disk it is smaller."""
FRAME_BYTES = {"mocap": 5_600, "pseudo": 2_800}
"""Of all arrays of a row, by kind: those of captured motions hold four views."""
SPLIT_NAMES = {"train": "train", "val": "validation", "test": "test", None: "unsplit"}
"""How the layout calls the splits."""
SPLIT_ORDER = ("train", "validation", "test", "unsplit")
DATA = "data"
_SHARD_NAME = re.compile(rf"({'|'.join(SPLIT_ORDER)})-\d{{5,}}-of-\d{{5,}}\.parquet")
LEFT_OUT = ("shard_id",)
"""Columns that say something about the store, not about a motion."""
REPLACED = ("tokens", "caption_embeddings", "caption_embeddings_shape", "text_encoder")
"""Null where a curator wrote other captions than those they were made from."""


@dataclass(frozen=True)
class Shard:
    """One Parquet file to write."""

    split: str
    name: str
    """Path below the data set's folder."""
    files: tuple[tuple[str, tuple[str, ...]], ...]
    """Data files of the store, and the motions to take from each."""

    @property
    def motions(self) -> int:
        """How many rows it will have."""
        return sum(len(ids) for _, ids in self.files)


def exported_schema() -> pa.Schema:
    """The columns of the shards."""
    fields = [field for field in MOTIONS.schema if field.name not in LEFT_OUT]
    return pa.schema(fields, MOTIONS.schema.metadata)


def plan_shards(store: Store, selection: Selection, shard_bytes: int = SHARD_BYTES) -> list[Shard]:
    """Which motions go into which file; the same selection always gives the same plan.

    Raises:
        StoreError: The store cannot be read.
    """
    rows = {row["motion_id"]: row for row in selection.rows}
    by_split: dict[str, list[list[tuple[str, str]]]] = {}
    filled: dict[str, int] = {}
    for path, ids in files_of(store, selection.ids).items():
        for motion_id in ids:
            row = rows[motion_id]
            split = SPLIT_NAMES.get(row["split"], "unsplit")
            size = row["n_frames"] * FRAME_BYTES.get(row["source_kind"], max(FRAME_BYTES.values()))
            shards = by_split.setdefault(split, [])
            if not shards or filled[split] + size > shard_bytes:
                shards.append([])
                filled[split] = 0
            shards[-1].append((path, motion_id))
            filled[split] += size
    return [
        Shard(split, f"{DATA}/{split}-{i:05d}-of-{len(shards):05d}.parquet", _by_file(shard))
        for split in SPLIT_ORDER
        for shards in [by_split.get(split, [])]
        for i, shard in enumerate(shards)
    ]


def write_shard(
    store: Store, shard: Shard, folder: Path, decided: Mapping[str, Decision]
) -> dict[str, Any]:
    """Write one file; it appears whole or not at all.

    Returns:
        `id` and `file` (its name), `split`, `rows`, `bytes` (on disk) and `bytes_in_memory`.

    Raises:
        StoreError: The store cannot be read.
        OSError: The file cannot be written.
    """
    out = folder / shard.name
    out.parent.mkdir(parents=True, exist_ok=True)
    unfinished = out.with_name(f".{out.name}.unfinished")
    schema, count, size = exported_schema(), 0, 0
    try:
        with pq.ParquetWriter(unfinished, schema, **_encoding(schema)) as writer:
            for table in _tables(store, shard, schema, decided):
                writer.write_table(table)
                count += table.num_rows
                size += table.nbytes
        unfinished.replace(out)
    finally:
        unfinished.unlink(missing_ok=True)
    return {
        "id": shard.name, "file": shard.name, "split": shard.split, "rows": count,
        "bytes": out.stat().st_size, "bytes_in_memory": size,
    }  # fmt: skip


def forget_other_shards(folder: Path, shards: Sequence[Shard]) -> None:
    """Remove shards of an export that was written over: a reader takes all files of a split.

    Args:
        folder: Of the data set.
        shards: All that belong to it.
    """
    ours = {shard.name for shard in shards}
    for path in list((folder / DATA).glob("*.parquet")):
        if _SHARD_NAME.fullmatch(path.name) and f"{DATA}/{path.name}" not in ours:
            path.unlink()


def _tables(
    store: Store, shard: Shard, schema: pa.Schema, decided: Mapping[str, Decision]
) -> Iterator[pa.Table]:
    for path, ids in shard.files:
        for table in batches(store, path, ids, schema.names):
            yield _without_places(_as_decided(table, decided)).cast(schema)


def _without_places(table: pa.Table) -> pa.Table:
    """Folders of the machine that made the rows are nobody's business: names stay, paths go.

    `config_hash` remains that of the whole configuration.
    """
    told = [_told_by_name(text) for text in table.column("config_json").to_pylist()]
    return _set(table, "config_json", pa.array(told, pa.string()))


@cache
def _told_by_name(config: str) -> str:
    return json.dumps(_names_only(json.loads(config)), sort_keys=True)


def _names_only(value: Any) -> Any:  # noqa: ANN401 - JSON
    if isinstance(value, dict):
        return {name: _names_only(part) for name, part in value.items()}
    if isinstance(value, list):
        return [_names_only(part) for part in value]
    if isinstance(value, str) and (value.startswith(("/", "~")) or "://" in value):
        return PurePosixPath(value).name
    return value


def _as_decided(table: pa.Table, decided: Mapping[str, Decision]) -> pa.Table:
    made = [decided.get(name) for name in table.column("motion_id").to_pylist()]
    if not any(made):
        return table
    splits = [d and d.split for d in made]
    captions = [None if d is None or d.captions is None else list(d.captions) for d in made]
    table = _over(table, "split", splits)
    table = _over(table, "captions", captions)
    stale = pa.array([said is not None for said in captions])
    for name in REPLACED:
        column = table.column(name)
        nothing = pa.nulls(len(column), column.type)
        table = _set(table, name, pc.if_else(stale, nothing, column.combine_chunks()))
    return table


def _over(table: pa.Table, name: str, values: Sequence[Any]) -> pa.Table:
    """The column with other values where there are any."""
    kind = table.schema.field(name).type
    given = [new if new is not None else old
             for new, old in zip(values, table.column(name).to_pylist(), strict=True)]  # fmt: skip
    return _set(table, name, pa.array(given, kind))


def _set(table: pa.Table, name: str, values: pa.Array) -> pa.Table:
    return table.set_column(table.schema.get_field_index(name), table.schema.field(name), values)


def _by_file(pairs: Sequence[tuple[str, str]]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    out: dict[str, list[str]] = {}
    for path, motion_id in pairs:
        out.setdefault(path, []).append(motion_id)
    return tuple((path, tuple(ids)) for path, ids in out.items())


def _encoding(schema: pa.Schema) -> dict[str, Any]:
    floats = [field for field in schema if is_float(field.type)]
    plain = [field for field in schema if not is_float(field.type)]
    return {
        "compression": COMPRESSION,
        "compression_level": COMPRESSION_LEVEL,
        "column_encoding": {leaf_path(field): "BYTE_STREAM_SPLIT" for field in floats},
        "use_dictionary": [leaf_path(field) for field in plain],
    }
