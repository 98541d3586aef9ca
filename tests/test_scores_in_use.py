"""A label's score from the store to whoever chooses by it: finetuning, listings, the report."""

import json
from dataclasses import replace

import pytest
import storage_shards as made
from finetune_parts import Parts, make_parts, quick

from flows.cli import main
from flows.finetune_data import open_wild
from flows.finetune_options import begun_options, check, plain
from flows.report import write_report
from models.checkpoint import load_checkpoint
from storage.recipes import register_recipe
from storage.shards import commit_shard
from storage.store import Store, create_store, open_store
from storage.wild_facts import wild_facts


@pytest.fixture(scope="module")
def scored(tmp_path_factory) -> Store:
    """Two clips with a score, and the others without."""
    store = create_store(tmp_path_factory.mktemp("scored") / "store")
    register_recipe(store, "demo", made.RECIPE)
    for first, score in ((0, 0.9), (6, 0.4), (12, None)):
        shard = made.shard(range(first, first + 6))
        error = None if score is None else 0.05
        rows = [replace(row, label_score=score, label_error=error) for row in shard.motions]
        commit_shard(store, replace(shard, motions=rows))
    return store


def listed(store: Store, capsys, *more: str) -> dict:
    assert main(["ls", "--store", store.location.root, "--motions", "--json", *more]) == 0
    return json.loads(capsys.readouterr().out)


def test_listings_take_a_lowest_score_and_count_who_has_none(scored, capsys):
    everybody = listed(scored, capsys)["rows"]
    scores = [row["label_score"] for row in everybody]
    for least in (0.0, 0.4, 0.5, 0.95):
        told = listed(scored, capsys, "--min-score", str(least))
        wanted = sum(s is not None and s >= least - 1e-6 for s in scores)
        # A stored 0.4 is a float32, a little above 0.4.
        assert len(told["rows"]) == wanted
        assert told["unscored"] == scores.count(None) > 0
    assert "unscored" not in listed(scored, capsys)
    assert main(["ls", "--store", scored.location.root, "--motions", "--min-score", "0.5"]) == 0
    told = capsys.readouterr().out
    assert "label_score" in told and f"{scores.count(None)} motions from video have no" in told


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--min-score", "0.5"], "give --motions with it"),
        (["--motions", "--min-score", "5"], "0 to 1"),
        (["--runs", "--min-score", "0.5"], "leave the other filters out"),
    ],
)
def test_a_lowest_score_in_the_wrong_place_is_refused(scored, capsys, arguments, sentence):
    assert main(["ls", "--store", scored.location.root, *arguments]) == 2
    assert sentence in capsys.readouterr().err


def test_the_report_shows_scores_and_expected_errors(scored, tmp_path):
    page = write_report(scored.location.root, tmp_path / "report.html").read_text()
    assert page.count('aria-label="Histogram of score over') == 1
    assert page.count('aria-label="Histogram of expected error over') == 1


@pytest.fixture(scope="module")
def parts(samples, tmp_path_factory) -> Parts:
    return make_parts(tmp_path_factory.mktemp("parts"), samples)


def test_a_finetuning_weighs_stored_labels_by_their_score(parts, tmp_path, monkeypatch):
    store = open_store(parts.wild)
    facts = wild_facts(store, ["films"])
    first, *others = sorted(facts)
    given = {**facts, first: replace(facts[first], label_score=0.8)}
    monkeypatch.setattr("flows.finetune_data.wild_facts", lambda *_: given)
    options = parts.options(tmp_path, quality="score", min_score=0.2, holdout=None)
    check(options)
    with quick():
        wild = open_wild(str(parts.wild), options, load_checkpoint(parts.parent))
    weights = {motion.motion_id: weight for motion, weight in wild.selection.train}
    assert weights[first] == pytest.approx(0.8)
    assert wild.selection.unscored == len(others)
    for name in others:
        off = (facts[name].reprojection_m or 0.0) / 0.1
        assert weights[name] == pytest.approx(1 / (1 + off**2))


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"min_score": 0.5}, "--min-score needs --quality score"),
        ({"quality": "score", "min_score": 1.5}, "--min-score 1.5"),
        ({"quality": "score", "min_score": float("nan")}, "--min-score nan"),
        ({"quality": "score", "poor": "drop"}, "--poor drop needs"),
        ({"quality": "score", "only_2d": True}, "--only-2d uses no 3D label"),
    ],
)
def test_scores_are_asked_for_in_their_place(parts, tmp_path, changes, sentence):
    with pytest.raises(ValueError, match=sentence):
        check(parts.options(tmp_path, **changes))


def test_a_run_from_before_there_were_scores_goes_on(parts, tmp_path):
    options = parts.options(tmp_path)
    told = {name: value for name, value in plain(options).items() if name != "min_score"}
    assert begun_options(told, options).min_score is None
