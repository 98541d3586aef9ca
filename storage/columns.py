"""How a table is declared: columns with meaning, unit and shape, and what follows from them."""

from dataclasses import dataclass
from functools import cached_property

import pyarrow as pa

STRING = pa.string()
BOOL = pa.bool_()
INT32 = pa.int32()
INT64 = pa.int64()
FLOAT32 = pa.float32()
FLOAT64 = pa.float64()
TIMESTAMP = pa.timestamp("us", tz="UTC")

SHAPE_SUFFIX = "_shape"
"""An array column `joints` is a flat list; its shape lies beside it in `joints_shape`."""


def list_of(item: pa.DataType) -> pa.DataType:
    """A list type whose items are named as the Parquet specification names them."""
    return pa.list_(pa.field("element", item))


@dataclass(frozen=True)
class Column:
    """One column: its type, and what a reader has to know to use it."""

    name: str
    type: pa.DataType
    """The type of one value; for an array, the type of its items."""
    doc: str
    unit: str = ""
    shape: str = ""
    """Axes in the field's letters, e.g. `T, 22, 3`; empty for scalars and plain lists."""
    required: bool = False
    """Never null."""
    volatile: bool = False
    """May differ between two runs that computed the same thing: times, run names."""

    @property
    def is_array(self) -> bool:
        """True for a numpy array of two or more axes, stored flat with a shape column."""
        return bool(self.shape)

    def fields(self) -> list[pa.Field]:
        """The Arrow fields of this column: one, or two for an array (values and shape)."""
        notes = {"comment": self.doc, "unit": self.unit, "shape": self.shape}
        metadata = {key: note for key, note in notes.items() if note}
        nullable = not self.required
        if not self.is_array:
            return [pa.field(self.name, self.type, nullable, metadata)]
        shape_note = {"comment": f"Lengths of the axes of {self.name}: {self.shape}."}
        return [
            pa.field(self.name, list_of(self.type), nullable, metadata),
            pa.field(self.name + SHAPE_SUFFIX, list_of(INT32), nullable, shape_note),
        ]


@dataclass(frozen=True)
class TableSpec:
    """One table: the single declaration that its writer and its readers share."""

    name: str
    doc: str
    key: tuple[str, ...]
    """Columns whose values together occur once."""
    unit: tuple[str, ...]
    """Columns of which the first that is not null names the unit that is written as one, and
    that a rerun completes or replaces whole, inside a dataset."""
    columns: tuple[Column, ...]
    rows_per_group: int = 32
    """Rows in one Parquet row group: small where rows are whole motions, so that one motion can
    be read without its neighbours' megabytes."""
    partition: str = "dataset"

    @cached_property
    def schema(self) -> pa.Schema:
        """The Arrow schema of the table, with each column's meaning in its metadata."""
        fields = [field for column in self.columns for field in column.fields()]
        return pa.schema(fields, metadata={"comment": self.doc})

    @cached_property
    def light_columns(self) -> tuple[str, ...]:
        """Columns that a listing reads: all but the arrays and their shapes."""
        heavy = [c for c in self.columns if c.is_array or _is_list_of_numbers(c.type)]
        skipped = {name for c in heavy for name in (c.name, c.name + SHAPE_SUFFIX)}
        return tuple(name for name in self.schema.names if name not in skipped)

    @cached_property
    def stable_columns(self) -> tuple[str, ...]:
        """Columns that two runs of the same work must agree on, bit for bit."""
        volatile = {c.name for c in self.columns if c.volatile}
        return tuple(name for name in self.schema.names if name not in volatile)


def is_float(kind: pa.DataType) -> bool:
    """True for a float column or a list of floats: what BYTE_STREAM_SPLIT suits."""
    item = kind.value_type if pa.types.is_list(kind) else kind
    return bool(pa.types.is_floating(item))


def leaf_path(field: pa.Field) -> str:
    """The Parquet leaf that holds the values of a scalar or list column."""
    return f"{field.name}.list.element" if pa.types.is_list(field.type) else str(field.name)


def missing_fields(have: pa.Schema, want: pa.Schema) -> list[pa.Field]:
    """Fields of `want` that a table written earlier does not have yet."""
    return [field for field in want if field.name not in have.names]


def misfits(have: pa.Schema, spec: TableSpec) -> list[str]:
    """Columns that show that a table is not what the declaration means: other types, no key."""
    lost = [name for name in spec.key if name not in have.names]
    both = [field for field in spec.schema if field.name in have.names]
    return lost + [field.name for field in both if have.field(field.name).type != field.type]


def _is_list_of_numbers(kind: pa.DataType) -> bool:
    return bool(pa.types.is_list(kind)) and not pa.types.is_string(kind.value_type)
