"""A shard's rows occur once, whatever is repeated, regrouped or left over."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import storage_shards as samples
from deltalake import DeltaTable

from storage.catalog import count_rows, get_motion, list_motions
from storage.errors import RecipeMismatch, StoreError, UnknownMotion
from storage.lineage import Recipe
from storage.location import StoreLocation
from storage.recipes import register_recipe
from storage.rows import ShardRows, motion_id
from storage.schemas import MOTIONS, TABLES, TRACKS, VIDEOS
from storage.shards import commit_shard, known_hashes
from storage.store import Store, create_store, open_store, open_table
from storage.versions import StoreVersion, resolve_version


@pytest.fixture
def store(tmp_path: Path) -> Store:
    made = create_store(tmp_path / "store")
    register_recipe(made, "demo", samples.RECIPE)
    return made


def versions(store: Store) -> dict[str, int]:
    return {name: open_table(store, name).version() for name in TABLES}


def leave_behind(store: Store, shard: ShardRows, *tables: str) -> None:
    """What a run leaves that dies before the videos are committed."""
    from storage import shards

    for spec in (TRACKS, MOTIONS):
        if spec.name in tables:
            shards._commit_parts(store, shard, spec, shards._stamped_rows(shard, spec))


def test_a_shard_brings_its_rows_and_reports_them(store: Store) -> None:
    report = commit_shard(store, samples.shard(range(5)))
    assert (report.videos, report.tracks, report.motions) == (5, 6, 4)
    assert report.attempts == 3
    assert samples.stored(store, "videos").num_rows == 5
    assert known_hashes(store, "demo") == {samples.video_hash(n) for n in range(5)}
    assert known_hashes(store, "another") == frozenset()


def test_a_repeated_shard_changes_nothing(store: Store) -> None:
    commit_shard(store, samples.shard(range(5)))
    before = versions(store)
    report = commit_shard(store, samples.shard(range(5)))
    assert report.is_no_op
    assert report.known_videos == 5
    assert versions(store) == before


def test_regrouped_shards_add_only_what_is_new(store: Store, tmp_path: Path) -> None:
    commit_shard(store, samples.shard(range(4)))
    report = commit_shard(store, samples.shard(range(2, 7)))
    assert (report.videos, report.known_videos) == (3, 2)
    samples.assert_keys_once(store)
    samples.assert_same_store(store, samples.unbroken(tmp_path / "unbroken", range(7)))


def test_every_commit_names_its_transaction(store: Store) -> None:
    shard = samples.shard([0, 1])
    commit_shard(store, shard)
    for name in ("tracks", "motions", "videos"):
        app_id = f"crossdiff/demo/{shard.shard_id}"
        assert open_table(store, name).transaction_version(app_id) == 1


@pytest.mark.parametrize("left", [("tracks",), ("tracks", "motions")])
def test_leftovers_with_equal_content_are_completed(
    store: Store, tmp_path: Path, left: tuple[str, ...]
) -> None:
    leave_behind(store, samples.shard(range(4)), *left)
    report = commit_shard(store, samples.shard(range(1, 6)))
    assert report.replaced == 0
    commit_shard(store, samples.shard([0]))
    samples.assert_same_store(store, samples.unbroken(tmp_path / "unbroken", range(6)))


@pytest.mark.parametrize("left", [("tracks",), ("tracks", "motions")])
def test_leftovers_with_other_content_are_replaced(
    store: Store, tmp_path: Path, left: tuple[str, ...]
) -> None:
    leave_behind(store, samples.shard(range(4), noise=1.0), *left)
    report = commit_shard(store, samples.shard(range(2)))
    assert report.replaced == 2 * len(left)
    samples.assert_keys_once(store)
    # Files of the leftovers also held videos 2 and 3: those stay until their own turn.
    assert samples.stored(store, "tracks").num_rows == 6
    commit_shard(store, samples.shard(range(2, 4)))
    samples.assert_same_store(store, samples.unbroken(tmp_path / "unbroken", range(4)))


def test_leftovers_that_the_rerun_does_not_make_are_removed(store: Store) -> None:
    leave_behind(store, samples.shard([1]), "tracks", "motions")
    video = replace(
        samples.video_row(1), status="failed", reason="no_person", detail="none", motions=0
    )
    commit_shard(store, replace(samples.shard([]), videos=[video]))
    assert samples.stored(store, "tracks").num_rows == 0
    assert samples.stored(store, "motions").num_rows == 0
    assert samples.stored(store, "videos").num_rows == 1


def test_done_videos_are_never_touched_again(store: Store) -> None:
    commit_shard(store, samples.shard([0, 1]))
    before = versions(store)
    report = commit_shard(store, samples.shard([0, 1], noise=1.0))
    assert report.is_no_op
    assert versions(store) == before


def test_half_committed_motions_do_not_show(store: Store) -> None:
    commit_shard(store, samples.shard([0]))
    leave_behind(store, samples.shard([1]), "tracks", "motions")
    assert samples.stored(store, "motions").num_rows == 2
    assert list_motions(store).column("video_hash").to_pylist() == [samples.video_hash(0)]
    assert count_rows(store).tracks == 1
    with pytest.raises(UnknownMotion, match="not complete"):
        get_motion(store, motion_id("demo", samples.video_hash(1), 0, 0))


def test_motions_without_a_video_are_committed_once(store: Store) -> None:
    mocap = replace(
        samples.motion_row(1),
        motion_id="demo-walk-01",
        source_kind="mocap",
        video_hash=None,
        shot=None,
        track=None,
    )
    shard = replace(samples.shard([]), motions=[mocap])
    report = commit_shard(store, shard)
    assert (report.motions, report.version.videos) == (1, 1)
    assert commit_shard(store, shard).is_no_op
    assert versions(store)["videos"] == 1
    assert list_motions(store, source_kind="mocap").num_rows == 1
    record = get_motion(store, "demo-walk-01")
    assert record.video is None
    assert open_store(f"{store.location.root}@1").pinned["motions"] == 1


def test_two_data_sets_hold_the_same_video_apart(store: Store) -> None:
    register_recipe(store, "second", samples.RECIPE)
    commit_shard(store, samples.shard([0], "demo"))
    report = commit_shard(store, samples.shard([0], "second"))
    assert report.videos == 1
    assert count_rows(store).motions_by_dataset == {"demo": 1, "second": 1}


def test_another_recipe_is_refused_and_the_difference_is_named(store: Store) -> None:
    other = Recipe("rtmpose-m", "crossdiff-small", {"normalise": {"max_gap_s": 0.25}})
    with pytest.raises(RecipeMismatch) as refused:
        register_recipe(store, "demo", other)
    sentence = str(refused.value)
    assert 'estimator_id was "mediapipe-0.10.21" and is now "rtmpose-m"' in sentence
    assert "config.normalise.max_gap_s was 0.5 and is now 0.25" in sentence
    assert "checkpoint_id" not in sentence
    assert "--dataset" in sentence
    assert register_recipe(store, "demo", samples.RECIPE) == samples.RECIPE.recipe_id
    assert register_recipe(store, "demo-rtmpose", other) == other.recipe_id


def test_rows_of_a_data_set_that_was_not_begun_are_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="not begun"):
        commit_shard(create_store(tmp_path / "store"), samples.shard([0]))


def test_a_lost_turn_is_taken_again_and_adds_no_second_file(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another writer commits between the decision and the commit, on each of the three tables."""
    from storage import commit

    really_write, interrupted = commit.write_log, set()

    def write_after_a_rival(snapshot, *arguments):  # type: ignore[no-untyped-def]
        name = snapshot.spec.name
        if name not in interrupted:
            interrupted.add(name)
            commit_shard(replace(store, locking=False), samples.shard([len(interrupted)]))
        really_write(snapshot, *arguments)

    monkeypatch.setattr(commit, "write_log", write_after_a_rival)
    report = commit_shard(store, samples.shard(range(1, 4)))
    assert interrupted == {"tracks", "motions", "videos"}
    samples.assert_keys_once(store)
    assert report.attempts > 3
    assert known_hashes(store, "demo") == {samples.video_hash(n) for n in (1, 2, 3)}


