"""What an evaluation leaves behind: page, metrics, a row in `runs`, an artifact in Prefect."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import cli_runs
import pytest
import storage_shards as samples
from deltalake import DeltaTable
from publish_victim import evaluated

import flows.publish as publishing
from flows.cli import main
from flows.evaluation_page.model import Column, Page, Section, Table
from flows.publish import BEGUN_NAME, Evaluated, publish, run_published, written_lines
from flows.training_sets import open_training_set
from models.evaluation.intervals import interval
from storage.errors import StoreError
from storage.runs import find_run, read_runs
from storage.schemas import RUNS
from storage.store import Store

ROOT = Path(__file__).resolve().parent.parent
VICTIM = ROOT / "tests" / "publish_victim.py"
SCORE = interval([0.4, 0.6])


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return samples.unbroken(tmp_path / "store", range(4))


@pytest.fixture
def done(store: Store) -> Evaluated:
    table = Table("Scores", (Column("from"), Column("R@3", better="higher")), (("ours", SCORE),))
    return Evaluated(
        "lift",
        Page("A lift", (("seed", "1"),), ("few motions",), (Section("s", "S", tables=(table,)),)),
        {"r3": SCORE, "by_view": {"front": 1.5}, "n": 4},
        open_training_set(f"{store.location.root}@1", ("train", "test")).lineage,
        ("best-0123456789ab",),
        {"seed": 1, "out": Path("somewhere")},
        2.5,
    )


def test_page_metrics_and_row_say_the_same(done: Evaluated, store: Store, tmp_path: Path) -> None:
    said = publish(done, tmp_path / "deep" / "out")
    assert said["store_row"] is True and said["store_row_note"] == ""
    text = Path(said["metrics"]).read_text()
    told = json.loads(text)
    assert text == json.dumps(told, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    assert told["metrics"]["r3"] == SCORE.to_json() and told["metrics"]["by_view"]["front"] == 1.5
    assert told["facts"] == {"seed": "1"} and told["warnings"] == ["few motions"]
    assert told["data"]["version"] == 1 and told["code_version"]
    (run,) = read_runs(store)
    assert run.run_id == told["run_id"] == said["run_id"]
    assert run.run_id in Path(said["report"]).read_text()
    assert run.metrics == told["metrics"] and run.config == told["config"]
    assert (run.kind, run.what, run.store_version) == ("evaluate", "lift", 1)
    assert run.table_versions == {"videos": 1, "motions": store.snapshot("motions").version}
    assert run.datasets == ("demo",) and run.checkpoint_ids == ("best-0123456789ab",)
    assert run.out == str(tmp_path / "deep" / "out") and run.seconds == 2.5
    names = sorted(path.name for path in (tmp_path / "deep" / "out").iterdir())
    assert names == ["metrics.json", "report.html"]
    assert publish(done, tmp_path / "again")["run_id"] != run.run_id, "another run"
    assert len(read_runs(store)) == 2


def test_a_number_that_is_not_finite_is_named_and_nothing_is_written(
    done: Evaluated, store: Store, tmp_path: Path
) -> None:
    bad = replace(done, metrics={"by_view": {"left": [1.0, float("nan")]}})
    with pytest.raises(
        ValueError, match=r"by_view\.left\[1\] of the evaluation is not finite: nan"
    ):
        publish(bad, tmp_path / "out")
    with pytest.raises(ValueError, match="fid of the evaluation is a object"):
        publish(replace(done, metrics={"fid": object()}), tmp_path / "out")
    twice = replace(done.page, facts=(("seed", "1"), ("seed", "2")))
    with pytest.raises(ValueError, match="tells a fact twice: seed"):
        publish(replace(done, page=twice), tmp_path / "out")
    assert not (tmp_path / "out").exists() and read_runs(store) == []


def test_a_place_that_cannot_be_written_is_said_before_the_work(
    done: Evaluated, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("in the way")
    asked = []
    with pytest.raises(ValueError, match="cannot write to"):
        run_published("lift", "x", lambda: asked.append(1) or done, tmp_path / "file")
    assert asked == []


def test_plain_files_and_stores_that_take_no_row_are_told(
    done: Evaluated, store: Store, tmp_path: Path
) -> None:
    plain = replace(done, lineage={"data": "set.parquet", "store": None, "version": None})
    said = publish(plain, tmp_path / "a")
    assert said["store_row"] is False
    assert said["store_row_note"] == "set.parquet is a plain file of motions, which keeps no runs"
    assert json.loads(Path(said["metrics"]).read_text())["store_row_note"] == said["store_row_note"]
    assert written_lines(said) == [f"report: {said['report']}", said["store_row_note"]]
    lost = {**done.lineage, "store": str(tmp_path / "gone")}
    said = publish(replace(done, lineage=lost), tmp_path / "b")
    assert not said["store_row"] and "there is no store" in said["store_row_note"]
    assert Path(said["report"]).is_file()


READ_ONLY = """
import os, sys
sys.path.insert(0, sys.argv[2])
from storage_run_writer import open_store, record_run, run_row
run, store = run_row("a"), open_store(sys.argv[1])
os.setuid(65534)
record_run(store, run)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody without rights")
def test_a_store_of_somebody_else_is_refused_in_one_sentence(store: Store) -> None:
    for folder in (store.location.path, *store.location.path.parents[:2]):
        folder.chmod(0o755)
    command = [sys.executable, "-c", READ_ONLY, store.location.root, str(ROOT / "tests")]
    tried = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    last = tried.stderr.partition("nanobind")[0].strip().splitlines()[-1]
    assert last.startswith(f"{StoreError.__module__}.StoreError: cannot"), tried.stderr
    assert "ermission denied" in last
    assert read_runs(store) == []


