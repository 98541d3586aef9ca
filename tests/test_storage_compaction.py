"""Merging files changes where rows lie and nothing else."""

from pathlib import Path

import pytest
import storage_shards as samples

from flows.compact import run_compact
from flows.training_sets import open_training_set
from storage import compaction
from storage.catalog import count_rows, get_motion
from storage.compaction import compact
from storage.opened import FOLDER
from storage.recipes import register_recipe
from storage.rows import motion_id
from storage.schemas import MOTIONS, TRACKS, VIDEOS
from storage.shards import commit_shard, known_hashes
from storage.store import Store, create_store, open_store
from storage.versions import resolve_version, store_history

COUNT = 5


@pytest.fixture
def store(tmp_path: Path) -> Store:
    made = create_store(tmp_path / "store")
    register_recipe(made, "demo", samples.RECIPE)
    for number in range(COUNT):
        commit_shard(made, samples.shard([number]))
    return made


def test_files_become_one_and_rows_stay(store: Store, tmp_path: Path) -> None:
    report = {line.table: line for line in compact(store, "demo", fewest=2)}
    assert report["videos"].files_before == COUNT
    assert all(line.files_after == 1 for line in report.values())
    samples.assert_same_store(store, samples.unbroken(tmp_path / "one", range(COUNT)))
    assert known_hashes(store, "demo") == {samples.video_hash(n) for n in range(COUNT)}
    assert get_motion(store, motion_id("demo", samples.video_hash(3), 0, 0)).track is not None
    before = store.snapshot("motions").version
    compact(store, "demo", fewest=2)
    assert store.snapshot("motions").version == before, "there was nothing left to merge"


def test_few_files_are_left_alone(store: Store) -> None:
    for line in compact(store, "demo", fewest=50):
        assert line.files_after == line.files_before > 1


def test_versions_from_before_and_after_can_be_read(store: Store) -> None:
    compact(store, "demo", fewest=2)
    commit_shard(store, samples.shard([COUNT]))
    for number in (1, COUNT, COUNT + 1, COUNT + 2):
        counted = count_rows(open_store(f"{store.location.root}@{number}"))
        # Version COUNT + 1 is the merge: the same rows as the version before.
        assert counted.videos == number - (number > COUNT)
    assert resolve_version(store.location, COUNT + 1).tracks <= store.snapshot("tracks").version
    assert COUNT + 1 not in [entry.version.videos for entry in store_history(store.location)]


def test_ingest_goes_on_after_a_merge(store: Store, tmp_path: Path) -> None:
    compact(store, "demo", fewest=2)
    assert commit_shard(store, samples.shard(range(COUNT))).is_no_op
    commit_shard(store, samples.shard(range(COUNT - 2, COUNT + 3)))
    samples.assert_same_store(store, samples.unbroken(tmp_path / "one", range(COUNT + 3)))


def test_leftovers_inside_a_merged_file_are_replaced(store: Store, tmp_path: Path) -> None:
    from storage import shards

    half = samples.shard([20, 21], noise=1.0)
    for spec in (TRACKS, MOTIONS):
        shards._commit_parts(store, half, spec, shards._stamped_rows(half, spec))
    compact(store, "demo", fewest=2)
    assert commit_shard(store, samples.shard([20])).replaced == 2
    commit_shard(store, samples.shard([21]))
    one = samples.unbroken(tmp_path / "one", [*range(COUNT), 20, 21])
    samples.assert_same_store(store, one)


def test_a_rival_during_a_merge_loses_nothing(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    really_write, rivals = compaction.write_log, iter([30, 31, 32])

    def write_after_a_rival(snapshot, *arguments):  # type: ignore[no-untyped-def]
        number = next(rivals, None)
        if number is not None:
            unlocked = open_store(store.location.root, locking=False)
            commit_shard(unlocked, samples.shard([number]))
        really_write(snapshot, *arguments)

    monkeypatch.setattr(compaction, "write_log", write_after_a_rival)
    compact(store, "demo", fewest=2)
    one = samples.unbroken(tmp_path / "one", [*range(COUNT), 30, 31, 32])
    samples.assert_same_store(store, one)
    assert len(store.snapshot("videos").files) == 1


def test_groups_take_small_files_only_up_to_a_merged_file() -> None:
    from storage.snapshot import DataFile

    sizes = [compaction.SMALL_BYTES, 10, 3 * compaction.SMALL_BYTES // 4] + [20] * 3
    sizes += [3 * compaction.SMALL_BYTES // 4] * 4
    files = [DataFile(f"f{k}", size, "demo") for k, size in enumerate(sizes)]
    group = compaction._next_group(files)
    assert [file.size for file in group[:4]] == [10, 20, 20, 20]
    assert max(file.size for file in group) < compaction.SMALL_BYTES
    assert len(group) == 4 + 3


def test_key_columns_are_in_order_over_the_merged_file(store: Store) -> None:
    compact(store, "demo", fewest=2)
    for spec in (VIDEOS, TRACKS, MOTIONS):
        rows = samples.stored(store, spec.name).select(list(spec.key)).to_pylist()
        keys = [tuple(row.values()) for row in rows]
        assert keys == sorted(keys)


def test_what_a_training_decoded_of_the_small_files_goes_with_them(store: Store) -> None:
    open_training_set(store.location.root, ("train",))
    decoded = store.location.path / FOLDER
    assert len(list(decoded.rglob("*.arrow"))) == COUNT - 1, "one video failed"
    run_compact(store.location.root, 2)
    assert not list(decoded.rglob("*.arrow"))
    open_training_set(f"{store.location.root}@1", ("train", "test"))