def test_a_writer_that_waits_too_long_says_so(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storage.store.LOCK_TIMEOUT_S", 0.1)
    with store.exclusive(), pytest.raises(StoreError, match="keeps writing to"):
        commit_shard(open_store(store.location.root), samples.shard([0]))
    assert commit_shard(store, samples.shard([0])).videos == 1


def test_versions_are_kept_for_good(store: Store) -> None:
    for name in ("videos", "tracks", "motions"):
        properties = open_table(store, name).metadata().configuration
        assert properties["delta.enableExpiredLogCleanup"] == "false"
        assert "36500" in properties["delta.deletedFileRetentionDuration"]


def test_an_older_table_gets_the_new_columns(tmp_path: Path) -> None:
    whole = samples.unbroken(tmp_path / "store", [0])
    older = tmp_path / "older"
    spec = MOTIONS.schema
    fewer = spec.remove(spec.get_field_index("quality_jitter"))
    older.mkdir()
    DeltaTable.create(older / "motions", fewer, partition_by=["dataset"])
    upgraded = create_store(older)
    register_recipe(upgraded, "demo", samples.RECIPE)
    commit_shard(upgraded, samples.shard([0]))
    samples.assert_same_store(whole, upgraded)
    before = open_table(upgraded, "motions", 0).schema().to_arrow()
    assert "quality_jitter" not in before.names
    assert upgraded.snapshot("motions", 0).read().num_rows == 0


def test_the_log_notes_the_versions_of_the_other_tables(store: Store) -> None:
    commit_shard(store, samples.shard([0]))
    log = store.location.path / VIDEOS.name / "_delta_log" / f"{1:020d}.json"
    info = json.loads(log.read_text().splitlines()[0])["commitInfo"]
    assert info["crossdiff"]["versions"] == {"videos": 1, "tracks": 1, "motions": 1, "datasets": 1}


def test_the_way_to_a_bucket_works_too(store: Store, tmp_path: Path) -> None:
    """No bucket is reachable from a test; a file URL taken as remote goes the same way.

    Without the lock, reading and writing through the table library's own object store.
    """
    remote = Store(StoreLocation(f"file://{store.location.root}"))
    assert not remote.location.is_local
    commit_shard(remote, samples.shard(range(3)))
    commit_shard(remote, samples.shard(range(2, 5)))
    assert known_hashes(remote, "demo") == {samples.video_hash(n) for n in range(5)}
    assert count_rows(remote).motions == 4
    record = get_motion(remote, motion_id("demo", samples.video_hash(1), 0, 0))
    assert record.motion.n_frames == 17
    assert resolve_version(remote.location, 1) == StoreVersion(1, 1, 1)
    samples.assert_same_store(store, samples.unbroken(tmp_path / "unbroken", range(5)))
