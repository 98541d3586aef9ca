"""Labelling anew: one new version or none, whoever dies or writes beside; old versions stay."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import storage_shards as samples
from storage_racing import finish, race
from storage_relabeller import SHARD, begin, keep, recipe, relabel

from storage import fault
from storage.arrow_rows import from_arrow, same_content
from storage.catalog import list_motions, mean_reprojection
from storage.compaction import compact
from storage.decisions import Decision, current_decisions, record_decisions
from storage.errors import RecipeMismatch, StoreError
from storage.label_tracks import key_of, tracks_of
from storage.pending import motions_since
from storage.recipes import all_recipes, recipe_id, register_recipe
from storage.relabelling import commit_labels, missing_labels
from storage.rows import MotionRow, ShardRows
from storage.schemas import MOTIONS, TRACKS, VIDEOS
from storage.shards import commit_shard
from storage.staged_labels import FOLDER, StagedLabels
from storage.store import Store, open_store
from storage.versions import newest_version

HERE = Path(__file__).parent
COUNT = 6
"""Videos, of which one fails."""


@pytest.fixture(scope="module")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Two shards, hence two data files."""
    made = samples.unbroken(tmp_path_factory.mktemp("labelled") / "store", range(4))
    commit_shard(made, samples.shard(range(4, COUNT)))
    return made


@pytest.fixture
def store(labelled: Store, tmp_path: Path) -> Store:
    return copied(labelled, tmp_path / "store")


@pytest.fixture(scope="module")
def relabelled(labelled: Store, tmp_path_factory: pytest.TempPathFactory) -> Store:
    """What an undisturbed relabelling with number 1 makes."""
    made = copied(labelled, tmp_path_factory.mktemp("reference") / "store")
    relabel(made, 1)
    return made


class Died(BaseException):
    """Stands for SIGKILL where nothing on the way out could tidy up: nobody catches this."""


def die(monkeypatch: pytest.MonkeyPatch, point: str, nth: int = 1) -> None:
    """Let this process break off at a point; undo the patch to go on."""
    passed: list[str] = []

    def die_at(name: str) -> None:
        passed.append(name)
        if name == point and passed.count(name) == nth:
            raise Died

    monkeypatch.setattr(fault, "die_at", die_at)


def copied(store: Store, folder: Path) -> Store:
    """A store is its folder: nothing in it says where it lies."""
    shutil.copytree(store.location.path, folder)
    return open_store(folder)


def start(
    script: str, store: Store, *arguments: str, fault_at: str = ""
) -> subprocess.Popen[bytes]:
    command = [sys.executable, str(HERE / script), store.location.root, *arguments]
    pipe = subprocess.PIPE
    environment = {**os.environ, fault.VARIABLE: fault_at}
    return subprocess.Popen(command, env=environment, stdin=pipe, stdout=pipe, stderr=pipe)


def motions(store: Store) -> dict[str, MotionRow]:
    rows = from_arrow(store.snapshot(MOTIONS.name).read(), MotionRow)
    return {row.motion_id: row for row in rows}


def checkpoints(store: Store) -> tuple[set[str | None], str]:
    """Of the rows, and of the recipe."""
    rows = {row.lineage.checkpoint_id for row in motions(store).values()}
    return rows, all_recipes(store)["demo"]["checkpoint_id"]


def at(store: Store, version: int) -> Store:
    return open_store(f"{store.location.root}@{version}")


def only_2d(numbers: range) -> ShardRows:
    rows = samples.shard(numbers)
    bare = [
        replace(row, joints3d=None, features3d=None, feature_mask3d=None) for row in rows.motions
    ]
    return replace(rows, motions=bare)


