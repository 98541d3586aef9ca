"""`crossdiff finetune`: chosen, trained, judged once, promoted or rejected, whatever is killed."""

import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from finetune_parts import ACTIONS, DATASET, Parts, clip_rows, make_parts, quick
from mocap_archives import Hashed
from motion_store import RECIPE

import flows.finetune as finetune
import flows.gate as gate
import flows.publish as publish
import models.promotion as promotion
from flows.cli import main
from flows.finetune import run_finetune
from flows.finetune_data import open_wild
from flows.gate import run_gate
from flows.options import IngestOptions
from models.checkpoint import load_checkpoint
from models.checkpoint_id import checkpoint_id, resolve_checkpoint
from storage.decisions import Decision, record_decisions
from storage.rows import ShardRows
from storage.runs import read_runs
from storage.shards import commit_shard
from storage.store import open_store

HERE = Path(__file__).parent


@pytest.fixture(autouse=True)
def on_cpu(monkeypatch):
    monkeypatch.setenv("ACCELERATE_USE_CPU", "true")
    with quick():
        yield


@pytest.fixture(scope="module")
def parts(samples, tmp_path_factory) -> Parts:
    return make_parts(tmp_path_factory.mktemp("parts"), samples)


@pytest.fixture(scope="module")
def done(parts, tmp_path_factory) -> tuple[Path, dict]:
    """A finetuning that nothing disturbed."""
    out = tmp_path_factory.mktemp("models") / "run"
    os.environ["ACCELERATE_USE_CPU"] = "true"
    with quick(samples=True):
        return out, run_finetune(parts.options(out))[0]


def rows_of(parts: Parts, out: Path) -> list:
    """The runs that a folder has rows of."""
    runs = read_runs(open_store(parts.wild))
    return sorted(
        (r.kind, r.what) for r in runs if r.out and Path(r.out).is_relative_to(out.absolute())
    )


def test_a_better_checkpoint_is_promoted_and_the_folder_of_models_stands_for_it(done, parts):
    out, told = done
    assert told["gate"]["verdict"] == "promoted", told["gate"]["reasons"]
    assert resolve_checkpoint(out.parent) == out.parent / "run" / "best"
    assert load_checkpoint(out.parent).checkpoint_id == told["checkpoint_id"]
    assert told["parent_id"] == checkpoint_id(parts.parent)
    assert rows_of(parts, out) == [("evaluate", "finetune"), ("finetune", "in-the-wild")]
    (row,) = (r for r in read_runs(open_store(parts.wild), kind="finetune") if r.out == str(out))
    assert row.datasets == (DATASET,) and row.checkpoint_ids[1] == told["checkpoint_id"]


def test_what_is_held_out_was_not_trained_on_and_the_run_says_so_before_it_trains(done):
    out, told = done
    begun = json.loads((out / "finetune.json").read_text())
    assert told["held_out"] == len(begun["held_out"]) == len(ACTIONS)
    assert not set(begun["held_out"]).intersection(begun["train"])
    assert begun["wild"]["pinned"].endswith(f"@{begun['wild']['version']}")
    assert begun["parent"]["checkpoint_id"] == told["parent_id"]
    trained = json.loads((out / "config.json").read_text())
    assert trained["finetune"] == begun["run_id"] and trained["train"]["wild_ratio"] == 0.5


def test_the_same_command_gives_the_same_verdict_without_measuring_again(done, parts, monkeypatch):
    out, told = done
    monkeypatch.setattr(gate, "run_measures", None)
    monkeypatch.setattr(finetune, "train", None)
    assert run_finetune(parts.options(out))[0] == told
    assert run_gate(out)[0] == told["gate"]
    assert run_finetune(replace(parts.options(out), data=None, wild=None, resume=True))[0] == told


def test_the_page_shows_both_networks_and_what_was_left_out(done):
    _, told = done
    page = Path(told["gate"]["report"]).read_text(encoding="utf-8")
    for words in ("Passed", "PA-MPJPE", "reprojection", "finetuned", "parent", "Text to motion"):
        assert words in page
    assert all(action in page for action in ACTIONS)


