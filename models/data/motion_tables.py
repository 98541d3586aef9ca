"""Motions as views of Arrow tables: nothing is copied, each is built when it is asked for."""

from collections.abc import Collection, Sequence
from typing import Any, overload

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from models.data.motion import Motion
from pipeline.arrays import Int64
from pipeline.skeletons import HUMANML3D


class Motions(Sequence[Motion]):
    """Motions of some tables in the order of their ids, whatever the order of rows and files."""

    def __init__(self, tables: Sequence["_Columns"], table_of: Int64, row_of: Int64) -> None:
        """Keep where the motions lie.

        Args:
            tables: The tables.
            table_of: (N,) each motion's table.
            row_of: (N,) each motion's row there.
        """
        self._tables, self._table_of, self._row_of = tables, table_of, row_of

    @overload
    def __getitem__(self, index: int) -> Motion: ...
    @overload
    def __getitem__(self, index: slice) -> "Motions": ...
    def __getitem__(self, index: int | slice) -> "Motion | Motions":
        """One motion, its arrays read-only views of the table; or some, by a slice."""
        if isinstance(index, slice):
            return Motions(self._tables, self._table_of[index], self._row_of[index])
        table, row = int(self._table_of[index]), int(self._row_of[index])
        return self._tables[table].motion(row)

    def __len__(self) -> int:
        return len(self._row_of)

    def __repr__(self) -> str:
        return f"Motions({len(self)})"


def motions_of(tables: Sequence[pa.Table], splits: Collection[str] | None = None) -> Motions:
    """The motions of tables of a store or of a plain file (`models.data.motion_files`).

    Args:
        tables: Have at least `motion_files.NEEDED`; a store's call the frames `n_frames`.
        splits: Only motions of these; None for all.
    """
    rows = [_rows_in(table, splits) for table in tables]
    names = [t.column("motion_id").take(r) for t, r in zip(tables, rows, strict=True)]
    chunks = [chunk for column in names for chunk in column.chunks]
    order = pc.sort_indices(pa.chunked_array(chunks, pa.string())).to_numpy()
    counts = [len(r) for r in rows]
    return Motions(
        [_Columns(table) for table in tables],
        np.repeat(np.arange(len(tables)), counts)[order],
        np.concatenate([np.zeros(0, np.int64), *rows])[order],
    )


def _rows_in(table: pa.Table, splits: Collection[str] | None) -> Int64:
    """(N,) rows of a table that belong to the splits."""
    if splits is None:
        return np.arange(table.num_rows)
    wanted = pc.is_in(table.column("split"), value_set=pa.array(list(splits), pa.string()))
    return np.flatnonzero(wanted.to_numpy())


class _Columns:
    """The columns of one table, of which a row becomes a motion; each unpacked at first use."""

    def __init__(self, table: pa.Table) -> None:
        self._table = table
        self._frames = "n_frames" if "n_frames" in table.column_names else "frames"
        self._arrays: dict[str, _Lists | None] = {}
        self._cells: dict[str, list[Any] | None] = {}

    def motion(self, row: int) -> Motion:
        """The motion of one row."""
        name = self._value("motion_id", row, "")
        frames = self._value(self._frames, row, 0)
        joints = self._shaped("joints3d", row, frames, -1, 3)
        view = self._shaped("view2d", row, frames, -1, 2)
        captions = tuple(self._value("captions", row, ()))
        embeddings = self._shaped("caption_embeddings", row, len(captions), -1)
        nowhere = np.zeros((frames, 0 if view is None else view.shape[1], 3), np.float32)
        return Motion(
            motion_id=name,
            split=self._value("split", row, ""),
            joints=nowhere if joints is None else joints,
            captions=captions,
            embeddings=np.zeros((0, 0), np.float32) if embeddings is None else embeddings,
            action=self._value("action", row, ""),
            source=self._value("source", row, ""),
            tokens=tuple(tuple(words.split()) for words in self._value("tokens", row, ())),
            features=self._shaped("features3d", row, frames - 1, -1),
            joint_set=self._value("joint_set", row, HUMANML3D.name),
            fps=self._value("fps", row, HUMANML3D.fps),
            mirrored=self._value("mirrored", row, name.startswith("M")),
            has_3d=joints is not None,
            source_hash=self._value("source_hash", row, ""),
            view=view,
            joint_mask=self._shaped("joint_mask", row, frames, -1),
            feature_mask=self._shaped("feature_mask3d", row, frames - 1, -1),
        )

    def _value(self, name: str, row: int, default: Any) -> Any:  # noqa: ANN401 - of any column
        """A plain cell; the default where it is null or the table lacks the column."""
        if name not in self._cells:  # all at once: a tenth of the time of asking cell by cell
            known = name in self._table.column_names
            self._cells[name] = self._table.column(name).to_pylist() if known else None
        cells = self._cells[name]
        value = None if cells is None else cells[row]
        return default if value is None else value

    def _shaped(self, name: str, row: int, *shape: int) -> np.ndarray[Any, Any] | None:
        """An array cell; None where it is null or empty, or the table lacks the column."""
        if name not in self._arrays:
            known = name in self._table.column_names
            self._arrays[name] = _Lists(_whole(self._table.column(name))) if known else None
        lists = self._arrays[name]
        flat = None if lists is None else lists.at(row)
        return None if flat is None else flat.reshape(shape)


def _whole(column: pa.ChunkedArray) -> pa.ListArray:
    """The column as one array; `combine_chunks` would copy even a single chunk."""
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


class _Lists:
    """A list column whose items are taken as views of one flat array."""

    def __init__(self, column: pa.ListArray) -> None:
        self._offsets = column.offsets.to_numpy()
        self._known = column.is_valid().to_numpy(zero_copy_only=False)
        booleans = pa.types.is_boolean(column.type.value_type)
        self._values = column.values.to_numpy(zero_copy_only=not booleans)

    def at(self, row: int) -> np.ndarray[Any, Any] | None:
        """One item, or None when it is null or empty."""
        start, end = self._offsets[row], self._offsets[row + 1]
        return self._values[start:end] if self._known[row] and end > start else None