def test_labels_are_replaced_and_all_else_stays(store: Store) -> None:
    before, version = motions(store), newest_version(store.location).videos
    report = relabel(store, 1)
    assert report is not None
    assert (report.motions, report.version.videos) == (5, version + 1)
    after = motions(store)
    assert after.keys() == before.keys()
    for name, old in before.items():
        new = after[name]
        assert new.joints3d is not None and new.features3d is not None
        assert (new.features3d == 1).all() and (new.joints3d == 1 + old.view2d[0, 0, 0]).all()
        assert new.quality_reprojection_error == pytest.approx(0.1)
        assert (new.lineage.checkpoint_id, new.lineage.recipe_id) == (
            "checkpoint-1", recipe(1).recipe_id,
        )  # fmt: skip
        assert new.lineage.source_hash == old.lineage.source_hash
        kept = ("captions", "split", "action", "start_s", "px_per_metre", "quality_coverage")
        assert all(getattr(new, field) == getattr(old, field) for field in kept)
        for field in ("view2d", "features2d", "joint_mask", "feature_mask2d"):
            assert np.array_equal(getattr(new, field), getattr(old, field))
    assert samples.stored(store, VIDEOS.name).num_rows == COUNT
    assert not (store.location.path / FOLDER).exists()


def test_old_versions_tell_the_old_labels_and_the_old_recipe(store: Store) -> None:
    first = newest_version(store.location).videos
    before = samples.stored(at(store, first), MOTIONS.name)
    for number in (1, 2):
        relabel(store, number)
    compact(store, "demo", fewest=2)
    assert same_content(samples.stored(at(store, first), MOTIONS.name), before, MOTIONS)
    told = [checkpoints(at(store, first + n)) for n in range(3)]
    names = ["crossdiff-small", "checkpoint-1", "checkpoint-2"]
    assert told == [({name}, name) for name in names]
    assert mean_reprojection(at(store, first + 1), "demo") == pytest.approx(0.1)
    assert mean_reprojection(store, "demo") == pytest.approx(0.2)
    # No motion is new: nothing is pending that a finetune has not seen.
    assert motions_since(store, "demo", first) == 0


