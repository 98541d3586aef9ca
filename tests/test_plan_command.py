"""`crossdiff plan` and the costs it rests on, over a store that a real ingest made."""

import os
import time

import cli_runs
import pyarrow as pa
import pytest
import storage_shards as samples

from flows.cli import main
from flows.start_up import _ingest
from pipeline.stage_costs import CLIP_STAGES, COMMIT
from storage.compaction import compact
from storage.recipes import register_recipe
from storage.shards import commit_shard
from storage.stage_costs import _seconds, stage_costs
from storage.store import create_store, open_store


def test_the_costs_are_those_of_the_run(ingested):
    costs, run = stage_costs(open_store(ingested.store), cli_runs.DATASET), ingested.run.data
    spent = {stage: float(seconds.sum()) for stage, seconds in costs.seconds.items()}
    timed = {stage: run["seconds_by_stage"][stage] for stage in CLIP_STAGES[:-1]}
    # A clip is lifted while the next is looked at: by the clock all stages took a little less.
    shares = [spent[stage] / seconds for stage, seconds in timed.items()]
    assert shares == pytest.approx([shares[0]] * len(shares), rel=1e-3)
    assert 0.75 < shares[0] < 1.001
    assert costs.videos + costs.unreadable == run["processed"] == costs.commit_videos.sum()
    assert costs.unreadable == 1  # the file that is no video
    # The log's clock has milliseconds; what is counted beside the run's own watch is small.
    commits = float(costs.commit_s.sum())
    assert commits == pytest.approx(run["seconds_by_stage"][COMMIT], abs=0.3 * len(costs.commit_s))
    whole = sum(spent.values()) + commits
    assert 0.5 * run["seconds"] < whole < 1.05 * run["seconds"]
    assert costs.estimators[0].startswith("mediapipe")
    assert costs.stored_motion_s > 1 and min(costs.bytes_by_table.values()) > 1000


@pytest.mark.parametrize("unmeasured", [0.0, 0.3, -1.0])
def test_stages_take_as_long_together_as_the_clock_says(unmeasured: float) -> None:
    """Clips overlap: what the clock gave to one row may be the work of its neighbour."""
    pose = [10.0, 1.0, 10.0, 1.0]
    whole = [10.0 + 1.0 + unmeasured, 10.0 + unmeasured, 1.0 + unmeasured, unmeasured]
    nothing = [0.0] * 4
    timed = {"decode": nothing, "pose": pose, "normalise": nothing, "lift": nothing}
    rows = pa.table({f"seconds_{name}": each for name, each in {**timed, "whole": whole}.items()})
    found = _seconds(rows)
    assert sum(each.sum() for each in found.values()) == pytest.approx(sum(whole))
    assert min(each.min() for each in found.values()) >= 0.0


def test_the_command_answers_in_json_and_in_words(ingested, prefect_home):
    arguments = ["plan", "--store", str(ingested.store), "--videos", "1000000", "--workers", "8"]
    done = cli_runs.run(prefect_home, *arguments, "--gpu-speedup", "20", "--json")
    assert done.status == 0 and not done.stderr
    plan = done.data
    assert plan["timing"]["bottleneck"] == "pose"
    assert {s["stage"] for s in plan["timing"]["stages"]} == {*CLIP_STAGES, COMMIT}
    low, high = plan["work_interval_s"]
    assert 0 <= low < plan["timing"]["work_s"] < high
    assert plan["gpu"]["work_s"] < plan["timing"]["work_s"]
    assert any("your figure" in line for line in plan["unknown"])


def test_in_words_it_names_the_bottleneck_and_what_it_does_not_know(ingested, capsys):
    assert main(["plan", "--store", str(ingested.store), "--videos", "30", "--workers", "1"]) == 0
    said = capsys.readouterr().out
    for words in ("bottleneck  pose", "per minute of motion", "not known:", "a GPU", "core-hours"):
        assert words in said


def test_a_store_without_videos_says_what_to_do(tmp_path, capsys):
    create_store(tmp_path / "store")
    assert main(["plan", "--store", str(tmp_path / "store"), "--videos", "30"]) == 2
    assert "ingest a few first" in capsys.readouterr().err
    assert main(["plan", "--store", str(tmp_path / "none"), "--videos", "30"]) == 2
    assert "no such folder" in capsys.readouterr().err


def test_rearranging_the_tables_changes_no_cost(tmp_path):
    store = create_store(tmp_path / "store")
    for name in ("demo", "other"):
        register_recipe(store, name, samples.RECIPE)
    for first in range(0, 12, 4):
        commit_shard(store, samples.shard(range(first, first + 4)))
    before = stage_costs(open_store(tmp_path / "store"))
    assert len(before.commit_s) == 3
    compact(store, "demo")
    after = stage_costs(open_store(tmp_path / "store"))
    assert after.seconds_per_video() == pytest.approx(before.seconds_per_video())
    assert list(after.commit_videos) == list(before.commit_videos)
    assert stage_costs(open_store(tmp_path / "store"), "other").seconds_per_video() == {}


def test_a_million_rows_would_not_be_read(tmp_path, monkeypatch):
    store = create_store(tmp_path / "store")
    register_recipe(store, "demo", samples.RECIPE)
    for first in range(0, 12, 4):
        commit_shard(store, samples.shard(range(first, first + 4)))
    monkeypatch.setattr("storage.stage_costs.NEWEST_COMMITS", 2)
    assert len(stage_costs(store).commit_s) == 2


def test_a_tiny_run_that_fails_is_told_in_one_sentence(tmp_path):
    began = time.monotonic()
    with pytest.raises(ValueError, match="--measure-start: the tiny run failed") as error:
        _ingest(tmp_path / "gone.avi", tmp_path / "store", dict(os.environ))
    assert "\n" not in str(error.value) and time.monotonic() - began < 60
