"""Labelling a data set anew: new 3D for the stored views, as one new version of the store.

The labels are computed and kept aside first (`storage.staged_labels`). Then three commits: the
data set's recipe; the motions, all at once; the store's version. On a local store a lock makes them
one turn. The recipe is first, so that from then on, killed or not, no ingest with the old one can
make a version in which old and new labels meet. A reader of a version sees all old labels or all
new ones, and old versions stay readable; who reads the newest tables sees the motions change in one
commit. Each commit is decided on the version that it replaces, so whatever another writer brought
meanwhile is either labelled too or the reason to refuse.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

import pyarrow as pa
import pyarrow.compute as pc
from deltalake.exceptions import CommitFailedError
from deltalake.transaction import AddAction, RemoveAction

from storage import fault
from storage.arrow_rows import from_arrow
from storage.commit import MAX_ATTEMPTS, Change, commit_change, wait_for_turn, write_log
from storage.datafiles import remove_data_file, write_data_file
from storage.errors import RecipeMismatch, StoreError
from storage.lineage import Lineage, Recipe
from storage.recipes import recipe_id, replace_recipe
from storage.rows import PSEUDO, MotionRow
from storage.schemas import MOTIONS, VIDEOS
from storage.shards import known_hashes
from storage.snapshot import FILE_NAME, Snapshot
from storage.staged_labels import LABEL, LabelsGone, StagedLabels
from storage.store import Store
from storage.versions import VERSIONS_NOTE, StoreVersion, newest_version, resolve_version

_FACTS = ["motion_id", "video_hash", "source_kind", "recipe_id"]


@dataclass(frozen=True)
class Relabelling:
    """What is to be done."""

    store: Store
    """At its newest version."""
    dataset: str
    recipe: Recipe
    """What the rows will depend on."""
    lineage: Lineage
    """Of the new labels; `source_hash` and all that was seen stay the rows' own."""
    replaceable: frozenset[str]
    """Recipes that the data set and its rows had when this began; another one is a rival's."""
    label_2d_only: bool = False
    """Also label motions that have no 3D."""
    _prepared: dict[tuple[str, frozenset[str]], AddAction] = field(
        default_factory=dict, repr=False, compare=False
    )

    @property
    def staged(self) -> StagedLabels:
        """Where the labels are kept until all are there."""
        return StagedLabels(self.store.location, self.dataset, self.recipe.recipe_id)


@dataclass(frozen=True)
class Unlabelled:
    """Some motions, and where they lie: to look for 32 ids in every file would take ever longer."""

    motion_ids: tuple[str, ...]
    paths: frozenset[str]
    motions: Snapshot = field(repr=False)
    """A version that has these files; what is labelled, the view, is the same in any later one."""

    def __len__(self) -> int:
        """How many motions."""
        return len(self.motion_ids)


@dataclass(frozen=True)
class RelabelReport:
    """What became of it."""

    version: StoreVersion
    motions: int
    """Motions that have got another label."""


def begin_relabelling(
    store: Store, dataset: str, recipe: Recipe, lineage: Lineage, *, label_2d_only: bool = False
) -> Relabelling | None:
    """Look at what is there.

    Returns:
        The work; None when the newest version of the store has these labels already.

    Raises:
        StoreError: No such data set, or nothing in it that can be labelled.
    """
    if store.location.version is not None:
        raise StoreError(f"{store.location}: label the newest version; leave @VERSION out")
    begun_with = recipe_id(store, dataset)
    if begun_with is None:
        raise StoreError(f"{store.location} has no data set '{dataset}'")
    rows = _facts(store.snapshot(MOTIONS.name), dataset)
    from_video = rows.filter(pc.field("source_kind") == PSEUDO)
    if not from_video.num_rows:
        raise StoreError(f"dataset '{dataset}' of {store.location} has no motion from video")
    seen = set(from_video.column("recipe_id").to_pylist())
    work = Relabelling(
        store, dataset, recipe, lineage, frozenset({begun_with, *seen}), label_2d_only
    )
    if not label_2d_only and not pc.any(from_video.column("labelled")).as_py():
        raise StoreError(
            f"the motions of dataset '{dataset}' have no 3D: add --label-2d-only to label them"
        )
    return None if _is_done(work) else work


