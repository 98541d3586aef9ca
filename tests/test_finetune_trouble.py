"""Finetunings begun with odd data, promoted too early, moved, or continued with half a command."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from finetune_parts import ACTIONS, DATASET, RECORDINGS, Parts, clip_rows, make_parts, quick
from motion_store import RECIPE

import flows.finetune as finetune
from flows.finetune import run_finetune
from flows.finetune_data import open_mocap, open_wild
from flows.finetune_options import FinetuneOptions, begun_options, check, plain
from flows.gate import promote_by_hand, run_gate
from models.checkpoint import load_checkpoint
from models.checkpoint_id import resolve_checkpoint
from models.train.wild_stage import PAPER_EPOCHS
from storage.recipes import register_recipe
from storage.rows import ShardRows, motion_id
from storage.shards import commit_shard
from storage.store import Store, create_store, open_store
from storage.wild_facts import wild_facts


@pytest.fixture(autouse=True)
def on_cpu(monkeypatch):
    monkeypatch.setenv("ACCELERATE_USE_CPU", "true")
    with quick():
        yield


@pytest.fixture(scope="module")
def parts(samples, tmp_path_factory) -> Parts:
    return make_parts(tmp_path_factory.mktemp("parts"), samples)


def commit(store: Store, dataset: str, rows: list[tuple]) -> None:
    """Store clips under the name of a data set."""
    register_recipe(store, dataset, RECIPE)
    videos, tracks, motions = (
        [replace(r, dataset=dataset) for r in k] for k in zip(*rows, strict=True)
    )
    own = [replace(m, motion_id=motion_id(dataset, m.video_hash, 0, 0)) for m in motions]
    commit_shard(store, ShardRows(dataset, "s1", RECIPE.recipe_id, videos, tracks, own))


def test_a_recording_of_two_data_sets_is_on_one_side(parts, samples, tmp_path):
    """By its content where a copy has no group, by its group where another clip of it was taken."""
    wild = tmp_path / "films"
    shutil.copytree(parts.wild, wild)
    each = [(action, number) for action in ACTIONS for number in range(RECORDINGS)]
    copies = [clip_rows(samples, *which) for which in each]
    renamed = [(replace(video, group=None), *rest) for video, *rest in copies]
    commit(open_store(wild), "renamed", renamed)
    others = [(clip_rows(samples, action, number + 50), number) for action, number in each]
    more = [(replace(v, group=f"g{number:02d}"), *rest) for (v, *rest), number in others]
    commit(open_store(wild), "more", more)
    facts = wild_facts(open_store(wild), [DATASET, "renamed", "more"])
    assert len(facts) == 3 * len(each) and len({f.recording for f in facts.values()}) == len(each)
    alone = wild_facts(open_store(wild), [DATASET])
    assert {name: facts[name] for name in alone} == alone  # nobody changes sides by what came later
    opened = open_wild(str(wild), parts.options(tmp_path), load_checkpoint(parts.parent))
    trained = {m.source_hash for m, _ in opened.selection.train}
    assert not trained & {m.source_hash for m in opened.selection.held_out}


def test_video_is_no_motion_capture_even_where_every_joint_was_seen(parts, samples, tmp_path):
    clips = []
    for number in range(4):
        video, track, motion = clip_rows(samples, ACTIONS[0], number)
        split = ("train", "val")[number % 2]
        seen = np.ones_like(motion.joint_mask)
        clips.append((video, track, replace(motion, joint_mask=seen, split=split)))
    store = create_store(tmp_path / "films")
    commit(store, DATASET, clips)
    with pytest.raises(ValueError, match=r"--data .* holds motions from video.*--datasets"):
        open_mocap(str(tmp_path / "films"), (DATASET,), load_checkpoint(parts.parent))


def test_an_unfinished_run_is_not_promoted_and_a_moved_one_is_judged_where_it_lies(parts, tmp_path):
    models, moved = tmp_path / "m", tmp_path / "moved"
    shutil.copytree(parts.parent, models / "parent")
    options = replace(parts.options(models / "run"), checkpoint=models / "parent", gate=False)
    run_finetune(replace(options, max_minutes=0.0))
    with pytest.raises(ValueError, match="not finished, its weights still change"):
        promote_by_hand(options.out, None)
    assert not (models / "promoted.json").exists()
    run_finetune(options)
    models.rename(moved)
    judged, _ = run_gate(moved / "run")
    assert judged["verdict"] == "promoted" and judged["models"] == str(moved)
    assert resolve_checkpoint(moved) == moved / "run" / "best" and not models.exists()


def test_the_papers_epochs_are_counted_in_the_batches_that_were_asked_for(parts):
    clips = SimpleNamespace(selection=SimpleNamespace(train=[None] * 30))
    parent = load_checkpoint(parts.parent)
    asked = replace(parts.options(Path("run")), preset="paper", changes={"batch_size": 24})
    config = finetune._config(finetune._Prepared(asked, {}, parent, None, clips))
    assert config.batch_size == 24 and config.steps * config.wild_count == PAPER_EPOCHS * 30


def test_a_training_that_diverges_says_what_to_do(parts, tmp_path):
    options = parts.options(tmp_path / "run")
    diverging = {**options.changes, "learning_rate": 1e30}
    with pytest.raises(ValueError, match=r"diverged.*smaller --learning-rate"):
        run_finetune(replace(options, changes=diverging))
    with pytest.raises(ValueError, match="learning_rate inf"):
        run_finetune(
            replace(parts.options(tmp_path / "other"), changes={"learning_rate": float("inf")})
        )


def test_a_damaged_file_of_a_run_is_told_in_a_sentence(tmp_path):
    (tmp_path / "finetune.json").write_text('{"options": {"changes": {}}}')
    with pytest.raises(ValueError, match=r"finetune.json is damaged, it lacks data: "):
        run_finetune(FinetuneOptions(tmp_path, resume=True))
    with pytest.raises(ValueError, match="is damaged"):
        run_gate(tmp_path)


BEGUN = {"steps": 50, "batch_size": 4}


def begun(**asked: object) -> FinetuneOptions:
    """What becomes of a command on a run that was begun with `BEGUN`."""
    told = json.loads(json.dumps(plain(FinetuneOptions(Path("run"), data="d", changes=BEGUN))))
    del told["seen_weight"]  # a run from before there was this option
    return begun_options(told, FinetuneOptions(Path("run"), **asked))


def test_a_continued_run_may_name_some_of_its_options_and_is_told_which_one_differs():
    assert begun(resume=True, changes={"steps": 50}).changes == BEGUN
    assert begun(data="d", changes=BEGUN).seen_weight == 0.0
    with pytest.raises(ValueError, match="begun with --steps 50, not 60: "):
        begun(resume=True, changes={"steps": 60})
    with pytest.raises(ValueError, match="begun with --batch-size 4, not None: "):
        begun(data="d", changes={"steps": 50})


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"seen_weight": float("inf")}, "--seen-weight inf"),
        ({"max_reprojection": float("inf")}, "--max-reprojection inf"),
        ({"only_2d": True, "seen_weight": 0.1}, "--only-2d uses no 3D label"),
        ({"only_2d": True, "quality": "filter"}, "--only-2d uses no 3D label"),
        ({"poor": "drop"}, "--poor drop needs --quality filter"),
    ],
)
def test_an_option_that_would_do_nothing_is_refused(asked, said):
    with pytest.raises(ValueError, match=said):
        check(FinetuneOptions(Path("run"), **asked))
