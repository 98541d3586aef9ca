"""The ablation: what is equal in its rows, that a kill costs nothing, and what it refuses."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import ablation_parts as parts
import numpy as np
import pytest

import flows.ablation
from flows.ablation import run_ablation
from flows.ablation_runs import TRAINED_FILE
from flows.cli import main
from flows.evaluation_page.ablation_section import _code_warnings
from flows.one_at_a_time import one_at_a_time
from flows.training_sets import open_training_set
from models.checkpoint import load_checkpoint
from models.data.motion_files import write_motions
from models.evaluation.ablation_lift import lift_errors
from models.evaluation.ablation_rows import OBJECTIVE, PAPER_SCORES, ROWS, UNKNOWN_CODE
from models.train.train_config import TrainConfig
from storage.errors import StoreError
from storage.lineage import code_commit, code_version

HERE = Path(__file__).parent


@pytest.fixture(autouse=True)
def without_prefect(monkeypatch):
    monkeypatch.setenv("ACCELERATE_USE_CPU", "true")
    monkeypatch.setattr(flows.ablation, "run_published", parts.without_prefect)


@pytest.fixture(scope="module")
def given(tmp_path_factory) -> tuple[str, Path]:
    """A store and evaluators."""
    folder = tmp_path_factory.mktemp("given")
    return parts.make_store(folder), parts.make_evaluators(folder)


@pytest.fixture(scope="module")
def done(given, tmp_path_factory) -> Path:
    """The folder of an unbroken ablation: two rows, two seeds, both stages."""
    out = tmp_path_factory.mktemp("ablation") / "out"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ACCELERATE_USE_CPU", "true")
        patch.setattr(flows.ablation, "run_published", parts.without_prefect)
        run_ablation(parts.small(*given, out))
    return out


def metrics(out: Path) -> dict:
    return json.loads((out / "metrics.json").read_text())


def trained(out: Path) -> dict[str, int]:
    """When every finished stage was finished."""
    return {
        str(file.parent.relative_to(out)): file.stat().st_mtime_ns
        for file in sorted(out.rglob(TRAINED_FILE))
    }


def config_of(out: Path, run: str, stage: int = 1) -> TrainConfig:
    about = load_checkpoint(out / "runs" / run / f"stage{stage}" / "best").about
    return TrainConfig.from_json(about["train"])


def test_rows_differ_in_nothing_but_what_they_are_named_for(done):
    names = ["half-seed1", "half-2d-seed1"]
    first, second = (config_of(done, name).to_json() for name in names)
    crops = {
        name: config.pop("windows") for name, config in zip(names, (first, second), strict=True)
    }
    assert {n for n in first if first[n] != second[n]} == {"only_3d"}
    told = any("motions for the same crops" in warning for warning in metrics(done)["warnings"])
    assert told == (len(set(map(tuple, crops.values()))) > 1), "short motions: crops may differ"
    for name in names:
        config = config_of(done, name)
        assert config.fraction_3d == 0.5
        assert {n: getattr(config, n) for n in OBJECTIVE} == dict(OBJECTIVE)
    other = config_of(done, "half-seed2").to_json()
    assert {n for n in first if first[n] != other[n]} == {"seed", "subset_seed"}


def test_stage_two_follows_from_the_last_weights_of_stage_one(done):
    for name in ("half-seed1", "half-2d-seed2"):
        one, two = (done / "runs" / name / f"stage{n}" / "best" for n in (1, 2))
        assert load_checkpoint(two).about["initial"] == load_checkpoint(one).checkpoint_id
        config = config_of(done, name, 2)
        assert (config.stage, config.steps, config.fraction_3d) == (2, 2, 0.5)
        assert load_checkpoint(two).about["step"] == 2


def test_the_report_holds_every_run_and_says_how_it_was_made(done):
    told = metrics(done)
    rows = {row["row"]: row for row in told["metrics"]["rows"]}
    assert list(rows) == ["half", "half-2d"]
    for key, row in rows.items():
        assert row["paper"] == ROWS[key].paper_scores
        assert [run["seed"] for run in row["runs"]] == [1, 2]
        for name in (*PAPER_SCORES, "fid_upper", "fid_lower", "r_precision_1"):
            seeds = [run["scores"][name] for run in row["runs"]]
            assert row["scores"][name]["mean"] == pytest.approx(np.mean(seeds))
        assert bool(row["lift"]) == (key == "half-2d"), "where 2D is trained"
        assert row["trained_on"]["motions_3d"] < 15
    assert (
        rows["half"]["trained_on"]["motions_2d"]
        == 0
        < (rows["half-2d"]["trained_on"]["motions_2d"])
    )
    assert rows["half"]["trained_on"]["parameters"] < rows["half-2d"]["trained_on"]["parameters"]
    claims = {claim["claim"] for claim in told["metrics"]["claims"]}
    assert claims == {"2D helps where half of the 3D is missing"}
    assert any("only orderings compare" in warning for warning in told["warnings"])
    assert "4 steps of 2 clips" in told["facts"]["training"]
    assert told["facts"]["seeds"] == "1, 2"
    page = (done / "report.html").read_text()
    for row in rows.values():
        assert row["label"] in page


def test_the_lift_is_measured_as_it_is(done):
    """A network's own lift, measured again by hand."""
    told = metrics(done)["metrics"]["rows"][1]["runs"][0]["lift"]
    checkpoint = load_checkpoint(done / "runs" / "half-2d-seed1" / "stage1" / "best")
    motions = [m for i, m in enumerate(parts.captioned(parts.MOTIONS)) if i % 6 in (4, 5)]
    found = lift_errors(checkpoint, motions)
    assert found == pytest.approx(told, rel=1e-3)


