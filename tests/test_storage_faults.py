"""kill -9 and rivals: separate processes that die or race, then the tables are looked at."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import storage_shards as samples
from storage_racing import finish, race

from storage import fault
from storage.catalog import list_motions
from storage.schemas import MOTIONS, TRACKS, VIDEOS
from storage.shards import known_hashes
from storage.store import Store, open_store

WRITER = Path(__file__).with_name("storage_writer.py")
VIDEO_COUNT = 7


def start(folder: Path, *arguments: str, fault_at: str = "") -> subprocess.Popen[bytes]:
    environment = {**os.environ, fault.VARIABLE: fault_at}
    command = [sys.executable, str(WRITER), str(folder), *arguments]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, env=environment, stdin=pipe, stdout=pipe, stderr=pipe)


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Store:
    folder = tmp_path_factory.mktemp("reference")
    return samples.unbroken(folder, range(VIDEO_COUNT))


@pytest.mark.parametrize("point", fault.POINTS)
def test_a_killed_run_and_its_rerun_make_the_tables_of_an_unbroken_run(
    point: str, tmp_path: Path, reference: Store
) -> None:
    # The second shard dies, so there is done work before it; the rerun groups differently.
    killed = start(tmp_path, "0", str(VIDEO_COUNT), "3", fault_at=f"{point}:2")
    _, errors = killed.communicate(timeout=120)
    assert killed.returncode == -signal.SIGKILL, errors.decode()
    half_done = open_store(tmp_path)
    # mid_write is passed once a table: its second time is in the first shard's motions.
    done = {fault.MID_WRITE: 0, fault.AFTER_VIDEOS: 6}.get(point, 3)
    assert len(known_hashes(half_done, "demo")) == done
    shown = set(list_motions(half_done).column("video_hash").to_pylist())
    assert shown <= known_hashes(half_done, "demo")

    finish(start(tmp_path, "0", str(VIDEO_COUNT), "2"))
    samples.assert_keys_once(open_store(tmp_path))
    samples.assert_same_store(open_store(tmp_path), reference)


def test_a_rerun_that_computes_other_numbers_mixes_none_of_them(tmp_path: Path) -> None:
    """Killed after its motions; the rerun's code gives other numbers: no track goes with them."""
    killed = start(tmp_path, "0", "4", "4", fault_at=fault.AFTER_MOTIONS)
    killed.communicate(timeout=120)
    assert killed.returncode == -signal.SIGKILL
    finish(start(tmp_path, "0", "4", "2", "--noise", "1.0"))
    clean = samples.unbroken(tmp_path / "clean", range(4), noise=1.0)
    samples.assert_same_store(open_store(tmp_path), clean)


def test_kills_at_any_moment_leave_nothing_doubled_or_lost(tmp_path: Path) -> None:
    count = 16
    reference = samples.unbroken(tmp_path / "reference", range(count))
    folder, kills = tmp_path / "store", 0
    for delay in (0.02, 0.1, 0.25):
        process = start(folder, "0", str(count), "1")
        deadline = time.monotonic() + 60
        while not (folder / "videos" / "_delta_log").exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        already = samples.committed_shards(folder)
        while samples.committed_shards(folder) == already and process.poll() is None:
            time.sleep(0.01)
        time.sleep(delay)
        process.kill()
        process.communicate()
        kills += process.returncode == -signal.SIGKILL
    assert kills >= 2, "the runs ended before they were killed: the test shows nothing"
    finish(start(folder, "0", str(count), "4"))
    samples.assert_same_store(open_store(folder), reference)


@pytest.mark.parametrize("lock", ["--no-lock", None])
def test_rivals_over_the_same_videos_double_nothing(lock: str | None, tmp_path: Path) -> None:
    """Two in step and one the other way round; without the lock, the log alone decides."""
    count = 9
    flags = [lock] if lock else []
    folder = tmp_path / "store"
    race(
        start(folder, "0", str(count), "2", *flags, "--line-up"),
        start(folder, "0", str(count), "2", *flags, "--line-up"),
        start(folder, "0", str(count), "3", *flags, "--line-up", "--reverse"),
    )
    store = open_store(folder)
    samples.assert_keys_once(store)
    samples.assert_same_store(store, samples.unbroken(tmp_path / "one", range(count)))


def test_rivals_that_compute_other_numbers_double_nothing_and_mix_nothing(tmp_path: Path) -> None:
    """With the lock, a video's track and motion come from the same run, whoever won."""
    folder = tmp_path / "store"
    race(
        start(folder, "0", "8", "2", "--line-up", "--noise", "1.0"),
        start(folder, "0", "8", "3", "--line-up", "--noise", "2.0", "--reverse"),
    )
    store = open_store(folder)
    samples.assert_keys_once(store)
    shards = [
        {
            (row["video_hash"], row["shard_id"])
            for row in samples.stored(store, spec.name).to_pylist()
        }
        for spec in (VIDEOS, TRACKS, MOTIONS)
    ]
    assert shards[1] <= shards[0]
    assert shards[2] <= shards[0]


def test_a_misspelt_fault_is_an_error_and_not_a_test_that_passes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(fault.VARIABLE, "after_trakcs")
    with pytest.raises(ValueError, match="no such point"):
        fault.die_at(fault.AFTER_TRACKS)
