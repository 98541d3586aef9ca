"""What a training set's tables have in common: skeleton, text encoder, training split."""

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.skeletons import HUMANML3D

FIRST_ENCODER = "all-MiniLM-L6-v2"
"""Who embedded the captions of plain files from before they named their encoder."""
TRAIN = "train"


def joint_sets(tables: Sequence[pa.Table]) -> set[str]:
    """Names of the skeletons of all motions; plain files from before KIT-ML name none."""
    return _values(tables, "joint_set") or {HUMANML3D.name}


def text_encoder(url: str, tables: Sequence[pa.Table]) -> str:
    """The encoder of all embeddings; empty when there are none.

    Args:
        url: Where the tables come from, for the message.
        tables: Tables of motions.

    Raises:
        ValueError: Embeddings of different encoders; the sentence says whose.
    """
    users: dict[str, set[str]] = {}
    for table in tables:
        for name in _encoders(table):
            users.setdefault(name, set()).update(_values([table], "dataset"))
    if len(users) > 1:
        parts = [f"{name} ({', '.join(sorted(sets))})" for name, sets in sorted(users.items())]
        raise ValueError(
            f"{url} holds text embeddings of different encoders, which never mix: "
            f"{'; '.join(parts)}. Choose data sets of one encoder with --datasets, or prepare "
            "again into another store"
        )
    return next(iter(users), "")


def text_width(tables: Sequence[pa.Table]) -> int:
    """Numbers in an embedding; 0 when no motion has any."""
    for table in tables:
        numbers = pc.list_value_length(table.column("caption_embeddings"))
        captions = pc.list_value_length(table.column("captions"))
        told = pc.and_(pc.greater(pc.fill_null(numbers, 0), 0), pc.greater(captions, 0))
        row = pc.index(told, True).as_py()
        if row >= 0:
            return int(numbers[row].as_py()) // int(captions[row].as_py())
    return 0


def train_keys(tables: Sequence[pa.Table]) -> dict[str, pa.Table]:
    """By data set, the columns `motion_id` and `source_hash` of the training split."""
    parts: dict[str, list[pa.Table]] = {}
    for table in tables:
        rows = _train_rows(table)
        if rows.num_rows:
            parts.setdefault(rows.column("dataset")[0].as_py(), []).append(rows)
    return {dataset: pa.concat_tables(rows) for dataset, rows in parts.items()}


def _train_rows(table: pa.Table) -> pa.Table:
    """Of one data file, hence of one data set."""
    rows = table.select(["dataset", "split", "motion_id", "source_hash"])
    return rows.filter(pc.equal(rows.column("split"), TRAIN))


def _encoders(table: pa.Table) -> set[str]:
    if "text_encoder" in table.column_names:
        return _values([table], "text_encoder")
    embedded = pc.any(pc.greater(pc.list_value_length(table.column("caption_embeddings")), 0))
    return {FIRST_ENCODER} if embedded.as_py() else set()


def _values(tables: Sequence[pa.Table], name: str) -> set[str]:
    """Values of a column that are not null; nothing where a table lacks it."""
    there = (table.column(name).unique() for table in tables if name in table.column_names)
    return {value for column in there for value in column.to_pylist() if value is not None}
