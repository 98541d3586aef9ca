"""Opening a training set: from a store's URL to motions in memory, nothing computed again."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa

from models.data.motion_files import read_tables, write_motions
from models.data.motion_tables import Motions, motions_of
from models.data.table_facts import joint_sets, text_encoder, text_width, train_keys
from models.data.training_data import MotionBank, build_bank, training_statistics
from pipeline.normalisation import Statistics, grouped_statistics, merge_moments
from pipeline.skeletons import SKELETONS, Skeleton
from storage.lineage import MOTION_CAPTURE, code_version
from storage.location import locate
from storage.opened import opened_motions
from storage.recipes import all_recipes
from storage.schemas import MOTIONS, VIDEOS
from storage.snapshot import Snapshot
from storage.statistics import TRAIN, SplitMoments, split_hash, stored_moments
from storage.store import Store, open_store


@dataclass(frozen=True)
class TrainingSet:
    """Motions of one skeleton whose captions one encoder embedded. Arrays may be read-only."""

    motions: dict[str, Motions]
    """The asked splits, by motion id; one is empty when the split has no motion."""
    skeleton: Skeleton
    text_encoder: str
    """Id of the encoder of the embeddings; empty when no motion has any."""
    text_dim: int
    """Width of an embedding; 0 when no motion has any."""
    lineage: dict[str, Any]
    """What a checkpoint says about its data: store, version, data sets, recipes, counts."""
    tables: list[pa.Table] = field(repr=False)
    moments: list[SplitMoments] | None = field(repr=False, default=None)
    """Of each data set; None when they were never measured."""

    @cached_property
    def statistics(self) -> Statistics:
        """What z-normalises, from the training split: as measured by `prepare`, else measured now.

        Raises:
            ValueError: The training split is empty.
        """
        if self.moments:
            return grouped_statistics(
                merge_moments(part.features3 for part in self.moments),
                merge_moments(part.features2 for part in self.moments),
                self.skeleton,
            )
        return training_statistics(motions_of(self.tables, (TRAIN,)), self.skeleton)

    def refuse_unknown_joints(self) -> None:
        """Training takes every joint of a motion for true.

        Raises:
            ValueError: Motions with joints that nobody saw, or that have 2D alone.
        """
        motions = (motion for part in self.motions.values() for motion in part)
        guessed = [motion.motion_id for motion in motions if not motion.wholly_known]
        if guessed:
            raise ValueError(
                f"{self.lineage['data']} holds {len(guessed)} motions with joints that were not "
                f"seen or without 3D, {guessed[0]} first: choose data sets of motion capture with "
                "--datasets"
            )

    def bank(self, split: str) -> MotionBank:
        """The motions of one split as padded tensors.

        Raises:
            ValueError: The split is empty.
        """
        if not self.motions[split]:
            raise ValueError(f"{self.lineage['data']} has no motion in its {split} split")
        return build_bank(self.motions[split], self.text_dim, self.skeleton)


def open_training_set(
    url: str | Path, splits: Sequence[str] = (TRAIN, "val"), datasets: Sequence[str] = ()
) -> TrainingSet:
    """Open a store's motions, or a plain file of motions, for training or evaluation.

    Args:
        url: A store (`URL` or `URL@version`), or a Parquet file (or folder of such) of motions.
        splits: Which of train, val and test.
        datasets: Names of data sets; none: all motion capture, or else all that there is.

    Raises:
        ValueError: Nothing there to train on, or data sets that cannot be mixed.
        StoreError: The store cannot be read.
    """
    plain = _plain_file(url)
    if plain is not None:
        if datasets:
            raise ValueError(f"{url} is a plain file of motions: it has no data sets to choose")
        lineage: dict[str, Any] = {"data": str(url), "store": None, "version": None, "datasets": []}
        return _training_set(str(url), read_tables(plain), splits, lineage)
    return _from_store(url, splits, datasets)


def save_motions(training_set: TrainingSet, path: Path, *, features: bool = True) -> None:
    """Write the opened splits as one plain Parquet file, for a machine that has no store."""
    training_set.refuse_unknown_joints()
    motions = [motion for part in training_set.motions.values() for motion in part]
    write_motions(motions, path, training_set.text_encoder, features=features)


def _plain_file(url: str | Path) -> Path | None:
    location = locate(url)
    if not location.is_local or (location.path / VIDEOS.name).is_dir():
        return None
    path = location.path
    return path if path.is_file() or any(path.glob("*.parquet")) else None


def _from_store(url: str | Path, splits: Sequence[str], datasets: Sequence[str]) -> TrainingSet:
    location = locate(url)
    if location.is_local and location.path.is_dir() and not (location.path / VIDEOS.name).is_dir():
        raise ValueError(f"no training set at {url}: fill a store there with `crossdiff prepare`")
    store = open_store(url)
    # videos first, as every reader of a store does: the motions are then never too old for them.
    version = store.snapshot(VIDEOS.name).version
    motions, recipes = store.snapshot(MOTIONS.name), all_recipes(store)
    names = _chosen(str(url), motions, recipes, datasets)
    tables = opened_motions(store, motions, names)
    lineage = {
        "data": str(url),
        "store": store.location.root,
        "version": version,
        "table_version": motions.version,
        "datasets": names,
        "recipes": {name: recipes[name] for name in names if name in recipes},
        "code_version": code_version(),
    }
    return _training_set(str(url), tables, splits, lineage, _moments(store, tables))


def _chosen(
    url: str, motions: Snapshot, recipes: dict[str, dict[str, Any]], datasets: Sequence[str]
) -> list[str]:
    there = {file.partition for file in motions.files.values()}
    if not there:
        raise ValueError(f"{url} holds no motions: fill it with `crossdiff prepare` or `ingest`")
    unknown = sorted(set(datasets).difference(there))
    if unknown:
        raise ValueError(
            f"{url} has no motions of data set {', '.join(unknown)}: it has "
            f"{', '.join(sorted(there))}"
        )
    captured = [
        name for name in there if recipes.get(name, {}).get("estimator_id") == MOTION_CAPTURE
    ]
    return sorted(set(datasets or captured or there))


def _moments(store: Store, tables: list[pa.Table]) -> list[SplitMoments] | None:
    """The stored moments of every data set that has training motions; None if one has none."""
    wanted = {dataset: split_hash(rows) for dataset, rows in train_keys(tables).items()}
    found = stored_moments(store, wanted)
    return list(found.values()) if found.keys() == wanted.keys() else None


def _training_set(
    url: str,
    tables: list[pa.Table],
    splits: Sequence[str],
    lineage: dict[str, Any],
    moments: list[SplitMoments] | None = None,
) -> TrainingSet:
    skeleton, encoder = _one_skeleton(url, tables), text_encoder(url, tables)
    found = {split: motions_of(tables, (split,)) for split in splits}
    counts = {split: len(part) for split, part in found.items()}
    facts = {**lineage, "motions": counts, "skeleton": skeleton.name, "text_encoder": encoder}
    return TrainingSet(found, skeleton, encoder, text_width(tables), facts, tables, moments)


def _one_skeleton(url: str, tables: list[pa.Table]) -> Skeleton:
    names = joint_sets(tables)
    if len(names) > 1:
        raise ValueError(
            f"{url} holds motions of {' and '.join(sorted(names))}, which cannot be trained on "
            "together: choose data sets of one skeleton with --datasets"
        )
    name = next(iter(names))
    if name not in SKELETONS:
        raise ValueError(f"{url} holds motions of the unknown skeleton '{name}'")
    return SKELETONS[name]
