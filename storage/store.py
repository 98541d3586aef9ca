"""A store: the folder of Delta tables. Opening, creating, the lock that orders local writers."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, Field
from deltalake.exceptions import CommitFailedError
from filelock import FileLock, Timeout

from storage.columns import TableSpec, misfits, missing_fields
from storage.errors import StoreError, StoreUnreachable, told_plainly
from storage.location import StoreLocation, locate
from storage.schemas import MOTIONS, TABLES, TRACKS, VIDEOS
from storage.snapshot import Snapshot, UnitCache
from storage.versions import METADATA_KEY, StoreVersion, resolve_version

KEEP_FOREVER = "interval 36500 days"
TABLE_PROPERTIES = {
    "delta.logRetentionDuration": KEEP_FOREVER,
    "delta.deletedFileRetentionDuration": KEEP_FOREVER,
    "delta.enableExpiredLogCleanup": "false",
}
"""Delta forgets versions after 30 days by default; a finetune must be able to read its version
again at any time."""

LOCK_FILE = ".commit.lock"
LOCK_TIMEOUT_S = 600.0
"""Far longer than any commit: a lock held longer means a writer that hangs."""


@dataclass(frozen=True)
class Store:
    """An opened store. Cheap to open again in another process: hand over the URL, not this."""

    location: StoreLocation
    pinned: Mapping[str, int] = field(default_factory=dict)
    """Table versions to read, when a version of the store was asked for; empty is the newest."""
    locking: bool = True
    """Whether local writers take turns through the lock file. Without it (and on object stores,
    where there is none) the log alone decides, and a loser tries again."""
    unit_cache: UnitCache = field(default_factory=dict, repr=False, compare=False)

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Hold off other writers of a local store; the lock dies with its process.

        Raises:
            StoreUnreachable: Another process kept the lock for `LOCK_TIMEOUT_S`.
        """
        if not (self.locking and self.location.is_local):
            yield
            return
        lock = FileLock(self.location.path / LOCK_FILE, timeout=LOCK_TIMEOUT_S)
        with told_plainly(f"lock the store {self.location}"):
            try:
                lock.acquire()
            except Timeout as error:
                raise StoreUnreachable(
                    f"another process keeps writing to {self.location}"
                ) from error
        try:
            yield
        finally:
            lock.release()

    def snapshot(self, name: str, version: int | None = None) -> Snapshot:
        """One table at one version (None: the pinned version, else the newest)."""
        table, spec = open_table(self, name, version), TABLES[name]
        wrong = misfits(pa.schema(table.schema().to_arrow()), spec)
        if wrong:
            raise StoreError(
                f"table {name} of {self.location} has another layout (column {wrong[0]}): "
                "it was not made by this program"
            )
        return Snapshot(spec, table, self.location, self.unit_cache)


def open_table(store: Store, name: str, version: int | None = None) -> DeltaTable:
    """A Delta table of the store, for any reader; any version that was ever committed.

    Raises:
        StoreError: There is no such table or version, or its log cannot be read.
    """
    if name not in TABLES:
        raise StoreError(f"no table is called {name!r}; there are {', '.join(sorted(TABLES))}")
    wanted = store.pinned.get(name) if version is None else version
    at = "" if wanted is None else f" at version {wanted}"
    with told_plainly(f"read table {name}{at} of {store.location}"):
        return DeltaTable(
            store.location.table_uri(name),
            version=wanted,
            storage_options=dict(store.location.options),
        )


def open_store(
    url: str | Path, options: Mapping[str, str] | None = None, *, locking: bool = True
) -> Store:
    """Open a store that exists; `URL@12` opens it as it was at store version 12.

    Args:
        url: Folder, `s3://`, `gs://`, with or without `@version`.
        options: Storage options for a remote store.
        locking: See `Store.locking`.

    Raises:
        StoreError: There is no store there, no such version, or it cannot be read.
    """
    location = locate(url, options)
    _require_store(location)
    if location.version is None:
        return Store(location, locking=locking)
    versions = resolve_version(location, location.version)
    return Store(location, versions.by_table(), locking)


def create_store(
    url: str | Path, options: Mapping[str, str] | None = None, *, locking: bool = True
) -> Store:
    """Open a store for writing; make it, or the tables and columns it lacks, first.

    Raises:
        StoreError: The place cannot be written, or holds tables of another layout.
    """
    store = Store(locate(url, options), locking=locking)
    if store.location.version is not None:
        raise StoreError(f"{store.location}: a version of a store can be read, not written to")
    if store.location.is_local:
        _make_folder(store.location.path)
    with store.exclusive():
        _refuse_if_damaged(store.location)
        for spec in TABLES.values():
            ensure_table(store, spec)
    return store


def has_table(location: StoreLocation, name: str) -> bool:
    """Whether the store has a table; one made by an older version of this package may lack it.

    Raises:
        StoreError: The place cannot be read.
    """
    with told_plainly(f"open the store {location.root}"):
        return DeltaTable.is_deltatable(location.table_uri(name), dict(location.options))


def _require_store(location: StoreLocation) -> None:
    with told_plainly(f"open the store {location.root}"):
        if location.is_local and not location.path.is_dir():
            raise StoreError(f"there is no store at {location.root}: no such folder")
    if not has_table(location, VIDEOS.name):
        raise StoreError(f"{location.root} holds no store: it has no table '{VIDEOS.name}'")


def _refuse_if_damaged(location: StoreLocation) -> None:
    """`videos` is created last: where it is, the tables that its rows speak of must be too."""
    if not has_table(location, VIDEOS.name):
        return
    for name in (TRACKS.name, MOTIONS.name):
        if not has_table(location, name):
            raise StoreError(f"{location.root} is damaged: it has 'videos' but lost '{name}'")


def _make_folder(folder: Path) -> None:
    with told_plainly(f"write to {folder}"):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / LOCK_FILE).touch()


def ensure_table(store: Store, spec: TableSpec) -> None:
    """Make one table, or the columns it lacks; call it inside `Store.exclusive`.

    Raises:
        StoreError: The store cannot be written, or has a table of another layout there.
    """
    uri, options = store.location.table_uri(spec.name), dict(store.location.options)
    notes = {METADATA_KEY: {"versions": StoreVersion(0, 0, 0, 0).by_table()}}
    with told_plainly(f"create table {spec.name} in {store.location}"):
        if not DeltaTable.is_deltatable(uri, options):
            try:
                DeltaTable.create(
                    uri,
                    spec.schema,
                    partition_by=[spec.partition],
                    name=f"crossdiff.{spec.name}",
                    description=spec.doc,
                    configuration=TABLE_PROPERTIES,
                    storage_options=options,
                    commit_properties=CommitProperties(custom_metadata=notes),
                )
            except Exception:
                # Another process may have created it in between; then there is nothing to do.
                if not DeltaTable.is_deltatable(uri, options):
                    raise
    _add_columns(store, spec)


def _add_columns(store: Store, spec: TableSpec) -> None:
    """Bring a table that an older version of this package made up to the declaration."""
    table = store.snapshot(spec.name).table
    missing = missing_fields(pa.schema(table.schema().to_arrow()), spec.schema)
    if not missing:
        return
    fields = [Field.from_arrow(item.with_nullable(True)) for item in missing]
    try:
        with told_plainly(f"add columns to table {spec.name} of {store.location}"):
            table.alter.add_columns(fields)
    except CommitFailedError as error:
        # Another process may have added them in between.
        have = pa.schema(open_table(store, spec.name).schema().to_arrow())
        if missing_fields(have, spec.schema):
            raise StoreError(f"cannot add columns to table {spec.name}: {error}") from error