def test_killed_and_begun_again_it_ends_with_the_same_scores(given, done, tmp_path):
    url, evaluators = given
    out = tmp_path / "out"
    killed_in(6, out, url, evaluators)
    before = trained(out)
    assert len(before) == 5
    assert not (out / "metrics.json").exists()
    run_ablation(parts.small(url, evaluators, out))
    assert len(trained(out)) == 8
    assert before.items() <= trained(out).items(), "what was finished is not trained again"
    ours, wanted = metrics(out)["metrics"], metrics(done)["metrics"]
    for kind in ("ground_truth", "claims"):
        assert ours[kind] == wanted[kind]
    for one, other in zip(ours["rows"], wanted["rows"], strict=True):
        assert one["scores"] == other["scores"]
        assert one["lift"] == other["lift"]


def killed_in(training: int, out: Path, url: str, evaluators: Path) -> None:
    """Run the small ablation in a process, and kill it when it has begun a training's steps."""
    environment = {
        **os.environ, "PYTHONPATH": os.pathsep.join([str(HERE.parent), str(HERE)]),
        "OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true",
    }  # fmt: skip
    command = [sys.executable, str(HERE / "ablation_parts.py"), str(out), url, str(evaluators)]
    begun = False
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment) as process:
        for line in process.stderr:
            begun = begun or line.startswith(f"training {training} of 8")
            if begun and line.startswith("step 1/"):
                break
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL


def test_finished_runs_are_kept_and_rows_and_seeds_may_grow(given, done, capsys):
    before = trained(done)
    report, _ = run_ablation(parts.small(*given, done, rows=("half", "half-2d", "front")))
    assert [outcome.row for outcome in report.rows] == ["half", "half-2d", "front"]
    assert before.items() <= trained(done).items()
    assert len(trained(done)) == len(before) + 4
    assert "8 of 12 trainings are done already" in capsys.readouterr().err
    assert config_of(done, "front-seed1").camera.quarters == 1
    (done / "runs" / "half-seed2" / "stage2" / TRAINED_FILE).unlink()  # as if it were not finished
    there = trained(done)
    fewer, _ = run_ablation(parts.small(*given, done, seeds=1))
    assert trained(done) == there, "fewer seeds than begun with: only those are asked for"
    assert {each.verdict for each in fewer.judged} == {"undecided"}
    assert any("a single seed" in warning for warning in metrics(done)["warnings"])
    run_ablation(parts.small(*given, done))  # as the other tests found it


def test_a_store_that_has_grown_is_read_as_it_was_at_the_beginning(given, tmp_path, capsys):
    url, out = parts.make_store(tmp_path), tmp_path / "out"
    asked = parts.small(url, given[1], out, rows=("full",), seeds=1, steps=1, stage_2=False)
    first, _ = run_ablation(asked)
    parts.add_data(url, "two", 12)
    again, _ = run_ablation(asked)
    assert "1 of 1 trainings are done already" in capsys.readouterr().err
    assert again.to_json() == first.to_json()
    assert metrics(out)["data"]["datasets"] == ["one"]
    newest = dataclasses.replace(asked, data=f"{url}@{open_training_set(url).lineage['version']}")
    with pytest.raises(ValueError, match="begun with version 1, not 2; datasets"):
        run_ablation(newest)


