"""Deployments without a server: what `prefect.yaml` says, when a finetuning is due, who is told."""

import inspect
import socket
from dataclasses import replace
from pathlib import Path

import motion_store
import pytest
import storage_shards
import yaml
from deployed import PROJECT
from prefect.utilities.importtools import import_object

from flows import events
from flows.compact import run_compact
from flows.finetune_due import run_folder, too_few, version_to_read, waiting_run
from flows.finetune_files import GATE_FILE
from storage.catalog import count_rows
from storage.errors import StoreError
from storage.recipes import register_recipe
from storage.runs import FAILED, RunRow, record_run
from storage.schemas import MOTIONS, RUNS, VIDEOS
from storage.shards import commit_shard
from storage.store import Store, create_store, open_store

DATASET = "samples"
DEPLOYMENTS = yaml.safe_load(PROJECT.read_text())["deployments"]
BY_NAME = {each["name"]: each for each in DEPLOYMENTS}


@pytest.fixture
def store(tmp_path: Path, samples: Path) -> Store:
    """Three motions of videos."""
    return motion_store.make_store(tmp_path / "data", samples, DATASET)


def finetuning(run_id: str, version: int, out: Path, **changes: object) -> RunRow:
    row = RunRow(
        run_id=run_id, kind="finetune", what="in-the-wild", data="x", seconds=1.0, config={},
        metrics={}, store_version=version, datasets=(DATASET,), out=str(out),
    )  # fmt: skip
    return replace(row, **changes)


@pytest.mark.parametrize("deployment", DEPLOYMENTS, ids=list(BY_NAME))
def test_every_deployment_names_a_flow_that_takes_its_parameters(deployment: dict) -> None:
    flow = import_object(deployment["entrypoint"])
    takes = inspect.signature(flow.fn).parameters
    given = set(deployment.get("parameters", {}))
    for trigger in deployment.get("triggers", ()):
        given |= set(trigger["parameters"])
    assert given <= set(takes)
    needed = {name for name, p in takes.items() if p.default is inspect.Parameter.empty}
    assert needed <= given
    assert deployment["work_pool"]["name"] == "local"
    assert deployment["concurrency_limit"] == {"limit": 1, "collision_strategy": "ENQUEUE"}
    assert flow.timeout_seconds
    assert flow.retries == 0, "what is wrong with the input does not pass by itself"


def test_what_is_announced_is_what_is_waited_for() -> None:
    waited = {
        name: (trigger["expect"], trigger["match"]["prefect.resource.id"])
        for name, each in BY_NAME.items()
        for trigger in each.get("triggers", ())
    }
    assert waited == {
        "finetune": ([events.SNAPSHOT_COMMITTED], f"{events.DATASET_RESOURCE}.*"),
        "evaluate": ([events.FINETUNE_FINISHED], f"{events.FINETUNE_RESOURCE}.*"),
    }
    assert [name for name, each in BY_NAME.items() if "schedules" in each] == [
        "ingest", "report", "compact",
    ]  # fmt: skip


def test_new_motions_are_those_since_the_last_finetuning(store: Store, tmp_path: Path) -> None:
    url = str(store.location.root)
    assert too_few(url, DATASET, 4) == f"3 new motions of 4 in {DATASET}"
    assert too_few(url, DATASET, 3) == ""
    assert version_to_read(url, None) == version_to_read(url, 1) == 1
    record_run(store, finetuning("broken", 1, tmp_path, status=FAILED))
    assert too_few(url, DATASET, 3) == ""
    record_run(store, finetuning("one", 1, tmp_path))
    assert too_few(url, DATASET, 1) == f"0 new motions of 1 in {DATASET}"
    assert too_few(url, DATASET, 0) == ""


def test_a_run_waits_until_it_is_judged(store: Store, tmp_path: Path) -> None:
    url, models = str(store.location.root), tmp_path / "trained"
    assert waiting_run(url, models) is None
    first, second = (run_folder(models, DATASET, version) for version in (1, 2))
    for name, folder in (("b", second), ("a", first)):
        record_run(store, finetuning(name, 1, folder))
    assert waiting_run(url, models) is None, "the folders are gone"
    first.mkdir(parents=True)
    second.mkdir()
    assert waiting_run(url, models) == second, "recorded first"
    (second / GATE_FILE).write_text("{}")
    assert waiting_run(url, models) == first
    assert waiting_run(url, tmp_path / "others") is None
    (first / GATE_FILE).write_text("{}")
    assert waiting_run(url, models) is None


@pytest.mark.parametrize("name", ["../up", "a/b", ""])
def test_a_run_stays_in_its_folder(name: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="data set"):
        run_folder(tmp_path, name, 1)


def test_without_a_server_nobody_is_told_and_nothing_fails(tmp_path: Path) -> None:
    from prefect.settings import PREFECT_API_URL, temporary_settings

    told = (events.FINETUNE_FINISHED, "crossdiff.finetune.x", {"run": str(tmp_path)})
    with temporary_settings(restore_defaults={PREFECT_API_URL}):
        assert events.announce(*told) == events.NOBODY
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with temporary_settings({PREFECT_API_URL: f"http://127.0.0.1:{port}/api"}):
        note = events.announce(*told)
    assert note.startswith(f"{events.FINETUNE_FINISHED} was not announced: ")
    assert "\n" not in note


def test_compacting_a_store_merges_runs_too_and_loses_none(tmp_path: Path) -> None:
    store = create_store(tmp_path / "store")
    register_recipe(store, "demo", storage_shards.RECIPE)
    for number in range(3):
        commit_shard(store, storage_shards.shard([number]))
        record_run(store, finetuning(f"run{number}", 1, tmp_path))
    before = count_rows(store)
    data, lines = run_compact(str(tmp_path / "store"), 2)
    files = {line["table"]: (line["files_before"], line["files_after"]) for line in data["tables"]}
    assert {name: files[name] for name in (VIDEOS.name, MOTIONS.name, RUNS.name)} == {
        VIDEOS.name: (3, 1), MOTIONS.name: (3, 1), RUNS.name: (3, 1),
    }  # fmt: skip
    assert len(lines) == len(files)
    after = open_store(tmp_path / "store")
    assert count_rows(after) == before
    assert not record_run(after, finetuning("run1", 1, tmp_path)), "it has its row still"
    with pytest.raises(StoreError, match="without @VERSION"):
        run_compact(f"{tmp_path / 'store'}@1")