def missing_labels(work: Relabelling, shard_size: int) -> list[Unlabelled]:
    """The motions whose new label is neither in the tables nor kept aside, in shards.

    In the order of the data files: each is read a few times at most, now and when it is rewritten.

    Raises:
        RecipeMismatch: Some have a label that was not there when the work began.
        StoreError: The store cannot be read.
    """
    motions = work.store.snapshot(MOTIONS.name)
    missing = _missing(work, motions)
    order = sorted(missing, key=lambda name: (missing[name], name))
    shards = [order[k : k + shard_size] for k in range(0, len(order), shard_size)]
    return [
        Unlabelled(tuple(names), frozenset(missing[name] for name in names), motions)
        for names in shards
    ]


def read_motions(shard: Unlabelled) -> list[MotionRow]:
    """Some motions whole.

    Raises:
        StoreError: The store cannot be read.
    """
    where = pc.field("motion_id").isin(pa.array(shard.motion_ids, pa.string()))
    return from_arrow(shard.motions.read(where, paths=shard.paths), MotionRow)


def keep_labels(work: Relabelling, rows: Iterable[MotionRow]) -> None:
    """Keep new labels aside until all are there; a rerun finds them.

    Args:
        work: The work.
        rows: Motions with their new labels; what the work knows of lineage is filled in.

    Raises:
        StoreError: The store cannot be written.
    """
    name = f"relabel-{work.recipe.recipe_id}"
    work.staged.add(
        [
            replace(
                row,
                shard_id=name,
                lineage=replace(
                    work.lineage,
                    source_hash=row.lineage.source_hash,
                    estimator_id=row.lineage.estimator_id,
                ),
            )
            for row in rows
        ]
    )


def commit_labels(work: Relabelling) -> RelabelReport | None:
    """Bring all labels into the tables at once, as a new version of the store.

    Returns:
        None when motions have been added meanwhile: label them (`missing_labels`), then try again.

    Raises:
        RecipeMismatch: Somebody else labelled the data set anew meanwhile.
        StoreError: The store cannot be written, or is so busy that this never gets a turn.
    """
    for attempt in range(1, MAX_ATTEMPTS + 1):
        try:
            # The long part, before the lock is taken: what is written here is used again below.
            _actions(work, work.store.snapshot(MOTIONS.name))
            with work.store.exclusive():
                return _commit_all(work)
        except (CommitFailedError, LabelsGone):
            wait_for_turn(attempt)
    raise StoreError(f"cannot commit new labels to {work.store.location}: it is too busy")


def _commit_all(work: Relabelling) -> RelabelReport | None:
    store, recipe = work.store, work.recipe
    motions = store.snapshot(MOTIONS.name)
    if _missing(work, motions):
        return None
    actions = _actions(work, motions)
    changed = len(_wanted(work, motions))
    app_id = f"crossdiff/{work.dataset}/relabel-{recipe.recipe_id}"
    replace_recipe(store, work.dataset, recipe, work.replaceable)
    fault.die_at(fault.AFTER_RECIPE)
    if actions:
        write_log(motions, actions, app_id, {})
    fault.die_at(fault.AFTER_LABELS)
    version = _commit_version(work, app_id)
    fault.die_at(fault.AFTER_VERSION)
    if version is None:
        return None
    work.staged.forget()
    return RelabelReport(version, changed)


def _commit_version(work: Relabelling, app_id: str) -> StoreVersion | None:
    """Make the new labels a version of the store; None when older ones came in between."""
    noted: StoreVersion | None = None

    def plan(snapshot: Snapshot) -> Change | None:
        nonlocal noted
        noted = None
        # After the snapshot, as in every commit of a version.
        newest = newest_version(work.store.location)
        if _wanted(work, work.store.snapshot(MOTIONS.name)):
            return None
        last = resolve_version(work.store.location, snapshot.version)
        if (last.motions, last.datasets) == (newest.motions, newest.datasets):
            noted = last  # who did the same beside this was faster
            return None
        noted = replace(newest, videos=snapshot.version + 1)
        return Change(VIDEOS.schema.empty_table(), notes={VERSIONS_NOTE: noted.by_table()})

    commit_change(work.store, VIDEOS.name, work.dataset, app_id, plan)
    return noted


