"""Store versions: which versions of its main tables belong together.

The version of a store is the version of its `videos` table. Every commit there notes the versions
that tracks and motions had when it was decided; since a shard commits videos last, they hold all
rows of every video that `videos` lists at that version. So `URL@12` is one consistent state.
Labelling a data set anew changes motions and the data set's recipe and is a version of its own:
the note therefore names the version of `datasets` too. Notes from before that could happen do not;
what held for them is what held before the first recipe was replaced.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

import pyarrow.fs as pafs
from deltalake import DeltaTable
from deltalake.fs import DeltaStorageHandler

from storage.errors import StoreError, told_plainly
from storage.location import StoreLocation
from storage.schemas import DATASETS, MOTIONS, TRACKS, VIDEOS

METADATA_KEY = "crossdiff"
"""Where our own notes lie in a commit's metadata."""
VERSIONS_NOTE = "versions"
RELABELLED_NOTE = "relabelled"
"""In a commit to `datasets` that gave a data set another recipe: its name."""


@dataclass(frozen=True)
class StoreVersion:
    """Versions of the tables that show one state of the store."""

    videos: int
    """Also the store's version: the N of `URL@N`."""
    tracks: int
    motions: int
    datasets: int | None = field(default=None, compare=False)
    """None: not noted. Says no more about the rows, which name their recipes themselves."""

    def by_table(self) -> dict[str, int]:
        """The known versions by table name."""
        return {name: version for name, version in asdict(self).items() if version is not None}


@dataclass(frozen=True)
class VersionEntry:
    """One line of the store's history."""

    version: StoreVersion
    committed_at: datetime


def newest_version(location: StoreLocation) -> StoreVersion:
    """The newest state. `videos` is looked at first, so that the others are never too old for it.

    Raises:
        StoreError: A table cannot be read.
    """
    videos = _latest(location, VIDEOS.name)
    others = (_latest(location, spec.name) for spec in (TRACKS, MOTIONS, DATASETS))
    return StoreVersion(videos, *others)


def resolve_version(location: StoreLocation, number: int | None = None) -> StoreVersion:
    """The table versions that make up store version `number` (None: the newest).

    Raises:
        StoreError: There never was such a version, or its log is gone.
    """
    if number is None:
        return newest_version(location)
    newest = _latest(location, VIDEOS.name)
    if not 0 <= number <= newest:
        raise StoreError(f"{location.root} has no version {number}: it has versions 0 to {newest}")
    for earlier in range(number, -1, -1):
        noted = _noted_versions(_commit_info(location, VIDEOS.name, earlier))
        if noted is not None:
            # A commit without a note is maintenance: it changed the layout, not the rows.
            recipes = noted.get(DATASETS.name)
            if recipes is None:
                recipes = _before_relabelling(location)
            return StoreVersion(number, noted[TRACKS.name], noted[MOTIONS.name], recipes)
    raise StoreError(f"{location.root} version {number} does not say which tables belong to it")


def store_history(location: StoreLocation) -> list[VersionEntry]:
    """All versions of the store, newest first.

    Raises:
        StoreError: The log cannot be read.
    """
    with told_plainly(f"read the history of {location.root}"):
        uri = location.table_uri(VIDEOS.name)
        infos = DeltaTable(uri, storage_options=dict(location.options)).history()
    entries = []
    for info in infos:
        noted = _noted_versions(info)
        if noted is not None:
            parts = (noted[TRACKS.name], noted[MOTIONS.name], noted.get(DATASETS.name))
            version = StoreVersion(info["version"], *parts)
            moment = datetime.fromtimestamp(info["timestamp"] / 1000, UTC)
            entries.append(VersionEntry(version, moment))
    return entries


def _before_relabelling(location: StoreLocation) -> int:
    """The last version of `datasets` in which every data set had the recipe it was begun with."""
    newest = _latest(location, DATASETS.name)
    for version in range(newest + 1):
        if RELABELLED_NOTE in _commit_info(location, DATASETS.name, version).get(METADATA_KEY, {}):
            return version - 1
    return newest


def _latest(location: StoreLocation, table: str) -> int:
    with told_plainly(f"read table {table} of {location.root}"):
        uri = location.table_uri(table)
        return int(DeltaTable(uri, storage_options=dict(location.options)).version())


def _commit_info(location: StoreLocation, table: str, version: int) -> Mapping[str, Any]:
    """The commitInfo action of one log entry (the library's history() misnumbers old ones)."""
    handler = DeltaStorageHandler(location.table_uri(table), dict(location.options))
    entry = f"_delta_log/{version:020d}.json"
    with (
        told_plainly(f"read version {version} of table {table} of {location.root}"),
        pafs.PyFileSystem(handler).open_input_file(entry) as file,
    ):
        actions = [json.loads(line) for line in file.read().splitlines() if line.strip()]
    infos = [action["commitInfo"] for action in actions if "commitInfo" in action]
    return infos[0] if infos else {}


def _noted_versions(info: Mapping[str, Any]) -> Mapping[str, int] | None:
    noted = info.get(METADATA_KEY, {}).get(VERSIONS_NOTE)
    return noted if isinstance(noted, Mapping) else None
