"""The `runs` table: a row once, whatever dies; nothing that was read changes for it."""

import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import storage_shards as samples
from storage_racing import finish, race
from storage_run_writer import run_row

from flows.training_sets import open_training_set
from storage import fault
from storage.catalog import count_rows, list_motions
from storage.compaction import compact
from storage.errors import StoreError
from storage.runs import read_runs, record_run
from storage.schemas import RUNS, TABLES
from storage.shards import commit_shard
from storage.store import Store, create_store, open_store, open_table
from storage.versions import newest_version, store_history

WRITER = Path(__file__).with_name("storage_run_writer.py")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return samples.unbroken(tmp_path / "store", range(4))


def make_old(store: Store) -> None:
    """As a version of this package left it that kept no runs."""
    shutil.rmtree(store.location.path / RUNS.name)


def versions(store: Store) -> dict[str, int]:
    return {name: open_table(store, name).version() for name in TABLES if name != RUNS.name}


def start(store: Store, *arguments: str, fault_at: str = "") -> subprocess.Popen[bytes]:
    command = [sys.executable, str(WRITER), store.location.root, *arguments]
    pipe = subprocess.PIPE
    environment = {**os.environ, fault.VARIABLE: fault_at}
    return subprocess.Popen(command, env=environment, stdin=pipe, stdout=pipe, stderr=pipe)


def test_a_row_comes_back_as_it_went_in_newest_first(store: Store) -> None:
    now = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    old = run_row("a", finished_at=now, out=None, code_commit=None, store_version=None)
    new = run_row("b", finished_at=now + timedelta(hours=1), kind="train", what="stage-1")
    assert record_run(store, old) and record_run(store, new)
    assert read_runs(store) == [new, old]
    assert old.started_at == now - timedelta(seconds=1.5)
    row = store.snapshot(RUNS.name).read().to_pylist()[0]
    assert set(row) == set(RUNS.schema.names)
    assert row["config_hash"] == new.config_hash == replace(old, config={**new.config}).config_hash
    assert run_row("c", config={"seed": 2}).config_hash != new.config_hash


def test_the_same_run_again_changes_nothing(store: Store) -> None:
    assert record_run(store, run_row("a"))
    version = store.snapshot(RUNS.name).version
    assert not record_run(store, run_row("a", metrics={"other": 1.0}))
    assert store.snapshot(RUNS.name).version == version
    assert read_runs(store)[0].metrics == run_row("a").metrics


def test_what_was_read_stays_as_it_was(store: Store, tmp_path: Path) -> None:
    url = store.location.root
    before = (versions(store), store_history(store.location), count_rows(store))
    opened = open_training_set(f"{url}@1", ("train", "test"))
    pinned = open_store(f"{url}@1")
    assert record_run(pinned, run_row("a"))
    assert (versions(store), store_history(store.location), count_rows(store)) == before
    again = open_training_set(f"{url}@1", ("train", "test"))
    assert again.lineage == opened.lineage and again.lineage["version"] == 1
    # The store grows on; a run lies between two of its versions and inside none.
    report = commit_shard(store, samples.shard([7]))
    assert report.version == newest_version(store.location) and report.version.videos == 2
    assert list_motions(open_store(f"{url}@1")).num_rows == list_motions(pinned).num_rows
    compact(store, "demo", fewest=2)
    assert [run.run_id for run in read_runs(store)] == ["a"]
    again = open_training_set(f"{url}@1", ("train", "test"))
    assert again.lineage["version"] == 1
    assert [m.motion_id for m in again.motions["train"]] == [
        m.motion_id for m in opened.motions["train"]
    ]


def test_runs_are_chosen_by_what_they_read(store: Store) -> None:
    record_run(store, run_row("a"))
    record_run(store, run_row("b", store_version=2, what="wild", datasets=("demo", "real")))
    record_run(store, run_row("c", kind="finetune", what="stage-2", datasets=()))

    def ids(**wanted: str) -> set[str]:
        return {run.run_id for run in read_runs(store, **wanted)}  # type: ignore[arg-type]

    assert ids() == {"a", "b", "c"}
    assert ids(kind="evaluate") == ids(dataset="demo") == {"a", "b"}
    assert ids(what="wild") == ids(dataset="real") == {"b"}
    assert {run.run_id for run in read_runs(open_store(f"{store.location.root}@1"))} == {"a", "c"}
    assert ids(what="nothing") == set()


def test_an_old_store_is_read_and_gets_the_table_with_its_first_run(store: Store) -> None:
    make_old(store)
    before = versions(store)
    assert read_runs(open_store(store.location.root)) == []
    assert list_motions(open_store(store.location.root)).num_rows == 4
    assert record_run(open_store(store.location.root), run_row("a"))
    assert [run.run_id for run in read_runs(store)] == ["a"]
    assert versions(store) == before


@pytest.mark.parametrize("point", fault.RUN_POINTS)
@pytest.mark.parametrize("old", [False, True], ids=["table there", "old store"])
def test_a_killed_writer_and_its_repetition_leave_one_row(
    point: str, old: bool, store: Store
) -> None:
    if old:
        make_old(store)
    killed = start(store, "a", fault_at=point)
    _, errors = killed.communicate(timeout=120)
    assert killed.returncode == -signal.SIGKILL, errors.decode()
    there = [run.run_id for run in read_runs(store)]
    assert there == (["a"] if point == fault.AFTER_RUN else [])
    finish(start(store, "a"))
    assert [run.run_id for run in read_runs(store)] == ["a"]


@pytest.mark.parametrize("lock", ["--no-lock", None])
def test_writers_at_once_lose_and_double_nothing(lock: str | None, store: Store) -> None:
    """Two bring the same run, one another; the table is not there yet."""
    make_old(store)
    flags = [lock] if lock else []
    rivals = [start(store, name, "--line-up", *flags) for name in ("a", "a", "b")]
    race(*rivals)
    assert sorted(run.run_id for run in read_runs(store)) == ["a", "b"]


def test_what_cannot_be_a_row_is_refused(store: Store) -> None:
    with pytest.raises(ValueError, match=r"run id '\.\./x' must start"):
        run_row("../x")
    with pytest.raises(ValueError, match="got 'guess'"):
        run_row("a", kind="guess")
    with pytest.raises(ValueError, match="got 'perhaps'"):
        run_row("a", status="perhaps")
    with pytest.raises(ValueError, match="not JSON compliant"):
        record_run(store, run_row("a", metrics={"fid": float("nan")}))
    assert read_runs(store) == []


def test_a_store_that_takes_no_row_says_so_in_one_sentence(store: Store) -> None:
    make_old(store)
    (store.location.path / RUNS.name).write_text("in the way")
    with pytest.raises(StoreError, match="cannot create table runs") as caught:
        record_run(store, run_row("a"))
    assert "\n" not in str(caught.value)


def test_a_new_store_has_the_table(tmp_path: Path) -> None:
    assert read_runs(create_store(tmp_path / "new")) == []
    assert (tmp_path / "new" / RUNS.name).is_dir()