@pytest.mark.parametrize("point", ["row", "metrics"])
def test_killed_while_publishing_it_goes_on_as_the_same_run(
    point: str, store: Store, tmp_path: Path
) -> None:
    url, out = store.location.root, tmp_path / "out"
    begun = killed(point, url, out)["run_id"]
    assert len(read_runs(store)) == (0 if point == "row" else 1)
    said = publish(evaluated(url, seconds=7.0), out)
    assert said["run_id"] == begun and [run.run_id for run in read_runs(store)] == [begun]
    assert_row_is_metrics(store, out)
    assert not (out / BEGUN_NAME).exists()
    # Another question in the same folder is another run.
    (out / BEGUN_NAME).write_text(json.dumps({"run_id": begun, "asked": "something else"}))
    assert publish(evaluated(url), out)["run_id"] != begun


def changed(done: Evaluated, name: str) -> Evaluated:
    if name == "datasets":
        return replace(done, lineage={**done.lineage, "datasets": ["demo", "other"]})
    return replace(done, metrics={**done.metrics, "a": 2.0})


@pytest.mark.parametrize("what", ["scores", "datasets", "code"])
def test_other_values_after_a_kill_are_another_run(
    what: str, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, out = store.location.root, tmp_path / "out"
    begun = killed("metrics", url, out)["run_id"]
    done = evaluated(url)
    if what == "code":
        row = publishing._row
        monkeypatch.setattr(publishing, "_row", lambda *a: replace(row(*a), code_commit="other"))
    said = publish(done if what == "code" else changed(done, what), out)
    assert said["run_id"] != begun and len(read_runs(store)) == 2
    assert_row_is_metrics(store, out)


def test_a_begun_run_whose_row_is_another_gets_a_new_id(store: Store, tmp_path: Path) -> None:
    url, out = store.location.root, tmp_path / "out"
    begun = killed("row", url, out)
    other = publish(evaluated(url, 2.0), tmp_path / "other")["run_id"]
    (out / BEGUN_NAME).write_text(json.dumps({**begun, "run_id": other}))
    assert publish(evaluated(url), out)["run_id"] != other
    assert_row_is_metrics(store, out)


def test_without_an_artifact_the_evaluation_is_still_published(
    done: Evaluated, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        assert (tmp_path / "out" / BEGUN_NAME).exists(), "a kill here would be a second run"
        raise ConnectionError("the server\nis gone")

    monkeypatch.setattr(publishing, "_in_flow_run", lambda: True)
    monkeypatch.setattr("flows.evaluation_flow.add_artifact", fail)
    said = publish(done, tmp_path / "out")
    note = "Prefect has no artifact of this run: the server is gone"
    assert said["store_row"] and written_lines(said)[1:] == [note]
    assert not (tmp_path / "out" / BEGUN_NAME).exists() and len(read_runs(store)) == 1


def assert_row_is_metrics(store: Store, out: Path) -> None:
    told = json.loads((out / "metrics.json").read_text())
    run = find_run(store, told["run_id"])
    assert run is not None and told["store_row"] is True
    for name in ("metrics", "config", "seconds", "code_version", "code_commit"):
        assert told[name] == getattr(run, name), name
    assert tuple(told["data"]["datasets"]) == run.datasets


def killed(point: str, url: str, out: Path) -> dict:
    """What `.publishing.json` says after a kill before the row, or before the metrics."""
    command = [sys.executable, str(VICTIM), url, str(out), point]
    pipe = subprocess.PIPE
    process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL)
    assert process.stdout is not None and process.stdout.readline() == b"here\n"
    process.kill()
    process.communicate()
    assert not (out / "metrics.json").exists(), "only a whole run has metrics"
    return json.loads((out / BEGUN_NAME).read_text())


# --- runs as a user sees them -------------------------------------------------------------------


def test_ls_shows_runs_newest_first(
    done: Evaluated, store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    url = store.location.root
    assert main(["ls", "--store", url, "--runs"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "0 runs shown"
    ids = [publish(done, tmp_path / name)["run_id"] for name in ("a", "b")]
    assert main(["ls", "--store", url, "--runs"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["run_id", *reversed(ids), "2"]
    assert main(["ls", "--store", f"{url}@1", "--runs", "--json", "--dataset", "demo"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [row["run_id"] for row in found["rows"]] == ids[::-1]
    assert found["kind"] == "runs" and found["rows"][0]["metrics"]["n"] == 4
    assert main(["ls", "--store", url, "--runs", "--status", "ok"]) == 2
    assert "leave the other filters out" in capsys.readouterr().err
    assert main(["ls", "--store", url, "--runs", "--dataset", "demi"]) == 2
    assert "it has demo" in capsys.readouterr().err


# --- with a real Prefect server -----------------------------------------------------------------


@pytest.fixture
def here_api(prefect_api: cli_runs.PrefectApi, prefect_home: Path) -> Iterator[cli_runs.PrefectApi]:
    from prefect.settings import PREFECT_API_URL, PREFECT_HOME, temporary_settings

    with temporary_settings({PREFECT_API_URL: prefect_api.url, PREFECT_HOME: prefect_home}):
        yield prefect_api


def test_another_kind_of_evaluation_does_not_replace_a_report(
    done: Evaluated, tmp_path: Path
) -> None:
    publish(done, tmp_path / "out")
    before = (tmp_path / "out" / "report.html").read_bytes()
    with pytest.raises(ValueError, match="holds an evaluation of 'lift': choose another --out"):
        run_published("wild", "x", lambda: pytest.fail("measured"), tmp_path / "out")
    assert (tmp_path / "out" / "report.html").read_bytes() == before


def run_named(api: cli_runs.PrefectApi, name: str) -> dict:
    (run,) = api.post("flow_runs/filter", flow_runs={"name": {"any_": [name]}})
    return run


def test_a_flow_run_is_completed_and_has_the_scores(
    done: Evaluated, store: Store, tmp_path: Path, here_api: cli_runs.PrefectApi
) -> None:
    name = f"lift {time.time_ns()}"
    measured, said = run_published("lift", name, lambda: done, tmp_path / "out")
    assert measured is done and said["store_row"]
    run = run_named(here_api, name)
    assert run["state_type"] == "COMPLETED"
    (flow,) = here_api.post("flows/filter", flows={"id": {"any_": [run["flow_id"]]}})
    assert flow["name"] == "evaluate"
    wanted = {"flow_run_id": {"any_": [run["id"]]}}
    (artifact,) = here_api.post("artifacts/filter", artifacts=wanted)
    assert artifact["key"] == "evaluation-lift"
    assert "| ours | 0.500 ± 0.139 |" in artifact["data"]
    assert Path(said["report"]).as_uri() in artifact["data"] and said["run_id"] in artifact["data"]
    assert DeltaTable(str(store.location.path / RUNS.name)).version() == 1


def test_a_stopped_evaluation_is_a_cancelled_run_and_no_crash(
    tmp_path: Path, here_api: cli_runs.PrefectApi, capfd: pytest.CaptureFixture[str]
) -> None:
    def stop() -> Evaluated:
        raise KeyboardInterrupt

    name = f"stopped {time.time_ns()}"
    with pytest.raises(KeyboardInterrupt):
        run_published("lift", name, stop, tmp_path / "out")
    assert run_named(here_api, name)["state_type"] == "CANCELLED"
    assert "Crash" not in "".join(capfd.readouterr())


def test_what_fails_is_a_failed_run_and_the_same_error(
    tmp_path: Path, here_api: cli_runs.PrefectApi, capfd: pytest.CaptureFixture[str]
) -> None:
    def fail() -> Evaluated:
        raise StoreError("the split test is empty: choose another with --split")

    name = f"bad {time.time_ns()}"
    with pytest.raises(StoreError, match="the split test is empty"):
        run_published("lift", name, fail, tmp_path / "out")
    run = run_named(here_api, name)
    assert run["state_type"] == "FAILED"
    assert run["state"]["message"] == "the split test is empty: choose another with --split"
    assert "Traceback" not in "".join(capfd.readouterr())
    assert list((tmp_path / "out").iterdir()) == []