def test_rows_trained_by_other_or_unknown_code_are_told(given, done):
    """The record of an ablation that was begun before trainings said it has no code."""
    told = metrics(done)["facts"]
    assert told["trained by code"].startswith(f"{code_version()}, commit ")
    assert told["orderings decided"].split(",")[0] in {f"{n} of 3" for n in range(4)}
    file = done / "runs" / "half-seed2" / "stage1" / TRAINED_FILE
    record = json.loads(file.read_text())
    assert (record["code_version"], record["code_commit"]) == (code_version(), code_commit())
    for code, sentence in (
        ({"code_version": "0.0.9", "code_commit": "abc"}, "0.0.9, commit abc"),
        ({}, told["trained by code"]),
    ):
        kept = {name: value for name, value in record.items() if not name.startswith("code")}
        file.write_text(json.dumps(kept | code))
        run_ablation(parts.small(*given, done))
        assert sentence in metrics(done)["facts"]["trained by code"]
    file.write_text(json.dumps(record))
    assert _code_warnings(("1.0, commit a",)) == []
    assert "trained by different code (0.9" in _code_warnings(("0.9, commit a", "1.0, commit a"))[0]
    for codes in ((UNKNOWN_CODE, "1.0, commit a"), ("1.0, commit a-dirty",)):
        assert "not every training names its code" in _code_warnings(codes)[0]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"steps": 5}, "begun with steps 4, not 5: give the same options again"),
        ({"batch_size": 3}, "batch_size 2, not 3"),
        ({"preset": "small"}, "preset tiny, not small"),
        ({"stage_2": False}, "stage_2 True, not False"),
    ],
)
def test_other_settings_in_the_same_folder_are_refused(given, done, changes, sentence):
    before = trained(done)
    with pytest.raises(ValueError, match=sentence):
        run_ablation(parts.small(*given, done, **changes))
    assert trained(done) == before


def test_a_finished_run_that_was_changed_is_not_scored(given, done):
    file = done / "runs" / "half-seed2" / "stage2" / "best" / "stats.safetensors"
    whole = file.read_bytes()
    file.write_bytes(whole[:-4] + bytes(4))
    with pytest.raises(ValueError, match=r"does not hold the weights that were trained there: del"):
        run_ablation(parts.small(*given, done))
    file.write_bytes(whole)


def test_two_at_once_in_one_folder_are_refused(given, done):
    with (
        one_at_a_time(done, "an ablation"),
        pytest.raises(ValueError, match="an ablation is running in"),
    ):
        run_ablation(parts.small(*given, done))


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"rows": ()}, "choose from half, full"),
        ({"seeds": 0}, "--seeds 0: train with at least one seed"),
        ({"plan": dataclasses.replace(parts.PLAN, pool=32)}, "needs 32 motions"),
        ({"evaluators": Path("nowhere")}, "no evaluator in nowhere"),
        ({"data": "no-store"}, "no-store"),
        ({"datasets": ("two",)}, "has no motions of data set two"),
        ({"device": "gpu"}, "--device gpu: give auto, cpu, cuda"),
        ({"steps": -1}, "steps must be at least 1, got -1"),
        ({"steps": 0}, "steps must be at least 1, got 0"),
        ({"batch_size": 0}, "batch_size must be at least 1, got 0"),
    ],
)
def test_what_cannot_work_is_said_before_anything_is_trained(given, tmp_path, changes, sentence):
    options = dataclasses.replace(parts.small(*given, tmp_path / "out"), **changes)
    with pytest.raises((ValueError, StoreError), match=sentence):
        run_ablation(options)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("split", "sentence"), [("test", "no motion in its test split"), ("", "are not embedded")]
)
def test_data_that_cannot_be_scored_is_refused_at_once(given, tmp_path, split, sentence):
    motions = [
        dataclasses.replace(m, split=parts.SPLITS[i % 6]) for i, m in enumerate(parts.captioned(12))
    ]
    if not split:
        none = np.zeros((0, 0), np.float32)
        motions = [dataclasses.replace(m, embeddings=none) for m in motions]
    left = [m for m in motions if m.split != split]
    write_motions(left, tmp_path / "set.parquet", "hashed-1" if split else "")
    with pytest.raises(ValueError, match=sentence):
        run_ablation(parts.small(str(tmp_path / "set.parquet"), given[1], tmp_path / "out"))


def test_the_command_prints_one_object(given, done, capsys):
    asked = [
        "evaluate", "ablation", "--data", given[0], "--evaluators", str(given[1]), "--out",
        str(done), "--steps", "4", "--batch-size", "2", "--seeds", "2", "--rows", "half-2d", "half",
        "--pool", "4", "--replications", "2", "--sampling-steps", "2", "--device", "cpu", "--json",
    ]  # fmt: skip
    assert main(asked) == 0
    printed = json.loads(capsys.readouterr().out)
    assert [row["row"] for row in printed["rows"]] == ["half", "half-2d"]
    assert {"claims", "ground_truth", "report", "metrics", "run_id", "store_row"} <= set(printed)
    assert main([*asked, "--no-stage-2"]) == 2
    assert "stage_2 True, not False" in json.loads(capsys.readouterr().out)["error"]