def test_versions_noted_before_recipes_could_change_have_the_first_recipe(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    from storage import shards

    def as_noted_before(location: object) -> object:
        return replace(newest_version(location), datasets=None)  # type: ignore[arg-type]

    monkeypatch.setattr(shards, "newest_version", as_noted_before)
    version = commit_shard(store, samples.shard([6])).version.videos
    assert at(store, version).pinned["datasets"] == store.snapshot("datasets").version
    monkeypatch.undo()
    relabel(store, 1)
    assert checkpoints(at(store, version)) == ({"crossdiff-small"}, "crossdiff-small")
    assert checkpoints(store) == ({"checkpoint-1"}, "checkpoint-1")


def test_the_same_checkpoint_again_does_nothing(store: Store) -> None:
    relabel(store, 1)
    before = {name: store.snapshot(name).version for name in ("datasets", "motions", "videos")}
    assert begin(store, 1) is None
    assert {name: store.snapshot(name).version for name in before} == before
    assert begin(store, 2) is not None


def test_decisions_stay(store: Store) -> None:
    name = min(motions(store))
    record_decisions(store, [Decision(motion_id=name, by="ada", verdict="keep", split="val")])
    before = current_decisions(store)
    relabel(store, 1)
    assert current_decisions(store) == before and before[name].verdict == "keep"


def test_an_ingest_with_the_new_checkpoint_fits_and_one_with_the_old_is_refused(
    store: Store,
) -> None:
    relabel(store, 1)
    with pytest.raises(RecipeMismatch, match='checkpoint_id was "checkpoint-1" and is now'):
        register_recipe(store, "demo", samples.RECIPE)
    with pytest.raises(RecipeMismatch, match="has recipe"):
        commit_shard(store, samples.shard([6]))
    assert register_recipe(store, "demo", recipe(1)) == recipe(1).recipe_id


@pytest.mark.parametrize("point", fault.RELABEL_POINTS)
def test_a_killed_relabelling_and_its_rerun_make_what_an_unbroken_one_makes(
    point: str, store: Store, relabelled: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = newest_version(store.location).videos
    old = samples.stored(at(store, version), MOTIONS.name)
    if point == fault.MID_WRITE:  # a file is open
        killed = start("storage_relabeller.py", store, "1", fault_at=f"{point}:2")
        _, errors = killed.communicate(timeout=120)
        assert killed.returncode == -signal.SIGKILL, errors.decode()
    else:
        die(monkeypatch, point, 2 if point == fault.AFTER_STAGED else 1)
        with pytest.raises(Died):
            relabel(store, 1)
        monkeypatch.undo()
    # Nothing or all of it, for whoever reads versions.
    noted = newest_version(store.location).videos
    assert noted == version + (point == fault.AFTER_VERSION)
    name = "checkpoint-1" if point == fault.AFTER_VERSION else "crossdiff-small"
    assert checkpoints(at(store, noted)) == ({name}, name)
    assert same_content(samples.stored(at(store, version), MOTIONS.name), old, MOTIONS)
    if point == fault.AFTER_STAGED:
        work = begin(store, 1)
        assert work is not None and len(missing_labels(work, SHARD)) == 1, "two of three are kept"

    relabel(store, 1)
    assert newest_version(store.location).videos == version + 1
    assert same_content(
        samples.stored(store, MOTIONS.name), samples.stored(relabelled, MOTIONS.name), MOTIONS
    )
    assert checkpoints(at(store, version + 1)) == ({"checkpoint-1"}, "checkpoint-1")
    samples.assert_keys_once(store)
    assert begin(store, 1) is None


def test_a_damaged_label_that_was_kept_aside_is_made_again(store: Store) -> None:
    work = begin(store, 1)
    assert work is not None and keep(work, 1) == 3
    kept = sorted((store.location.path / FOLDER).rglob("*.parquet"))
    kept[0].write_bytes(kept[0].read_bytes()[:-7])
    assert keep(work, 1) == 1
    assert commit_labels(work) is not None
    assert checkpoints(store)[0] == {"checkpoint-1"}


def test_motions_that_arrive_meanwhile_are_labelled_too(store: Store) -> None:
    work = begin(store, 1)
    assert work is not None
    keep(work, 1)
    commit_shard(store, samples.shard([6, 7]))
    assert commit_labels(work) is None
    assert checkpoints(store) == ({"crossdiff-small"}, "crossdiff-small")
    assert keep(work, 1) == 1
    report = commit_labels(work)
    assert report is not None and report.motions == 7
    assert checkpoints(store) == ({"checkpoint-1"}, "checkpoint-1")


def test_a_rival_with_another_checkpoint_is_refused_in_a_sentence(store: Store) -> None:
    mine, rival = begin(store, 1), begin(store, 2)
    assert mine is not None and rival is not None
    keep(mine, 1)
    keep(rival, 2)
    assert commit_labels(rival) is not None
    with pytest.raises(
        RecipeMismatch, match=r"somebody else meanwhile.*run the same command again"
    ):
        commit_labels(mine)
    assert checkpoints(store) == ({"checkpoint-2"}, "checkpoint-2")
    assert relabel(store, 1) is not None
    assert checkpoints(store) == ({"checkpoint-1"}, "checkpoint-1")


def test_another_checkpoint_may_take_over_what_a_killed_one_left(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    die(monkeypatch, fault.AFTER_RECIPE)
    with pytest.raises(Died):
        relabel(store, 1)
    monkeypatch.undo()
    assert checkpoints(store) == ({"crossdiff-small"}, "checkpoint-1")
    # An ingest as it was scheduled would now make a version of old and new labels.
    with pytest.raises(RecipeMismatch, match="has recipe"):
        commit_shard(store, samples.shard([6]))
    assert list((store.location.path / FOLDER).rglob("*.parquet"))
    assert relabel(store, 2) is not None
    assert checkpoints(store) == ({"checkpoint-2"}, "checkpoint-2")
    assert not (store.location.path / FOLDER).exists(), "what was given up fills no disk"


def test_a_relabelling_beside_an_ingest_ends_right(store: Store) -> None:
    """Whoever is first: all visible rows agree with the recipe, and no row is lost or doubled."""
    flags = ["--no-lock"]  # the log alone orders them, as in a bucket
    ingest = start("storage_writer.py", store, str(COUNT), "10", "2", *flags, "--line-up")
    label = start("storage_relabeller.py", store, "1", *flags, "--line-up")
    for rival in (ingest, label):
        assert rival.stdout is not None
        rival.stdout.readline()
    for rival in (ingest, label):
        assert rival.stdin is not None
        rival.stdin.write(b"go\n")
        rival.stdin.flush()
    finish(label)
    _, errors = ingest.communicate(timeout=120)
    refused = b"RecipeMismatch" in errors
    assert refused or ingest.returncode == 0, errors.decode()
    rows = list_motions(store).to_pylist()
    assert {row["recipe_id"] for row in rows} == {recipe_id(store, "demo")} == {recipe(1).recipe_id}
    assert {samples.video_hash(n) for n in (0, 1, 2, 3, 5)} <= {row["video_hash"] for row in rows}
    samples.assert_keys_once(store)
    assert begin(store, 1) is None


def test_an_ingest_that_was_begun_before_brings_no_old_labels_where_no_lock_orders_them(
    store: Store,
) -> None:
    """Its motions are in, its videos are not, when the data set is labelled anew."""
    from storage import shards

    late, tables = samples.shard([6]), {}
    for spec in (TRACKS, MOTIONS, VIDEOS):
        tables[spec.name] = shards._stamped_rows(late, spec)
    for spec in (TRACKS, MOTIONS):
        shards._commit_parts(store, late, spec, tables[spec.name])
    relabel(store, 1)
    with pytest.raises(RecipeMismatch, match="has recipe"):
        shards._commit_videos(store, late, tables[VIDEOS.name])
    assert list_motions(store).num_rows == 5


def test_two_of_the_same_relabelling_at_once_make_one(store: Store, relabelled: Store) -> None:
    """Without the lock: the log alone orders them."""
    flags = ["--no-lock", "--line-up"]
    race(*(start("storage_relabeller.py", store, "1", *flags) for _ in range(2)))
    assert same_content(
        samples.stored(store, MOTIONS.name), samples.stored(relabelled, MOTIONS.name), MOTIONS
    )
    assert checkpoints(store) == ({"checkpoint-1"}, "checkpoint-1")


def test_labels_that_another_committed_and_deleted_are_no_error(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other one, with the same checkpoint, ends between our look at the labels and our use."""
    work = begin(store, 1)
    assert work is not None
    keep(work, 1)
    files, raced = StagedLabels.files, []

    def files_then_race(staged: StagedLabels) -> dict[str, str]:
        found = files(staged)
        if not raced:
            raced.append(True)
            relabel(store, 1)
        return found

    monkeypatch.setattr(StagedLabels, "files", files_then_race)
    before = newest_version(store.location).videos
    report = commit_labels(work)
    assert report is not None and report.version.videos == before + 1
    assert newest_version(store.location).videos == before + 1, "one version, not two"


def test_labels_that_an_older_version_kept_aside_are_made_again(store: Store) -> None:
    work = begin(store, 1)
    assert work is not None
    keep(work, 1)
    kept = sorted((store.location.path / FOLDER / "demo" / work.recipe.recipe_id).glob("*.parquet"))
    before = len(work.staged.files())
    old = pq.read_table(kept[0])
    pq.write_table(old.drop_columns(["perspective_error"]), kept[0])
    assert len(work.staged.files()) == before - old.num_rows
    report = relabel(store, 1)
    assert report is not None and report.motions == before


def test_people_are_found_by_motion_whole_and_alone(store: Store) -> None:
    commit_shard(store, samples.shard([5, 6, 7]))
    tracks = open_store(store.location.root).snapshot(TRACKS.name)
    two = [samples.motion_row(number) for number in (0, 6)]
    found = tracks_of(tracks, "demo", two)
    assert found.keys() == {key_of(row) for row in two}
    for row in two:
        track = found[key_of(row)]
        want = samples.track_row(0 if row is two[0] else 6, 0)
        assert track.world_joints is not None and track.pixel_aspect == want.pixel_aspect
        np.testing.assert_array_equal(track.world_joints, want.world_joints)
        np.testing.assert_array_equal(track.times, want.times)
    assert tracks_of(tracks, "demo", [samples.motion_row(99)]) == {}
    with pytest.raises(ValueError, match="world_joints is"):
        replace(track, world_joints=track.world_joints[:3])


def test_each_data_file_and_each_label_is_read_once_not_once_a_shard(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ids begin with a hash: in their order, every shard would lie in all files."""
    for numbers in ([5, 6, 7], [8, 10, 11], [12, 13, 15]):
        commit_shard(store, samples.shard(numbers))
    work = begin(store, 1)
    assert work is not None
    shards = missing_labels(work, SHARD)
    files = len(work.store.snapshot(MOTIONS.name).files)
    assert sum(len(shard.paths) for shard in shards) <= files + len(shards)
    assert {name for shard in shards for name in shard.motion_ids} == motions(store).keys()
    keep(work, 1)
    read, reads = StagedLabels.read, []

    def counted(staged: StagedLabels, names: Sequence[str]) -> pa.Table:
        reads.extend(names)
        return read(staged, names)

    monkeypatch.setattr(StagedLabels, "read", counted)
    assert commit_labels(work) is not None
    assert len(reads) <= len(shards) + files


def test_what_a_killed_ingest_left_is_replaced_by_who_finishes_it(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Motions without their video's row are nobody's to label: they are no part of the data yet."""
    die(monkeypatch, fault.AFTER_MOTIONS)
    with pytest.raises(Died):
        commit_shard(store, samples.shard([6]))
    monkeypatch.undo()
    assert samples.stored(store, MOTIONS.name).num_rows == 6
    report = relabel(store, 1)
    assert report is not None and report.motions == 5
    assert begin(store, 1) is None
    assert list_motions(store).num_rows == 5


def test_motions_of_2d_alone_are_labelled_when_asked_for(tmp_path: Path) -> None:
    store = samples.unbroken(tmp_path / "store", range(0))
    commit_shard(store, only_2d(range(3)))
    with pytest.raises(StoreError, match="--label-2d-only"):
        begin(store, 1)
    work = begin(store, 1, label_2d_only=True)
    assert work is not None and keep(work, 1) == 2
    assert commit_labels(work) is not None
    assert all(row.joints3d is not None for row in motions(store).values())


def test_motions_of_2d_alone_stay_so_beside_labelled_ones(store: Store) -> None:
    commit_shard(store, only_2d(range(6, 8)))
    report = relabel(store, 1)
    assert report is not None and report.motions == 5
    bare = [row for row in motions(store).values() if row.joints3d is None]
    assert len(bare) == 2 and {row.lineage.checkpoint_id for row in bare} == {"crossdiff-small"}
    assert begin(store, 1) is None
    assert begin(store, 1, label_2d_only=True) is not None


def test_what_cannot_be_labelled_is_one_sentence(store: Store) -> None:
    from storage.relabelling import begin_relabelling

    with pytest.raises(StoreError, match="has no data set 'nobody'"):
        begin_relabelling(store, "nobody", recipe(1), samples.lineage("h", recipe(1)))
    register_recipe(store, "empty", samples.RECIPE)
    with pytest.raises(StoreError, match="no motion from video"):
        begin_relabelling(store, "empty", recipe(1), samples.lineage("h", recipe(1)))


def test_rows_stay_sorted_so_that_one_is_found_by_statistics(store: Store) -> None:
    relabel(store, 1)
    snapshot = store.snapshot(MOTIONS.name)
    for path in snapshot.files:
        names = snapshot.read(columns=["motion_id"], paths=[path]).column("motion_id")
        assert names.combine_chunks().equals(pa.array(sorted(names.to_pylist())))
