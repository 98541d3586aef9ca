"""Writing one Parquet data file of a table, before any log names it.

The table library's own writer ignores per-column encodings inside lists (measured with deltalake
1.6.6), and the arrays are lists; so files are written with pyarrow and only named in the log by it.
"""

import json
import time
import uuid

import pyarrow as pa
import pyarrow.fs as pafs
import pyarrow.parquet as pq
from deltalake.fs import DeltaStorageHandler
from deltalake.transaction import AddAction, RemoveAction

from storage import fault
from storage.columns import TableSpec, is_float, leaf_path
from storage.errors import told_plainly
from storage.location import StoreLocation
from storage.snapshot import DataFile

COMPRESSION = "zstd"
COMPRESSION_LEVEL = 3
GROUP_BYTES = 64 * 1024 * 1024
"""Of a row group before compression: 32 clips of ten seconds have a fifth of it."""


def table_files(location: StoreLocation, table: str) -> pafs.FileSystem:
    """The folder of a table as an Arrow file system, the same way for a disk and a bucket."""
    handler = DeltaStorageHandler(location.table_uri(table), dict(location.options))
    return pafs.PyFileSystem(handler)


def write_data_file(
    location: StoreLocation,
    spec: TableSpec,
    rows: pa.Table,
    shard_id: str,
    *,
    new_rows: bool = True,
) -> AddAction:
    """Write rows of one partition as a new file; the log does not know it yet.

    Floats are byte-stream-split, everything is zstd, a row group holds whole rows, min and max
    are kept for scalar columns only.

    Args:
        location: The store.
        spec: The table.
        rows: Rows in the table's schema, all of one partition, sorted by key.
        shard_id: Starts the file's name, to tell a human where it comes from.
        new_rows: False when the rows were in the table before (files are only rearranged).

    Returns:
        The log entry that will make the file part of the table.
    """
    partition = rows.column(spec.partition)[0].as_py()
    body = rows.drop_columns([spec.partition])
    path = f"{spec.partition}={partition}/{shard_id}-{uuid.uuid4().hex}.parquet"
    files = table_files(location, spec.name)
    with told_plainly(f"write a data file of table {spec.name} in {location}"):
        with files.open_output_stream(path) as sink, _writer(sink, body.schema) as writer:
            size = _rows_per_group(body, spec)
            for start in range(0, body.num_rows, size):
                writer.write_table(body.slice(start, size))
                fault.die_at(fault.MID_WRITE)
        length = files.get_file_info(path).size
    stats = json.dumps({"numRecords": body.num_rows})
    return AddAction(path, length, {spec.partition: partition}, now_ms(), new_rows, stats)


def remove_data_file(spec: TableSpec, file: DataFile, *, rows_go: bool = True) -> RemoveAction:
    """The log entry that takes a file out of the newest version; old versions keep it."""
    return RemoveAction(file.path, rows_go, now_ms(), file.size, {spec.partition: file.partition})


def now_ms() -> int:
    """Milliseconds since 1970, as the log wants them."""
    return int(time.time() * 1000)


def _rows_per_group(body: pa.Table, spec: TableSpec) -> int:
    """As the table says; fewer of very long motions, as a group is read as a whole."""
    fitting: int = GROUP_BYTES * body.num_rows // max(body.nbytes, 1)
    return min(spec.rows_per_group, max(fitting, 1))


def _writer(sink: pa.NativeFile, schema: pa.Schema) -> pq.ParquetWriter:
    floats = [field for field in schema if is_float(field.type)]
    plain = [field for field in schema if not is_float(field.type)]
    return pq.ParquetWriter(
        sink,
        schema,
        # Not Arrow's copy of the schema: it doubles the footer, which every query reads, and says
        # nothing that Parquet's own types and the table's log do not.
        store_schema=False,
        compression=COMPRESSION,
        compression_level=COMPRESSION_LEVEL,
        column_encoding={leaf_path(field): "BYTE_STREAM_SPLIT" for field in floats},
        use_dictionary=[leaf_path(field) for field in plain],
        write_statistics=[field.name for field in schema if not pa.types.is_list(field.type)],
    )
