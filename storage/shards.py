"""Committing a shard: tracks, then motions, then the videos row that says they are complete."""

from dataclasses import dataclass, replace

import pyarrow as pa
import pyarrow.compute as pc

from storage import fault
from storage.arrow_rows import rows_of_units, same_content, to_arrow, units_of
from storage.columns import TableSpec
from storage.commit import Change, Committed, commit_change
from storage.errors import RecipeMismatch, StoreError
from storage.recipes import recipe_id
from storage.rows import ShardRows
from storage.schemas import MOTIONS, TRACKS, VIDEOS
from storage.snapshot import Snapshot
from storage.store import Store
from storage.versions import VERSIONS_NOTE, StoreVersion, newest_version


@dataclass(frozen=True)
class CommitReport:
    """What a shard's commit added."""

    version: StoreVersion
    """A state of the store that holds the shard whole."""
    videos: int
    """Rows added; rows that were there already are not counted."""
    tracks: int
    motions: int
    known_videos: int
    """Videos of the shard that were done already and were left alone."""
    replaced: int
    """Leftovers of a killed run (per table and video) that had other content and were replaced."""
    attempts: int
    """Log commits tried, over the three tables; 3 when nobody was in the way."""
    new_videos: frozenset[str] = frozenset()
    """Hashes of the videos whose rows were added."""

    @property
    def is_no_op(self) -> bool:
        """True when the store already held everything."""
        return self.videos == self.tracks == self.motions == 0


def known_hashes(store: Store, dataset: str) -> frozenset[str]:
    """Content hashes of all videos of a data set that are done, failed ones included.

    Reads one column. This is what a run asks first: what is here need not be computed again.

    Raises:
        StoreError: The store cannot be read.
    """
    return store.snapshot(VIDEOS.name).units(dataset)


def commit_shard(store: Store, shard: ShardRows) -> CommitReport:
    """Bring a shard into the store; rows that are there already are neither doubled nor changed.

    Args:
        store: A store opened with `create_store`.
        shard: The rows of some videos. Its data set must have been begun (`register_recipe`).

    Raises:
        RecipeMismatch: The rows were made with another recipe than the data set.
        StoreError: The store cannot be written.
        ValueError: Rows lack required values, or two have the same key.
    """
    tables = {spec.name: _stamped_rows(shard, spec) for spec in (TRACKS, MOTIONS, VIDEOS)}
    with store.exclusive():
        _require_recipe(store, shard)
        fault.die_at(fault.BEFORE_TRACKS)
        tracks = _commit_parts(store, shard, TRACKS, tables[TRACKS.name])
        fault.die_at(fault.AFTER_TRACKS)
        motions = _commit_parts(store, shard, MOTIONS, tables[MOTIONS.name])
        fault.die_at(fault.AFTER_MOTIONS)
        videos, version, new = _commit_videos(store, shard, tables[VIDEOS.name])
        fault.die_at(fault.AFTER_VIDEOS)
    return CommitReport(
        version=version,
        videos=videos.rows,
        tracks=tracks.rows,
        motions=motions.rows,
        known_videos=len(shard.videos) - videos.rows,
        replaced=tracks.replaced + motions.replaced,
        attempts=tracks.attempts + motions.attempts + videos.attempts,
        new_videos=new,
    )


def _stamped_rows(shard: ShardRows, spec: TableSpec) -> pa.Table:
    """The shard's rows of one table, each carrying the shard's name."""
    rows = to_arrow(shard.rows(spec.name), spec)
    names = pa.array([shard.shard_id] * rows.num_rows, pa.string())
    index = rows.column_names.index("shard_id")
    return rows.set_column(index, spec.schema.field(index), names)


def _require_recipe(store: Store, shard: ShardRows) -> None:
    begun_with = recipe_id(store, shard.dataset)
    if begun_with is None:
        raise StoreError(f"dataset '{shard.dataset}' was not begun in {store.location}")
    if begun_with != shard.recipe_id:
        raise RecipeMismatch(
            f"dataset '{shard.dataset}' in {store.location} has recipe {begun_with}, "
            f"the rows have {shard.recipe_id}: choose another --dataset name or another store"
        )


def _app_id(shard: ShardRows) -> str:
    return f"crossdiff/{shard.dataset}/{shard.shard_id}"


def _commit_parts(store: Store, shard: ShardRows, spec: TableSpec, rows: pa.Table) -> Committed:
    """Commit tracks or motions of the videos that are not done, over what a dead run left."""

    def plan(snapshot: Snapshot) -> Change | None:
        done = known_hashes(store, shard.dataset)
        pending = {video.video_hash for video in shard.videos} - done
        # Motions without a video are done as soon as they are there: nothing can be half.
        loose = set(units_of(rows, spec).to_pylist()) - {v.video_hash for v in shard.videos}
        present = snapshot.units(shard.dataset)
        stale = _changed_units(snapshot, shard.dataset, rows, frozenset(pending & present))
        fresh = rows_of_units(rows, spec, ((pending | loose) - present) | stale)
        return Change(fresh, stale) if fresh.num_rows or stale else None

    return commit_change(store, spec.name, shard.dataset, _app_id(shard), plan)


def _changed_units(
    snapshot: Snapshot, dataset: str, rows: pa.Table, units: frozenset[str]
) -> frozenset[str]:
    """Those of the units whose stored rows differ from the given ones (or which have none now)."""
    if not units:
        return units
    spec = snapshot.spec
    paths = [file.path for file in snapshot.holding(dataset, units)]
    where = pc.field(spec.unit[0]).isin(sorted(units)) & (pc.field(spec.partition) == dataset)
    stored = snapshot.read(where, paths=paths)
    return frozenset(
        unit
        for unit in units
        if not same_content(
            rows_of_units(stored, spec, [unit]), rows_of_units(rows, spec, [unit]), spec
        )
    )


def _commit_videos(
    store: Store, shard: ShardRows, rows: pa.Table
) -> tuple[Committed, StoreVersion, frozenset[str]]:
    """Commit the rows that say the shard's videos are done, with the state of the other tables."""
    app_id = _app_id(shard)
    noted = newest_version(store.location)
    new: frozenset[str] = frozenset()

    def plan(snapshot: Snapshot) -> Change | None:
        nonlocal noted, new
        # After the snapshot, never before: the other tables then hold all that it lists.
        newest = newest_version(store.location)
        # Again, on the version that this commit rests on: where no lock orders the writers, the
        # data set may have been labelled anew since.
        _require_recipe(store, shard)
        hashes = {video.video_hash for video in shard.videos}
        new = frozenset(hashes) - snapshot.units(shard.dataset)
        fresh = rows_of_units(rows, VIDEOS, new)
        repeated = bool(shard.videos) or snapshot.table.transaction_version(app_id) is not None
        if not fresh.num_rows and repeated:
            noted = newest
            return None
        noted = replace(newest, videos=snapshot.version + 1)
        return Change(fresh, notes={VERSIONS_NOTE: noted.by_table()})

    committed = commit_change(store, VIDEOS.name, shard.dataset, app_id, plan)
    return committed, noted, new
