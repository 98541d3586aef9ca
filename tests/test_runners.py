"""`--runner ray|dask`: real clusters of this machine make the rows of a local run."""

import os
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

import cli_runs
import pytest
import storage_shards
from prefect.settings import PREFECT_API_URL, temporary_settings

from flows import cluster_address
from flows.cluster_address import require_cluster, require_reachable_api
from flows.ingest_plan import IngestPlan, PlannedClip
from flows.options import IngestOptions, PoseOptions, check
from flows.runners import for_any_worker, task_runner
from flows.shard_size import SECONDS_PER_CLIP, shard_size, sized
from pipeline.splits import SHARD_S, clips_per_shard
from pipeline.video import SourceClip
from storage.stage_costs import stage_costs
from storage.store import create_store, open_store

CLUSTERS = ("ray", "dask")
PROCESSES = {"ray": "raylet", "dask": "spawn_main"}
"""By which a cluster's own processes can be told."""
CLIPS = 4


def await_decoding_worker(process: subprocess.Popen[str]) -> int:
    """The process id of a worker that is at work: the parent of a decoding process."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        for pid, line in cli_runs.processes_of(process.pid).items():
            if "pipeline.video.worker" in line:
                return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    raise AssertionError("no worker began to decode")


@pytest.mark.parametrize("kind", CLUSTERS)
def test_a_cluster_that_loses_a_worker_makes_the_rows_of_an_undisturbed_local_run(
    kind: str, videos: Path, prefect_home: Path, prefect_api: cli_runs.PrefectApi,
    ingested: cli_runs.Ingested, tmp_path: Path,
) -> None:  # fmt: skip
    """Killed mid-shard; also: models built once a worker, the server told, nothing left running."""
    arguments = cli_runs.ingest_arguments(videos, tmp_path / "store", "--shard-size", "1")
    arguments += ["--runner", kind, "--workers", "2"]
    before = prefect_api.ingest_runs()
    process = cli_runs.start(prefect_home, *arguments, PREFECT_API_URL=prefect_api.url)
    worker = await_decoding_worker(process)
    assert worker != process.pid
    running = cli_runs.processes_of(process.pid).values()
    assert any(PROCESSES[kind] in line for line in running), "or `left_over` would look elsewhere"
    os.kill(worker, signal.SIGKILL)
    done = cli_runs.finish(process)

    assert done.status == 0, done.stderr
    assert done.left_over == []
    assert "Traceback" not in done.stderr
    assert (done.data["processed"], done.data["failed_shards"]) == (CLIPS, {})
    store = open_store(tmp_path / "store")
    storage_shards.assert_keys_once(store)
    storage_shards.assert_same_store(store, open_store(ingested.store))

    shares = done.data["workers"]
    assert len(shares) >= 2
    assert sum(share["shards"] for share in shares.values()) == CLIPS
    assert all(share["model_loads"] == {"pose": 1, "lift": 1} for share in shares.values())

    (run,) = [name for name in prefect_api.ingest_runs() if name not in before]
    tasks = prefect_api.post("task_runs/filter", flow_runs={"id": {"any_": [run]}})
    assert [task["state"]["type"] for task in tasks] == ["COMPLETED"] * CLIPS


def test_ctrl_c_takes_a_ray_cluster_down(
    videos: Path, prefect_home: Path, prefect_api: cli_runs.PrefectApi, tmp_path: Path
) -> None:
    arguments = cli_runs.ingest_arguments(videos / cli_runs.FEW, tmp_path / "store")
    process = cli_runs.start(
        prefect_home, *arguments, "--runner", "ray", PREFECT_API_URL=prefect_api.url
    )
    await_decoding_worker(process)
    process.send_signal(signal.SIGINT)
    stopped = cli_runs.finish(process)
    assert stopped.status == 130, stopped.stderr
    assert "stopped; run the same command again" in stopped.data["error"]
    assert "Traceback" not in stopped.stderr
    assert stopped.left_over == []


@pytest.mark.parametrize(
    ("clips", "workers", "seconds", "size"),
    [
        (10_000, 20, 6.0, 30),  # three minutes of work
        (100, 20, 6.0, 5),  # or less, so that nobody stands idle
        (9, 4, 6.0, 2),  # five shards: three of three clips would leave one of four idle
        (3, 8, 6.0, 1),
        (10_000, 20, 1000.0, 1),  # a clip is the least
    ],
)
def test_shards_are_minutes_of_work_and_no_fewer_than_the_workers(
    clips: int, workers: int, seconds: float, size: int
) -> None:
    assert clips_per_shard(clips, workers, seconds) == size
    assert -(-clips // size) >= min(workers, clips)


def options_for(store: Path, **changes: Any) -> IngestOptions:
    return IngestOptions("videos", cli_runs.DATASET, str(store), Path("weights"), **changes)


def test_the_shard_size_comes_from_what_clips_of_this_data_set_took(
    ingested: cli_runs.Ingested, tmp_path: Path
) -> None:
    source = SourceClip(Path("clip.avi"), "clip.avi", None, None, None)
    clips = tuple(PlannedClip(source, str(number)) for number in range(999))
    plan = IngestPlan(found=999, known=0, duplicates=0, pending=clips)
    measured = stage_costs(open_store(ingested.store), cli_runs.DATASET).seconds_per_video()
    of_this_store = sized(options_for(ingested.store, runner="ray"), plan, 4)
    assert of_this_store.shard_size == max(1, int(SHARD_S / sum(measured.values())))
    create_store(tmp_path)
    nothing_measured = sized(options_for(tmp_path, runner="dask"), plan, 4)
    assert nothing_measured.shard_size == int(SHARD_S / SECONDS_PER_CLIP)
    assert sized(options_for(tmp_path, runner="ray", shard_size=3), plan, 4).shard_size == 3
    assert (
        sized(options_for(tmp_path), plan, 4).shard_size == shard_size(options_for(tmp_path)) == 8
    )


def test_options_reach_workers_that_start_in_another_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own.py").touch()
    pose = PoseOptions("mmpose", config="own.py", checkpoint=Path("weights.pth"))
    ready = for_any_worker(options_for(Path("store"), pose=pose))
    assert (ready.out, ready.checkpoint) == (str(tmp_path / "store"), tmp_path / "weights")
    assert ready.pose.config == str(tmp_path / "own.py")
    assert ready.pose.checkpoint == tmp_path / "weights.pth"
    by_name = for_any_worker(options_for(Path("store"), pose=PoseOptions(config="rtmpose-m")))
    assert by_name.pose.config == "rtmpose-m"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"address": "tcp://here:8786"}, "--address is for --runner ray or dask"),
        ({"runner": "dask", "address": "x:1", "workers": 2}, "--workers: the cluster at"),
    ],
)
def test_options_that_contradict_each_other(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        check(options_for(Path("store"), **changes))


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster_address, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"pip install 'crossdiff\[ray\]'"):
        require_cluster("ray", None)


@pytest.mark.parametrize("kind", CLUSTERS)
def test_an_address_where_nobody_listens(kind: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        address = f"127.0.0.1:{closed.getsockname()[1]}"
    with pytest.raises(ConnectionError, match=f"no {kind.title()} cluster answers .*refused"):
        require_cluster(kind, address)
    with pytest.raises(ValueError, match="--address nonsense: give"):
        require_cluster(kind, "nonsense")


def test_a_server_that_never_speaks_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Regression: Dask's client waits for it for ever, whatever its timeout."""
    from flows import dask_pool

    monkeypatch.setattr(dask_pool, "ANSWER_S", 1.0)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"tcp://127.0.0.1:{silent.getsockname()[1]}"
        began = time.monotonic()
        with (
            pytest.raises(ConnectionError, match="no Dask scheduler answers"),
            task_runner("dask", 1, address),
        ):
            pass
    assert time.monotonic() - began < 20


def test_workers_elsewhere_need_a_prefect_server_that_they_reach() -> None:
    elsewhere = "198.51.100.7"  # a documentation address: never ours
    with temporary_settings({PREFECT_API_URL: "http://127.0.0.1:4200/api"}):
        require_reachable_api(["127.0.0.1"])
        with pytest.raises(ValueError, match=f"{elsewhere} cannot reach .* set PREFECT_API_URL"):
            require_reachable_api(["127.0.0.1", elsewhere])
    with temporary_settings({PREFECT_API_URL: "http://prefect.example:4200/api"}):
        require_reachable_api([elsewhere])
