"""Listings, counts, single motions, and old versions of all of them."""

from pathlib import Path

import numpy as np
import pytest
import storage_shards as samples

from storage.catalog import connect, count_rows, get_motion, list_motions, list_videos
from storage.rows import motion_id
from storage.shards import commit_shard, known_hashes
from storage.store import Store, open_store, open_table
from storage.versions import StoreVersion, newest_version, resolve_version, store_history

SHARDS = (range(4), range(4, 10), range(10, 13))


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    made = samples.unbroken(tmp_path_factory.mktemp("store"), SHARDS[0])
    for numbers in SHARDS[1:]:
        commit_shard(made, samples.shard(numbers))
    return open_store(made.location.root)


def test_videos_are_listed_by_what_they_are(store: Store) -> None:
    assert list_videos(store).num_rows == 13
    failed = list_videos(store, status="failed")
    assert failed.column("reason").to_pylist() == ["no_person", "no_person"]
    assert list_videos(store, reason="no_moov").num_rows == 0
    assert list_videos(store, reason="no_person", action="YoYo").num_rows == 1
    assert list_videos(store, dataset="another").num_rows == 0
    assert list_videos(store, limit=3).num_rows == 3
    names = list_videos(store).column("name").to_pylist()
    assert names == sorted(names)


def test_motions_are_listed_without_their_arrays(store: Store) -> None:
    everything = list_motions(store)
    assert everything.num_rows == 11
    assert "joints3d" not in everything.column_names
    assert "quality_coverage" in everything.column_names
    expected = {samples.motion_row(n).motion_id for n in range(13) if n % 2 and n % 3 and n % 5 < 4}
    listed = list_motions(store, action="YoYo", split="train")
    assert set(listed.column("motion_id").to_pylist()) == expected


def test_a_filter_value_is_a_value_and_never_sql(store: Store) -> None:
    assert list_videos(store, action="YoYo' OR '1'='1").num_rows == 0


def test_counts_add_up(store: Store) -> None:
    counts = count_rows(store)
    assert counts.videos == 13
    assert counts.videos_by_status == {"ok": 11, "failed": 2}
    assert counts.failures_by_reason == {"no_person": 2}
    assert counts.motions == sum(counts.motions_by_action.values()) == 11
    assert counts.motion_frames == sum(16 + n % 5 for n in range(13) if n % 5 < 4)
    assert count_rows(store, "another").videos == 0


def test_one_motion_comes_with_its_track_and_video(store: Store) -> None:
    record = get_motion(store, motion_id("demo", samples.video_hash(5), 0, 0))
    expected = samples.motion_row(5)
    np.testing.assert_array_equal(record.motion.joints3d, expected.joints3d)
    np.testing.assert_array_equal(record.motion.joint_mask, expected.joint_mask)
    assert record.track is not None
    np.testing.assert_array_equal(record.track.joints, samples.track_row(5, 0).joints)
    assert record.video is not None
    assert record.video.name == samples.video_row(5).name


def test_any_sql_runs_over_the_views(store: Store) -> None:
    with connect(store) as connection:
        rows = connection.sql(
            'SELECT v."group", count(*) FROM motions m JOIN videos v USING (dataset, video_hash) '
            "JOIN tracks t USING (dataset, video_hash) WHERE t.chosen GROUP BY 1"
        ).fetchall()
    assert rows == [("g01", 11)]


@pytest.mark.parametrize("number", range(4))
def test_every_version_shows_what_was_there_then(store: Store, number: int) -> None:
    then = open_store(f"{store.location.root}@{number}")
    numbers = [n for numbers in SHARDS[:number] for n in numbers]
    counts = count_rows(then)
    assert counts.videos == len(numbers)
    assert counts.motions == sum(not samples.is_failed(n) for n in numbers)
    assert known_hashes(then, "demo") == {samples.video_hash(n) for n in numbers}
    assert open_table(then, "videos").version() == number
    resolved = resolve_version(store.location, number)
    assert resolved == StoreVersion(number, number, number)


def test_a_version_is_one_consistent_state_whatever_is_half_done(tmp_path: Path) -> None:
    from storage import shards
    from storage.schemas import MOTIONS, TRACKS

    store = samples.unbroken(tmp_path, [0])
    half = samples.shard([1])
    for spec in (TRACKS, MOTIONS):
        shards._commit_parts(store, half, spec, shards._stamped_rows(half, spec))
    commit_shard(store, samples.shard([2]))
    commit_shard(store, samples.shard([1], noise=1.0))  # replaces what was half done
    assert resolve_version(store.location, 2) == StoreVersion(2, 3, 3)
    assert newest_version(store.location) == StoreVersion(3, 4, 4)
    then = open_store(f"{tmp_path}@2")
    hashes = set(list_motions(then).column("video_hash").to_pylist())
    assert hashes == {samples.video_hash(n) for n in (0, 2)}
    # The replaced row is still what version 2's tables held, and the newest has the new one.
    old = then.snapshot("motions").read()
    assert old.num_rows == samples.stored(store, "motions").num_rows == 3


def test_history_lists_the_versions_newest_first(store: Store) -> None:
    entries = store_history(store.location)
    assert [entry.version.videos for entry in entries] == [3, 2, 1, 0]
    times = [entry.committed_at for entry in entries]
    assert times == sorted(times, reverse=True)
    for entry in entries:
        assert entry.version == resolve_version(store.location, entry.version.videos)


def test_old_versions_survive_checkpoints_and_upkeep(tmp_path: Path) -> None:
    store = samples.unbroken(tmp_path, [0])
    for name in ("videos", "tracks", "motions"):
        table = open_table(store, name)
        table.create_checkpoint()
        table.cleanup_metadata()
        table.vacuum(dry_run=False)
    commit_shard(store, samples.shard([1]))
    assert count_rows(open_store(f"{tmp_path}@1")).motions == 1
    assert count_rows(open_store(f"{tmp_path}@0")).motions == 0
    assert count_rows(store).motions == 2
