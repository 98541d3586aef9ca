"""Trouble around an ingest: the store or Prefect goes away, rivals, a full disk, changing files.

After each: a row for every file, none twice, and what the run said of itself is true.
"""

import os
import resource
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import cli_runs
import pytest
import storage_shards
from ingest_here import ingest_here, options_for
from moto.server import ThreadedMotoServer
from truth_clips import all_truth_clips

from flows import shard
from flows.begin import begin
from flows.ingest_plan import PlannedClip
from flows.shard import process_shard
from storage.catalog import count_rows, list_videos
from storage.errors import StoreError
from storage.patience import VARIABLE
from storage.schemas import MOTIONS, VIDEOS
from storage.store import Store, open_store

JUNK = b"no video" * 512
PATIENCE_S = 120.0


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def await_that(what: str, holds: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline, f"waited in vain until {what}"
        time.sleep(0.05)


def assert_a_row_each(store: Store, *names: str) -> None:
    storage_shards.assert_keys_once(store)
    rows = storage_shards.stored(store, VIDEOS.name).to_pylist()
    assert sorted(n for row in rows for n in (row["name"], *row["aliases"])) == sorted(names)


def junk(folder: Path, *names: str) -> Path:
    """Files of different contents that are no videos: failed rows cost nothing."""
    folder.mkdir(exist_ok=True)
    for name in names:
        (folder / name).write_bytes(JUNK + name.encode())
    return folder


def films(folder: Path) -> Path:
    """`a.avi` is no video, `film.avi` is one."""
    junk(folder, "a.avi")
    shutil.copy2(all_truth_clips()["Cartwheel"].video, folder / "film.avi")
    return folder


def test_a_prefect_server_that_is_killed_and_comes_back_learns_the_truth(
    tmp_path: Path, prefect_home: Path, prefect_api: cli_runs.PrefectApi
) -> None:
    """The ingest goes on meanwhile; `prefect_api` only says that there is a database to copy."""
    home = tmp_path / "home"
    home.mkdir()
    for file in prefect_home.glob("prefect.db*"):
        shutil.copy2(file, home)
    store = tmp_path / "store"
    arguments = cli_runs.ingest_arguments(films(tmp_path / "v"), store, "--shard-size", "1")
    with cli_runs.prefect_server(home) as api:
        process = cli_runs.start(prefect_home, *arguments, PREFECT_API_URL=api.url)
        await_that("a shard is stored", lambda: storage_shards.committed_shards(store) > 1)
    assert process.poll() is None
    port = int(api.url.split(":")[2].split("/")[0])
    with cli_runs.prefect_server(home, port) as api:
        done = cli_runs.finish(process)
        assert done.status == 0, done.stderr
        run = max(api.ingest_runs().values(), key=lambda run: run["created"])
        assert run["state"]["type"] == "COMPLETED"
        wanted = {"key": {"any_": ["ingest-summary"]}, "flow_run_id": {"any_": [run["id"]]}}
        assert len(api.post("artifacts/filter", artifacts=wanted)) == 1
    assert "Traceback" not in done.stderr
    assert done.left_over == []
    assert (done.data["processed"], done.data["ok"], done.data["failed"]) == (2, 1, 1)
    assert_a_row_each(open_store(store), "a.avi", "film.avi")


def test_two_ingests_of_the_same_folder_at_once(
    tmp_path: Path, prefect_home: Path, prefect_api: cli_runs.PrefectApi
) -> None:
    folder, store = films(tmp_path / "v"), tmp_path / "store"
    arguments = cli_runs.ingest_arguments(folder, store, "--shard-size", "1")
    rivals = [cli_runs.start(prefect_home, *arguments, PREFECT_API_URL=prefect_api.url)
              for _ in range(2)]  # fmt: skip
    both = [cli_runs.finish(rival) for rival in rivals]
    assert [done.status for done in both] == [0, 0], [done.stderr for done in both]
    assert_a_row_each(open_store(store), "a.avi", "film.avi")
    told = [done.data for done in both]
    assert all(data["processed"] + data["known"] == data["found"] == 2 for data in told)
    for name, rows in (("processed", 2), ("ok", 1), ("failed", 1), ("motions", 1)):
        assert sum(data[name] for data in told) == rows, name
    assert all(data["videos_in_dataset"] == 2 for data in told)


@contextmanager
def s3_server(port: int = 0) -> Iterator[int]:
    """A server whose objects outlive it: they are kept in this process."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=port, verbose=False)
    server.start()
    try:
        yield server.get_host_and_port()[1]
    finally:
        server.stop()


def test_a_store_that_is_away_for_a_while_is_waited_for(
    tmp_path: Path, prefect_home: Path, prefect_api: cli_runs.PrefectApi,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    url = "s3://outage/store"
    with s3_server() as port:
        environment = {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}", "AWS_ALLOW_HTTP": "true",
            "AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "y", "AWS_REGION": "us-east-1",
        }  # fmt: skip
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        import boto3

        boto3.client("s3", endpoint_url=environment["AWS_ENDPOINT_URL"]).create_bucket(
            Bucket="outage"
        )
        before = prefect_api.ingest_runs()
        process = cli_runs.start(
            prefect_home, *cli_runs.ingest_arguments(films(tmp_path / "v"), Path("s3")),
            "--out", url, PREFECT_API_URL=prefect_api.url, **{VARIABLE: "0.5"}, **environment,
        )  # fmt: skip
        await_that("the film is decoded", lambda: process.poll() is not None or any(
            "pipeline.video.worker" in line
            for line in cli_runs.processes_of(process.pid).values()))  # fmt: skip
    assert process.poll() is None, process.communicate()

    def tasks() -> list[dict[str, Any]]:
        runs = [run for run in prefect_api.ingest_runs() if run not in before]
        return prefect_api.post("task_runs/filter", flow_runs={"id": {"any_": runs}})

    await_that("the shard is tried again", lambda: any(task["run_count"] > 1 for task in tasks()))
    with s3_server(port):
        done = cli_runs.finish(process)
        assert done.status == 0, done.stderr
        assert (done.data["processed"], done.data["ok"], done.data["failed"]) == (2, 1, 1)
        assert done.data["failed_shards"] == {}
        # In a process of its own: the table library would wait with this one's lock in its hands
        # for the server, which runs in here.
        listed = cli_runs.run(prefect_home, "ls", "--store", url, "--json", **environment)
    assert sorted(row["name"] for row in listed.data["rows"]) == ["a.avi", "film.avi"]
    await_that("Prefect knows", lambda: {t["state"]["name"] for t in tasks()} == {"Completed"})
    assert done.stderr.count("film.avi: 1 motions") == 1  # computed once, committed later


@contextmanager
def files_no_larger_than(size: int) -> Iterator[None]:
    """What a full disk does to a writer, at a known place."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_disk_that_is_full_mid_shard_is_one_sentence_and_no_row(tmp_path: Path) -> None:
    options = options_for(films(tmp_path / "v"), tmp_path / "store")
    ((name, clips),) = begin(options).shards(8)
    with files_no_larger_than(10_000), pytest.raises(StoreError) as told:
        process_shard(options, name, clips)
    assert "\n" not in str(told.value)
    store = open_store(tmp_path / "store")
    assert (count_rows(store).videos, count_rows(store).motions) == (0, 0)
    done = ingest_here(options)
    assert (done.summary.processed, done.summary.ok, done.summary.failed) == (2, 1, 1)
    assert_a_row_each(store, "a.avi", "film.avi")
    assert storage_shards.stored(store, MOTIONS.name).num_rows == 1


@pytest.mark.parametrize("when", ["before", "while", "gone"])
def test_a_file_that_changed_since_it_was_hashed_gets_no_row_under_the_old_name(
    when: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = junk(tmp_path / "v", "a.avi", "b.avi")
    options = options_for(folder, tmp_path / "store")
    plan = begin(options)
    observe = shard.observe_clip

    def changed_meanwhile(path: Path, *arguments: object, **more: object) -> object:
        result = observe(path, *arguments, **more)
        if path.name == "a.avi":
            path.write_bytes(JUNK + b"another")
        return result

    if when == "while":
        monkeypatch.setattr(shard, "observe_clip", changed_meanwhile)
    elif when == "before":
        (folder / "a.avi").write_bytes(JUNK + b"another")
    else:
        (folder / "a.avi").unlink()
    ((name, clips),) = plan.shards(8)
    counts = process_shard(options, name, clips)
    monkeypatch.setattr(shard, "observe_clip", observe)
    assert (counts.videos, counts.known) == (1, 0)
    assert counts.left == (f"a.avi is left for another time: {shard.CHANGED}",)
    again = ingest_here(options)
    names = ("b.avi",) if when == "gone" else ("a.avi", "b.avi")
    assert_a_row_each(open_store(tmp_path / "store"), *names)
    for row in list_videos(open_store(tmp_path / "store")).to_pylist():
        assert row["video_hash"] == cli_runs.sha256(folder / row["name"])
    assert again.summary.unsettled == 0


def test_what_a_rival_stored_is_neither_computed_nor_counted(tmp_path: Path) -> None:
    options = options_for(junk(tmp_path / "v", "a.avi", "b.avi"), tmp_path / "store")
    plan = begin(options)
    ((name, clips),) = plan.shards(8)
    process_shard(options, "rival", clips[:1])
    counts = process_shard(options, name, clips)
    assert (counts.videos, counts.known, counts.left) == (1, 1, ())
    late = process_shard(options, "late", tuple(unhashed(clip) for clip in clips))
    assert (late.videos, late.known, late.failures) == (0, 2, ())


def test_a_name_that_is_no_text_costs_no_shard(tmp_path: Path) -> None:
    folder = junk(tmp_path / "v", "a.avi")
    (folder / os.fsdecode(b"b\xffd.avi")).write_bytes(JUNK)
    done = ingest_here(options_for(folder, tmp_path / "store"))
    assert (done.summary.processed, done.summary.failed) == (2, 2)
    assert_a_row_each(open_store(tmp_path / "store"), "a.avi", "b\ufffdd.avi")
    assert ingest_here(options_for(folder, tmp_path / "store")).summary.known == 2


def unhashed(clip: PlannedClip) -> PlannedClip:
    return replace(clip, stamp=None)


def test_a_wrong_number_of_seconds_is_told(tmp_path: Path) -> None:
    for more, said in (({"settle_s": -1.0}, "--settle"), ({"settle_s": float("nan")}, "--settle"),
                       ({"shard_timeout_s": 0.0}, "--shard-timeout")):  # fmt: skip
        with pytest.raises(ValueError, match=said):
            begin(options_for(tmp_path, tmp_path / "store", **more))
    assert not (tmp_path / "store").exists()