def _is_done(work: Relabelling) -> bool:
    """Whether the store's newest version, as `URL@N` opens it, has the recipe and its labels."""
    location = work.store.location
    pinned = Store(location, resolve_version(location).by_table())
    noted = Store(location, resolve_version(location, pinned.pinned[VIDEOS.name]).by_table())
    return all(
        recipe_id(view, work.dataset) == work.recipe.recipe_id
        and not _older(work, view, view.snapshot(MOTIONS.name)).num_rows
        for view in (pinned, noted)
    )


def _missing(work: Relabelling, motions: Snapshot) -> dict[str, str]:
    there = work.staged.files()
    return {name: path for name, path in _wanted(work, motions).items() if name not in there}


def _wanted(work: Relabelling, motions: Snapshot) -> dict[str, str]:
    """The motions that the table still has with an older label: id -> data file.

    Raises:
        RecipeMismatch: Some have a label that was not there when the work began.
    """
    old = _older(work, work.store, motions)
    rivals = set(old.column("recipe_id").to_pylist()) - work.replaceable
    if rivals:
        raise RecipeMismatch(
            f"dataset '{work.dataset}' in {motions.location} was labelled anew by somebody else "
            "meanwhile: look at it, and run the same command again"
        )
    names, paths = (old.column(name).to_pylist() for name in ("motion_id", "path"))
    return dict(zip(names, paths, strict=True))


def _older(work: Relabelling, store: Store, motions: Snapshot) -> pa.Table:
    """Facts of the motions with another recipe than the new one.

    Motions of videos that are not done stay as they are: whoever finishes the video replaces them.
    """
    rows = _facts(motions, work.dataset)
    done = pa.array(sorted(known_hashes(store, work.dataset)), pa.string())
    visible = rows.filter(pc.is_in(rows.column("video_hash"), value_set=done))
    if not work.label_2d_only:
        visible = visible.filter(pc.field("labelled"))
    return visible.filter(pc.field("recipe_id") != work.recipe.recipe_id)


def _facts(motions: Snapshot, dataset: str) -> pa.Table:
    """What is asked of every row, without its arrays; `labelled`: it has 3D, `path`: its file."""
    columns = [*_FACTS, "joints3d_shape", FILE_NAME]
    rows = motions.read(pc.field("dataset") == dataset, columns)
    labelled, paths = pc.is_valid(rows.column("joints3d_shape")), rows.column(FILE_NAME)
    return rows.select(_FACTS).append_column("labelled", labelled).append_column("path", paths)


def _actions(work: Relabelling, motions: Snapshot) -> list[AddAction | RemoveAction]:
    """Log entries that give every motion its new label, as far as they are kept aside."""
    staged = work.staged.files()
    by_file: dict[str, dict[str, str]] = {}
    for name, path in _wanted(work, motions).items():
        if name in staged:
            by_file.setdefault(path, {})[name] = staged[name]
    actions: list[AddAction | RemoveAction] = []
    for path, here in sorted(by_file.items()):
        new = _rewritten(work, motions, path, here)
        actions += [remove_data_file(MOTIONS, motions.files[path]), new]
    return actions


def _rewritten(
    work: Relabelling, motions: Snapshot, path: str, staged: Mapping[str, str]
) -> AddAction:
    """A data file like another one, but for the labels of some motions; written once."""
    known = (path, frozenset(staged))
    if known not in work._prepared:
        rows = motions.read(paths=[path])
        mine = pc.is_in(rows.column("motion_id"), value_set=pa.array(sorted(staged)))
        changed = _with_labels(rows.filter(mine), work.staged.read(sorted(set(staged.values()))))
        order = [(name, "ascending") for name in MOTIONS.key]
        merged = pa.concat_tables([rows.filter(pc.invert(mine)), changed]).sort_by(order)
        name = f"relabel-{work.recipe.recipe_id}"
        work._prepared[known] = write_data_file(work.store.location, MOTIONS, merged, name)
    return work._prepared[known]


def _with_labels(rows: pa.Table, labels: pa.Table) -> pa.Table:
    places = pc.index_in(rows.column("motion_id"), value_set=labels.column("motion_id"))
    ordered = labels.take(places)
    for name in LABEL:
        index = rows.column_names.index(name)
        rows = rows.set_column(index, rows.schema.field(index), ordered.column(name))
    return rows
