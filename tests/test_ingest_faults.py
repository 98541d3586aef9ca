"""kill -9 in the middle of `crossdiff ingest`: a rerun makes the tables of an unbroken run."""

import os
import random
import signal
import subprocess
import time
from pathlib import Path

import cli_runs
import pyarrow.compute as pc
import storage_shards

from storage import fault
from storage.arrow_rows import same_content
from storage.catalog import count_rows
from storage.schemas import MOTIONS, TRACKS, VIDEOS
from storage.store import open_store


def rows_on_disk(store: Path) -> tuple[int, int, int]:
    """Rows of videos, tracks and motions, visible or not."""
    opened = open_store(store)
    counts = [storage_shards.stored(opened, s.name).num_rows for s in (VIDEOS, TRACKS, MOTIONS)]
    return counts[0], counts[1], counts[2]


def await_decoding(process: subprocess.Popen[str]) -> None:
    """Until a decoding process runs: the pose estimator is then at work, or about to be."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        if any("pipeline.video.worker" in line for line in
               cli_runs.processes_of(process.pid).values()):  # fmt: skip
            return
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    raise AssertionError("no decoding process was started")


def killed_at(point: str, home: Path, arguments: list[str], api: str) -> cli_runs.Finished:
    done = cli_runs.run(home, *arguments, PREFECT_API_URL=api, **{fault.VARIABLE: point})
    assert done.status == -signal.SIGKILL, done.stderr
    assert done.left_over == []
    return done


def assert_same_as_unbroken(store: Path, ingested: cli_runs.Ingested) -> None:
    """The store's rows are those that the undisturbed run made of the same files."""
    here, there = open_store(store), open_store(ingested.store)
    storage_shards.assert_keys_once(here)
    hashes = storage_shards.stored(here, VIDEOS.name).column("video_hash")
    for spec in (VIDEOS, TRACKS, MOTIONS):
        wanted = storage_shards.stored(there, spec.name).filter(pc.field("video_hash").isin(hashes))
        rows = storage_shards.stored(here, spec.name)
        assert rows.num_rows == wanted.num_rows > 0, spec.name
        assert same_content(rows, wanted, spec), spec.name


def test_three_kills_and_a_rerun_make_the_tables_of_an_unbroken_run(
    ingested: cli_runs.Ingested, videos: Path, prefect_home: Path,
    prefect_api: cli_runs.PrefectApi, tmp_path: Path,
) -> None:  # fmt: skip
    store = tmp_path / "store"
    arguments = cli_runs.ingest_arguments(videos / cli_runs.FEW, store)

    killed_at(fault.AFTER_TRACKS, prefect_home, arguments, prefect_api.url)
    assert rows_on_disk(store) == (0, 1, 0)
    assert count_rows(open_store(store)).tracks == 0  # what is half there does not show

    killed_at(fault.AFTER_MOTIONS, prefect_home, arguments, prefect_api.url)
    assert rows_on_disk(store) == (0, 1, 1)
    assert count_rows(open_store(store)).motions == 0

    # Now without a server of ours, so that the run's own must go with it.
    moment = random.Random(0).uniform(0.2, 1.5)
    process = cli_runs.start(prefect_home, *arguments)
    await_decoding(process)
    time.sleep(moment)
    process.kill()
    killed = cli_runs.finish(process)
    assert killed.status == -signal.SIGKILL
    assert killed.left_over == []
    assert rows_on_disk(store) == (0, 1, 1)

    rerun = cli_runs.run(prefect_home, *arguments, PREFECT_API_URL=prefect_api.url)
    assert rerun.status == 0, rerun.stderr
    assert rerun.left_over == []
    assert rows_on_disk(store) == (2, 1, 1)
    assert_same_as_unbroken(store, ingested)


def test_a_killed_worker_costs_its_shards_and_ends_in_no_traceback(
    videos: Path, prefect_home: Path, prefect_api: cli_runs.PrefectApi, tmp_path: Path
) -> None:
    """The run does not hang either: it says what is missing, and a rerun would bring it."""
    store = tmp_path / "store"
    few = videos / cli_runs.FEW
    arguments = cli_runs.ingest_arguments(few, store, "--workers", "2", "--shard-size", "1")
    process = cli_runs.start(prefect_home, *arguments, PREFECT_API_URL=prefect_api.url)
    await_decoding(process)
    running = cli_runs.processes_of(process.pid)
    workers = [pid for pid, line in running.items() if "spawn_main" in line]
    assert len(workers) == 2
    os.kill(workers[0], signal.SIGKILL)
    broken = cli_runs.finish(process)
    assert broken.status == 1, broken.stderr
    assert broken.left_over == []
    assert "Traceback" not in broken.stderr
    lost = broken.data["failed_shards"]
    assert lost
    assert all("worker process died" in said for said in lost.values())
    assert broken.data["videos_in_dataset"] == 2 - len(lost)


def test_ctrl_c_ends_in_one_sentence_and_leaves_nothing_running(
    videos: Path, prefect_home: Path, tmp_path: Path
) -> None:
    # All videos: with a few, a busy machine is done before the signal is.
    arguments = cli_runs.ingest_arguments(videos, tmp_path / "store")
    process = cli_runs.start(prefect_home, *arguments)
    await_decoding(process)
    process.send_signal(signal.SIGINT)
    stopped = cli_runs.finish(process)
    assert stopped.status == 130
    assert "stopped; run the same command again" in stopped.data["error"]
    assert "Traceback" not in stopped.stderr
    assert stopped.left_over == []
