"""Storing training motions: from a reader's items to rows, a shard a commit, each exactly once."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

from flows.prepare_report import NEEDED_SPLITS, PrepareReport, Tally
from flows.prepare_rows import motion_row
from flows.progress import counter, say
from models.data.motion import Motion
from models.data.prepared import PreparedMotion, prepare_motion
from models.text.text_encoder import TextEncoder
from pipeline.arrays import Float32
from pipeline.rejects import Reject
from pipeline.skeletons import Skeleton
from pipeline.stopwatch import Stopwatch
from storage.known_motions import foreign_motions, known_motions, name_of_shard
from storage.lineage import MOTION_CAPTURE, Lineage, Recipe, make_lineage
from storage.opened import forget_replaced, opened_motions
from storage.recipes import recipe_id, register_recipe
from storage.rows import ShardRows, check_name
from storage.schemas import MOTIONS
from storage.shards import commit_shard
from storage.statistics import store_moments, stored_splits
from storage.store import Store, create_store

SHARD_MOTIONS = 256
"""Motions in a commit: a file of some 60 MB, and a few seconds of work lost to a kill."""


def store_motions(
    items: Iterable[Motion | Reject],
    url: str,
    dataset: str,
    *,
    encoder: TextEncoder,
    skeleton: Skeleton,
    config: Mapping[str, Any],
    total: int | None = None,
) -> PrepareReport:
    """Store motions with features, views, embeddings and statistics.

    Safe to interrupt and to repeat: a motion that is stored is left alone. Motions are committed
    as they come, so `items` may be a generator over any amount.

    Args:
        items: From a reader. A motion that cannot be used becomes a reject like a reader's own.
        url: The store.
        dataset: Name of the data set.
        encoder: Embeds the captions, each distinct sentence once.
        skeleton: Of all the motions.
        config: The reader and its options, as far as the numbers depend on them.
        total: How many items come, for the progress bar.

    Returns:
        Counts and named rejects.

    Raises:
        ValueError: There is no item at all, or the data set's name cannot be used.
        StoreError: The store cannot be used, or the data set has another recipe.
    """
    check_name("--dataset", dataset)
    watch, store = Stopwatch(), create_store(url)
    recipe = Recipe(
        estimator_id=MOTION_CAPTURE,
        checkpoint_id=None,
        config={**config, "skeleton": skeleton.name, "text_encoder": encoder.encoder_id},
    )
    if recipe_id(store, dataset) is not None:
        register_recipe(store, dataset, recipe)  # refuses another recipe before any work is done
    writer = _Writer(store, dataset, encoder, recipe, make_lineage(recipe, recipe.config))
    tally = Tally(known_motions(store, dataset), foreign_motions(store, dataset))
    # A reader that refuses its folder does so before the data set is bound to a recipe.
    begun = _begun(items, dataset)
    with counter(total, f"prepare {dataset}", "motion") as bar:
        for item in begun:
            prepared = _prepared(item, tally, skeleton)
            if prepared is not None:
                writer.add(prepared)
            bar.update()
    writer.flush()
    return _finished(store, dataset, skeleton, encoder, tally, writer, watch)


def _begun(items: Iterable[Motion | Reject], dataset: str) -> Iterator[Motion | Reject]:
    rest = iter(items)
    first = next(rest, None)
    if first is None:
        raise ValueError(f"there is no motion to prepare for data set '{dataset}'")
    return chain([first], rest)


def _prepared(item: Motion | Reject, tally: Tally, skeleton: Skeleton) -> PreparedMotion | None:
    """The item ready to be stored; None when it is stored already or a reject."""
    if isinstance(item, Reject):
        tally.reject(item)
        return None
    if not tally.is_new(item):
        return None
    try:
        prepared = prepare_motion(item, skeleton)
    except ValueError as error:
        tally.reject(Reject(item.motion_id, str(error)))
        return None
    tally.count(item)
    return prepared


def _finished(
    store: Store,
    dataset: str,
    skeleton: Skeleton,
    encoder: TextEncoder,
    tally: Tally,
    writer: "_Writer",
    watch: Stopwatch,
) -> PrepareReport:
    """Measure the training split, and lay its motions open for the first training."""
    in_train = 0
    if tally.any_stored:
        say(f"{dataset}: measuring the training split")
        in_train = store_moments(store, dataset, skeleton.name)
        if store.location.is_local:
            opened_motions(store, store.snapshot(MOTIONS.name), [dataset])
            forget_replaced(store)
    there = stored_splits(store, dataset)
    return PrepareReport(
        store=str(store.location),
        dataset=dataset,
        motions=tally.stored_now,
        known=tally.known_again,
        in_store=tally.in_store,
        by_split=dict(tally.by_split),
        mirrored=tally.mirrored,
        without_caption=tally.without_caption,
        empty_splits=tuple(split for split in NEEDED_SPLITS if split not in there),
        statistics_of=in_train,
        captions=writer.sentences,
        text_encoder=encoder.encoder_id,
        rejected=tally.rejected,
        seconds=watch.seconds,
    )


@dataclass
class _Writer:
    """Collects motions and commits a shard of them at a time."""

    store: Store
    dataset: str
    encoder: TextEncoder
    recipe: Recipe
    lineage: Lineage
    _waiting: list[PreparedMotion] = field(default_factory=list)
    _vectors: dict[str, Float32] = field(default_factory=dict)

    @property
    def sentences(self) -> int:
        """Distinct sentences that were embedded."""
        return len(self._vectors)

    def add(self, motion: PreparedMotion) -> None:
        """Take one motion; commit when a shard is full."""
        self._waiting.append(motion)
        if len(self._waiting) == SHARD_MOTIONS:
            self.flush()

    def flush(self) -> None:
        """Commit what waits, if anything does."""
        if not self._waiting:
            return
        register_recipe(self.store, self.dataset, self.recipe)
        self._embed()
        rows = [
            motion_row(motion, self.dataset, self._vectors, self.encoder.encoder_id, self.lineage)
            for motion in self._waiting
        ]
        name = name_of_shard([row.motion_id for row in rows])
        shard = ShardRows(self.dataset, name, self.recipe.recipe_id, motions=rows)
        commit_shard(self.store, shard)
        self._waiting.clear()

    def _embed(self) -> None:
        wanted = {text for motion in self._waiting for text in motion.motion.captions}
        new = sorted(wanted.difference(self._vectors))
        if new:
            self._vectors.update(zip(new, self.encoder.encode(new), strict=True))
