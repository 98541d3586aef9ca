"""Rows to Arrow and back: arrays become flat lists with a shape column beside them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from storage.columns import SHAPE_SUFFIX, Column, TableSpec, is_float
from storage.lineage import Lineage
from storage.rows import MotionRow, Row, TrackRow, VideoRow

RowT = TypeVar("RowT", VideoRow, TrackRow, MotionRow)

_LINEAGE_FIELDS = tuple(field.name for field in fields(Lineage))


def to_arrow(rows: Sequence[Row], spec: TableSpec) -> pa.Table:
    """Rows of one table as an Arrow table in the declared schema.

    Raises:
        ValueError: A required value is missing, or two rows have the same key.
    """
    columns: dict[str, pa.Array] = {}
    for column in spec.columns:
        values = [_value(row, column) for row in rows]
        if column.required and any(value is None for value in values):
            raise ValueError(f"{spec.name}.{column.name} is missing in a row")
        columns.update(_encode(column, values, spec))
    table = pa.table([columns[name] for name in spec.schema.names], schema=spec.schema)
    _check_keys_once(table, spec)
    return table.sort_by([(name, "ascending") for name in spec.key])


def from_arrow(table: pa.Table, row_type: type[RowT]) -> list[RowT]:
    """Arrow rows back to dataclasses with shaped numpy arrays."""
    named = {field.name for field in fields(row_type)} - {"lineage"}
    arrays = {column.name: column for column in row_type.spec.columns if _holds_array(column)}
    out = []
    for index in range(table.num_rows):
        record = {name: table.column(name)[index] for name in table.column_names}
        values = {name: _decode(record, name, arrays) for name in named if name in record}
        lineage = Lineage(**{name: record[name].as_py() for name in _LINEAGE_FIELDS})
        # What is null takes the field's default: an old row lacks the columns added since.
        given = {name: value for name, value in values.items() if value is not None}
        out.append(row_type(**given, lineage=lineage))
    return out


def units_of(table: pa.Table, spec: TableSpec) -> pa.ChunkedArray:
    """The unit of every row: the first of the spec's unit columns that is not null."""
    columns = [table.column(name) for name in spec.unit]
    return columns[0] if len(columns) == 1 else pc.coalesce(*columns)


def rows_of_units(table: pa.Table, spec: TableSpec, units: Iterable[str]) -> pa.Table:
    """The rows that belong to any of the units."""
    wanted = pa.array(sorted(units), pa.string())
    return table.filter(pc.is_in(units_of(table, spec), value_set=wanted))


def same_content(a: pa.Table, b: pa.Table, spec: TableSpec) -> bool:
    """Whether two sets of rows agree bit for bit in all but the volatile columns.

    NaN equals NaN of the same bits, so a joint that was not detected does not make a difference.
    """
    order = [(name, "ascending") for name in spec.key]
    if a.num_rows != b.num_rows or not set(spec.stable_columns) <= set(a.column_names):
        return False
    left, right = a.sort_by(order), b.sort_by(order)
    return all(
        _same(left.column(name).combine_chunks(), right.column(name).combine_chunks())
        for name in spec.stable_columns
    )


def _same(a: pa.Array, b: pa.Array) -> bool:
    if pa.types.is_list(a.type):
        lengths_agree = pc.list_value_length(a).equals(pc.list_value_length(b))
        return bool(lengths_agree) and _same(pc.list_flatten(a), pc.list_flatten(b))
    return bool(_bits(a).equals(_bits(b)))


def _bits(column: pa.Array) -> pa.Array:
    """Floats as integers of the same bits; anything else as it is."""
    if not is_float(column.type):
        return column
    return column.view(pa.int32() if column.type == pa.float32() else pa.int64())


def _holds_array(column: Column) -> bool:
    """Arrays with a shape column, and lists of numbers, which are arrays of one axis."""
    return column.is_array or (is_float(column.type) and pa.types.is_list(column.type))


def _value(row: Row, column: Column) -> Any:  # noqa: ANN401 - a cell of any column type
    source = row.lineage if column.name in _LINEAGE_FIELDS else row
    return getattr(source, column.name)


def _encode(column: Column, values: Sequence[Any], spec: TableSpec) -> dict[str, pa.Array]:
    field = spec.schema.field(column.name)
    if not column.is_array:
        return {column.name: pa.array(values, field.type)}
    shapes = [None if value is None else list(value.shape) for value in values]
    flat = [None if value is None else np.ascontiguousarray(value).reshape(-1) for value in values]
    shape_name = column.name + SHAPE_SUFFIX
    return {
        column.name: pa.array(flat, field.type),
        shape_name: pa.array(shapes, spec.schema.field(shape_name).type),
    }


def _decode(  # a cell of any column type
    record: Mapping[str, Any], name: str, arrays: Mapping[str, Column]
) -> Any:  # noqa: ANN401
    cell = record[name]
    if name not in arrays or not cell.is_valid:
        value = cell.as_py()
        return tuple(value) if isinstance(value, list) else value
    flat = cell.values.to_numpy(zero_copy_only=False)
    if not arrays[name].is_array:
        return flat
    return flat.reshape(record[name + SHAPE_SUFFIX].as_py())


def _check_keys_once(table: pa.Table, spec: TableSpec) -> None:
    counted = table.group_by(list(spec.key)).aggregate([([], "count_all")])
    doubled = counted.filter(pc.greater(counted.column("count_all"), 1))
    if doubled.num_rows:
        first = {name: doubled.column(name)[0].as_py() for name in spec.key}
        raise ValueError(f"{spec.name} has two rows with the key {first}")
