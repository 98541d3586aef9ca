"""One table at one version: which files it has, which units they hold, and reading some of them."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as pads
import pyarrow.fs as pafs
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

from storage.arrow_rows import units_of
from storage.columns import TableSpec
from storage.errors import told_plainly
from storage.location import StoreLocation
from storage.quiet_readers import let_readers_finish_at_exit

UnitCache = dict[tuple[str, str], frozenset[str]]
"""(table, file path) -> units in that file. A data file never changes, so this never goes stale."""

FILE_NAME = "__filename"
"""Arrow's own name for the column with the file that a row was read from."""


@dataclass(frozen=True)
class DataFile:
    """A Parquet file that belongs to the table at this version."""

    path: str
    """Relative to the table's folder."""
    size: int
    """Bytes."""
    partition: str
    """Value of the partition column."""


@dataclass(frozen=True)
class Snapshot:
    """A table that does not change any more while it is looked at."""

    spec: TableSpec
    table: DeltaTable
    location: StoreLocation
    unit_cache: UnitCache

    @property
    def version(self) -> int:
        """The table version this is."""
        return int(self.table.version())

    @cached_property
    def files(self) -> Mapping[str, DataFile]:
        """All files of the table, by path."""
        actions = pa.table(self.table.get_add_actions())
        partitions = pc.struct_field(actions.column("partition"), self.spec.partition)
        columns = (actions.column("path"), actions.column("size_bytes"), partitions)
        rows = zip(*(column.to_pylist() for column in columns), strict=True)
        return {path: DataFile(path, size, partition) for path, size, partition in rows}

    def dataset(self, paths: Collection[str] | None = None) -> pads.Dataset:
        """The table, or some of its files, as an Arrow dataset: only what is asked for is read.

        It has the declared columns; those that an older table lacks are null.
        """
        # Arrow's own file system is twice as fast on local disks as the table library's.
        local = pafs.LocalFileSystem()
        uri = self.location.table_uri(self.spec.name)
        native = pafs.SubTreeFileSystem(uri, local) if self.location.is_local else None
        if native is None:
            let_readers_finish_at_exit()
        with told_plainly(f"read table {self.spec.name} of {self.location}"):
            whole = self.table.to_pyarrow_dataset(filesystem=native, schema=self.spec.schema)
            if paths is None:
                return whole
            wanted = set(paths)
            fragments = [f for f in whole.get_fragments() if f.path in wanted]
            return pads.FileSystemDataset(fragments, whole.schema, whole.format, whole.filesystem)

    def read(
        self,
        where: pc.Expression | None = None,
        columns: list[str] | None = None,
        paths: Collection[str] | None = None,
    ) -> pa.Table:
        """Rows as an Arrow table.

        Args:
            where: Which rows; None for all.
            columns: Which columns; None for all.
            paths: Which files; None for all.

        Raises:
            StoreError: A file that the log names cannot be read.
        """
        source = self.dataset(paths)
        with told_plainly(f"read table {self.spec.name} of {self.location}"):
            return source.to_table(columns=columns, filter=where)

    def add_view(
        self, connection: duckdb.DuckDBPyConnection, view: str, paths: Collection[str] | None = None
    ) -> None:
        """Make the table, or some of its files, a view of a DuckDB connection.

        Local files are read by DuckDB itself, about four times as fast as through Arrow when they
        are many. The view has the declared columns, whatever older files lack.

        Raises:
            StoreError: A file that the log names cannot be read.
        """
        chosen = self.files if paths is None else paths
        with told_plainly(f"read table {self.spec.name} of {self.location}"):
            connection.register(f"{view}_declared", self.spec.schema.empty_table())
            if not chosen:
                rows = ""
            elif self.location.is_local:
                rows = f"UNION ALL BY NAME FROM {self._files_in_sql(chosen)}"
            else:
                connection.register(f"{view}_files", self.dataset(paths))
                rows = f"UNION ALL BY NAME FROM {view}_files"
            connection.execute(f"CREATE TEMP VIEW {view} AS FROM {view}_declared {rows}")

    def keys(self, paths: Collection[str] | None = None) -> pa.Table:
        """Key and unit columns of all rows, with the file each lies in (`FILE_NAME`)."""
        columns = list(dict.fromkeys((self.spec.partition, *self.spec.key, *self.spec.unit)))
        chosen = self.files if paths is None else paths
        if not self.location.is_local or not chosen:
            return self.read(columns=[*columns, FILE_NAME], paths=paths)
        folder = len(self.location.table_uri(self.spec.name)) + 2
        sql = (
            f"SELECT {', '.join(columns)}, substring(filename, {folder}) AS {FILE_NAME} "  # noqa: S608
            f"FROM {self._files_in_sql(chosen)}"
        )
        with (
            told_plainly(f"read table {self.spec.name} of {self.location}"),
            duckdb.connect() as connection,
        ):
            return connection.sql(sql).to_arrow_table()

    def _files_in_sql(self, paths: Collection[str]) -> str:
        """A table function over local files. A view cannot hold bound values, so they are quoted.

        Partition values stay strings: a data set may be called `2024`.
        """
        uri = self.location.table_uri(self.spec.name)
        quoted = ", ".join("'" + f"{uri}/{path}".replace("'", "''") + "'" for path in paths)
        return (
            f"read_parquet([{quoted}], hive_partitioning = true, hive_types_autocast = false, "
            f"union_by_name = {str(self._has_grown).lower()}, filename = true)"
        )

    @cached_property
    def _has_grown(self) -> bool:
        """Whether columns were added after the table was made, so that files differ."""
        options = dict(self.location.options)
        uri = self.location.table_uri(self.spec.name)
        try:
            first = DeltaTable(uri, version=0, storage_options=options)
        except DeltaError:
            return True  # not known any more; the safe answer is only slower
        return set(first.schema().to_arrow().names) != set(self.spec.schema.names)

    def units(self, partition: str) -> frozenset[str]:
        """All units of one partition. Reads only key columns, and each file once a process."""
        self._learn(partition)
        paths = [file.path for file in self.files.values() if file.partition == partition]
        return frozenset().union(*(self.unit_cache[self.spec.name, path] for path in paths))

    def holding(self, partition: str, units: Collection[str]) -> list[DataFile]:
        """The files of a partition that hold rows of any of the units."""
        self._learn(partition)
        wanted = frozenset(units)
        here = [file for file in self.files.values() if file.partition == partition]
        return [file for file in here if not wanted.isdisjoint(self.units_in(file))]

    def units_in(self, file: DataFile) -> frozenset[str]:
        """The units that one file holds rows of."""
        self._learn(file.partition)
        return self.unit_cache[self.spec.name, file.path]

    def _learn(self, partition: str) -> None:
        """Fill the cache for files not seen before, in one scan."""
        name = self.spec.name
        unknown = {
            file.path
            for file in self.files.values()
            if file.partition == partition and (name, file.path) not in self.unit_cache
        }
        if not unknown:
            return
        found: dict[str, set[str]] = {path: set() for path in unknown}
        read = self.keys(unknown)
        pairs = zip(
            read.column(FILE_NAME).to_pylist(), units_of(read, self.spec).to_pylist(), strict=True
        )
        for path, unit in pairs:
            found[path].add(unit)
        self.unit_cache.update({(name, path): frozenset(units) for path, units in found.items()})