def test_a_worse_checkpoint_is_kept_and_rejected_with_reasons(parts, tmp_path, capsys):
    options = parts.options(tmp_path / "m" / "run")
    changes = {**options.changes, "learning_rate": 0.3}
    told, lines = run_finetune(replace(options, changes=changes))
    judged = told["gate"]
    assert judged["verdict"] == "rejected" and judged["promotion"] is None
    assert any("motion capture" in reason for reason in judged["reasons"])
    assert "is rejected" in " ".join(lines)
    assert load_checkpoint(tmp_path / "m" / "run" / "best").checkpoint_id == told["checkpoint_id"]
    assert not (tmp_path / "m" / "promoted.json").exists()
    assert "Rejected" in Path(judged["report"]).read_text(encoding="utf-8")
    capsys.readouterr()
    assert main(["gate", str(options.out), "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["verdict"] == "rejected"
    assert main(["checkpoint", "promote", str(options.out)]) == 0
    pointer = json.loads((tmp_path / "m" / "promoted.json").read_text())
    assert pointer["by"] == "hand" and pointer["checkpoint_id"] == told["checkpoint_id"]


class KilledError(BaseException):
    """Nothing of ours catches it."""


def dying(function, before: bool):
    def die(*arguments, **named):
        if not before:
            function(*arguments, **named)
        raise KilledError

    return die


DEATHS = [
    (finetune, "_finish", True),
    (finetune, "record_run", True),
    (finetune, "record_run", False),
    (gate, "run_measures", True),
    (publish, "record_run", False),
    (gate, "promote", True),
    (promotion, "write_whole", True),
    (promotion, "write_whole", False),
    (gate, "write_json", True),
]
"""Where the run dies one time after another: module, function, and whether before it."""


def test_dying_at_every_step_after_the_training_changes_nothing(done, parts, tmp_path, monkeypatch):
    monkeypatch.setattr(finetune, "say", lambda _line: None)
    options = parts.options(tmp_path / "m" / "run")
    for module, name, before in DEATHS:
        with monkeypatch.context() as patch:
            patch.setattr(module, name, dying(getattr(module, name), before))
            with pytest.raises(KilledError):
                run_finetune(options)
        assert not (options.out / "gate.json").exists()
    told, _ = run_finetune(options)
    same(told, done[1])
    assert rows_of(parts, options.out) == [("evaluate", "finetune"), ("finetune", "in-the-wild")]
    assert resolve_checkpoint(tmp_path / "m") == tmp_path / "m" / "run" / "best"
    assert json.loads((tmp_path / "m" / "promoted.json").read_text())["history"] == []


def same(told: dict, wanted: dict) -> None:
    """The same weights, judged by the same figures."""
    assert told["checkpoint_id"] == wanted["checkpoint_id"]
    for name in ("verdict", "reasons", "notes", "mocap", "wild"):
        assert told["gate"][name] == wanted["gate"][name], name


def test_killed_with_sigkill_while_the_gate_measures_it_ends_the_same(done, parts, tmp_path):
    out = tmp_path / "m" / "run"
    command = [sys.executable, str(HERE / "finetune_victim.py")]
    command += [str(parts.mocap), str(parts.wild), str(parts.parent), str(out)]
    paths = os.pathsep.join([str(HERE.parent), str(HERE)])
    died = subprocess.run(
        command, check=False, timeout=240, capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": paths},
    )  # fmt: skip
    assert died.returncode == -signal.SIGKILL, died.stderr
    assert (out / "trained.json").exists() and not (out / "gate.json").exists()
    told, _ = run_finetune(parts.options(out))
    same(told, done[1])
    assert rows_of(parts, out) == [("evaluate", "finetune"), ("finetune", "in-the-wild")]


def test_stopped_by_time_it_goes_on_and_is_not_judged_before_its_end(parts, tmp_path):
    options = parts.options(tmp_path / "m" / "run")
    told, lines = run_finetune(replace(options, max_minutes=0.0))
    assert not told["finished"] and "same command" in lines[0]
    with pytest.raises(ValueError, match="not finished"):
        run_gate(options.out)
    assert rows_of(parts, options.out) == []
    again, _ = run_finetune(replace(options, gate=False))
    assert again["finished"] and "gate" not in again
    assert not (options.out / "gate.json").exists()


def test_what_was_committed_since_the_beginning_is_not_read(parts, samples, tmp_path):
    wild = tmp_path / "films"
    shutil.copytree(parts.wild, wild)
    options = replace(parts.options(tmp_path / "m" / "run"), wild=str(wild), max_minutes=0.0)
    run_finetune(options)
    before = (options.out / "finetune.json").read_bytes()
    rows = clip_rows(samples, ACTIONS[0], 7)
    commit_shard(
        open_store(wild), ShardRows(DATASET, "s2", RECIPE.recipe_id, *([row] for row in rows))
    )
    held = json.loads(before)["held_out"]
    record_decisions(
        open_store(wild), [Decision(motion_id=name, by="me", verdict="drop") for name in held]
    )
    told, _ = run_finetune(replace(options, max_minutes=None))
    assert told["finished"] and (options.out / "finetune.json").read_bytes() == before
    fresh = open_wild(str(wild), options, load_checkpoint(parts.parent))
    assert not set(held).intersection(m.motion_id for m in fresh.selection.held_out)


def test_captions_come_from_the_curator_then_the_users_file_then_ours(parts, tmp_path, monkeypatch):
    wild = tmp_path / "films"
    shutil.copytree(parts.wild, wild)
    file = tmp_path / "mine.json"
    file.write_text(json.dumps({ACTIONS[0]: ["mine", "mine too"]}))
    encoder = Hashed()
    monkeypatch.setattr("flows.finetune_data.encoder_for_checkpoint", lambda *_: encoder)
    options = replace(parts.options(tmp_path / "run"), captions=file)
    parent = load_checkpoint(parts.parent)
    chosen = open_wild(str(wild), options, parent).selection
    first = chosen.train[0][0].motion_id
    record_decisions(open_store(wild), [Decision(motion_id=first, by="me", captions=("theirs",))])
    encoder.asked.clear()
    opened = open_wild(str(wild), options, parent)
    said = {m.motion_id: m.captions for m, _ in opened.selection.train}
    by_action = {m.action: m.captions for m, _ in opened.selection.train if m.motion_id != first}
    assert said[first] == ("theirs",)
    assert by_action[ACTIONS[0]] == ("mine", "mine too")
    assert by_action[ACTIONS[1]] == opened.sentences[ACTIONS[1]] and by_action[ACTIONS[1]]
    assert len(encoder.asked) == len(set(encoder.asked))
    assert opened.lineage["decisions_version"] is not None


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"actions": ("YoYo",)}, "no clip shows YoYo"),
        ({"actions": ACTIONS[:1], "wild": "one"}, "leaves nothing to judge by.*--actions"),
        ({"quality": "filter", "max_reprojection": 0.001, "poor": "drop"}, "no motion to train on"),
        ({"wild_ratio": 0.0}, "--wild-ratio 0.0"),
        ({"holdout": 1.5}, "--holdout 1.5"),
        ({"tolerance": 7.0}, "--tolerance 7.0"),
        ({"quality": "none", "max_reprojection": 0.1}, "leave out one of the two"),
        ({"checkpoint": None, "data": None}, "--data and --checkpoint missing"),
        ({"resume": True}, "holds no finetuning to continue"),
    ],
)
def test_what_cannot_be_done_is_told_in_a_sentence_and_leaves_nothing(
    parts, samples, tmp_path, changes, said
):
    if changes.get("wild") == "one":
        changes = {**changes, "wild": str(tmp_path / "one")}
        shutil.copytree(parts.wild, tmp_path / "one")
        store = open_store(tmp_path / "one")
        held = open_wild(str(parts.wild), parts.options(tmp_path), load_checkpoint(parts.parent))
        drop = [m.motion_id for m in held.selection.held_out]
        drop += [m.motion_id for m, _ in held.selection.train if m.action == ACTIONS[0]][1:]
        record_decisions(store, [Decision(motion_id=i, by="me", verdict="drop") for i in drop])
    options = replace(parts.options(tmp_path / "run"), **changes)
    with pytest.raises(ValueError, match=said):
        run_finetune(options)
    assert not (tmp_path / "run" / "finetune.json").exists()


def test_another_command_on_the_same_folder_is_refused_by_the_option_that_differs(done, parts):
    out, _ = done
    for changes, said in (
        ({"wild_ratio": 0.25}, "--wild-ratio 0.5, not 0.25"),
        ({"tolerance": 0.1, "resume": True}, "--tolerance 0.02, not 0.1"),
        ({"actions": ACTIONS[:1]}, "--actions"),
    ):
        with pytest.raises(ValueError, match=said):
            run_finetune(replace(parts.options(out), **changes))


def test_a_parent_that_was_overtaken_is_refused_before_anything_is_trained(done, parts):
    out, told = done
    with pytest.raises(ValueError, match=f"has promoted {told['checkpoint_id']}"):
        run_finetune(parts.options(out.parent / "other"))
    assert not (out.parent / "other" / "finetune.json").exists()
    overtaken = gate.refusal(out.parent, "candidate", told["parent_id"])
    assert "--checkpoint" in overtaken


def test_an_ingest_keeps_to_the_checkpoint_that_was_promoted_when_it_began(
    done, tmp_path, monkeypatch
):
    out, _ = done
    seen: list[IngestOptions] = []

    def ingest(options: IngestOptions) -> None:
        seen.append(options)
        raise KilledError

    monkeypatch.setattr("flows.run_ingest._ingest", ingest)
    arguments = ["ingest", str(tmp_path), "--dataset", "d", "--out", str(tmp_path / "s")]
    with pytest.raises(KilledError):
        main([*arguments, "--checkpoint", str(out.parent)])
    assert seen[0].checkpoint == out / "best"


def test_several_processes_are_refused(parts, tmp_path, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(ValueError, match="one process"):
        run_finetune(parts.options(tmp_path / "run"))
