"""Text to motion, scored: what the rows share, what is never silent, what bad parts get told."""

import dataclasses

import numpy as np
import pytest
from evaluation_parts import (
    ENCODER,
    PLAN,
    RandomEvaluator,
    captioned,
    entrant,
    evaluators,
    items_of,
    same_embeddings,
    texts_of,
)
from tiny_generator import tiny_checkpoint

from models.evaluation import sample_cache
from models.evaluation.checkpoint_scores import Task, wanted
from models.evaluation.conduct import Conduct
from models.evaluation.contestants import contestant, distinct_labels, texts_for_evaluator
from models.evaluation.items import choose_items
from models.evaluation.plan import EvaluationPlan, draw_replication
from models.evaluation.scores import SCORES
from models.evaluation.text_to_motion import evaluate_text_to_motion
from models.generate.generation import GeneratedMotion
from pipeline.skeletons import HUMANML3D, KIT

SMALL = dataclasses.replace(PLAN, multimodality_texts=0)


@pytest.fixture(scope="module")
def items():
    return items_of()


@pytest.fixture(scope="module")
def report(items):
    entries = [entrant(items, "first"), entrant(items, "second")]
    return evaluate_text_to_motion(items, texts_of(items), entries, evaluators(), PLAN)


def values_of(row) -> dict:
    return {name: value.values for name, value in {**row.scores, **row.physical}.items()}


def test_every_row_has_every_score_once_a_replication(report):
    truth, *rows = report.rows
    assert [row.label for row in report.rows] == ["ground truth", "first", "second"]
    assert set(truth.scores) == set(SCORES) - {"multimodality"}
    for row in rows:
        assert set(row.scores) == set(SCORES)
        assert {len(values) for values in values_of(row).values()} == {2}
    assert [truth.scores[f].values for f in ("fid", "fid_upper", "fid_lower")] == [(0.0, 0.0)] * 3
    assert all(value.mean > 0 for value in report.chance.values())


def test_all_rows_share_the_draws_and_the_same_seed_draws_them_again(items, report):
    _, first, second = report.rows  # the same weights twice: nothing but the label differs
    assert values_of(first) == values_of(second)
    again = evaluate_text_to_motion(
        items, texts_of(items), [entrant(items, "alone")], evaluators(), PLAN
    )
    assert values_of(again.rows[1]) == values_of(first)
    assert values_of(again.rows[0]) == values_of(report.rows[0])
    other = evaluate_text_to_motion(
        items, texts_of(items), [entrant(items)], evaluators(), dataclasses.replace(PLAN, seed=2)
    )
    assert other.rows[1].scores["mm_dist"].values != first.scores["mm_dist"].values
    assert other.rows[0].scores["diversity"].values != report.rows[0].scores["diversity"].values


def test_replications_differ_in_captions_and_noise(items):
    draws = [draw_replication(items.captions_of_each, PLAN, r) for r in (0, 1)]
    task = Task(items, None, {}, PLAN, draws, ())
    entry = entrant(items)
    asked = [
        wanted(task, entry, draw, item, copy)
        for draw in task.draws
        for item in range(len(items))
        for copy in (0, 1)
    ]
    assert len({w.request.noise_seed for w in asked}) == len(asked)
    assert [w.request.frames for w in asked[::2]] == 2 * [len(i.rows) for i in items.items]


def test_ground_truth_and_captions_are_embedded_once(items):
    parts = evaluators()
    plan = dataclasses.replace(PLAN, replications=4)
    entries = [entrant(items, "a"), entrant(items, "b")]
    evaluate_text_to_motion(items, texts_of(items), entries, parts, plan)
    assert parts["all"].seen["texts"] == len(items.captions)
    for part, evaluator in parts.items():
        assert all(evaluator.seen[id(item.rows)] == 1 for item in items.items)
        drawn = 4 * 2 * (len(items) + (2 * 3 if part == "all" else 0))
        assert evaluator.seen["motions"] == len(items) + drawn


def test_samples_that_are_the_ground_truth_score_as_it_does(items, monkeypatch):
    entry = entrant(items)
    draws = [draw_replication(items.captions_of_each, SMALL, r) for r in range(2)]
    task = Task(items, None, {}, SMALL, draws, ())
    rows = {
        wanted(task, entry, draw, i, 0).request.noise_seed: item.rows
        for draw in draws
        for i, item in enumerate(items.items)
    }

    def perfect(_checkpoint, requests, _settings, **_rest):
        for i, request in enumerate(requests):
            yield i, GeneratedMotion(rows[request.noise_seed].copy(), np.zeros(0))

    monkeypatch.setattr(sample_cache, "drawn_motions", perfect)
    found = evaluate_text_to_motion(items, texts_of(items), [entry], evaluators(), SMALL)
    truth, row = found.rows
    for name, value in row.scores.items():
        assert value.values == pytest.approx(truth.scores[name].values, abs=1e-5), name
    for name, value in row.physical.items():
        assert value.mean == pytest.approx(truth.physical[name].mean, rel=1e-6, abs=1e-9), name
    scene = found.scenes[0]
    np.testing.assert_allclose(scene.motions[0][1], scene.motions[1][1], atol=1e-6)


def test_scenes_play_different_captions_with_all_rows_in_metres(items, report):
    assert len(report.scenes) == len({scene.caption for scene in report.scenes}) == 6
    by_id = {item.motion_id: item for item in items.items}
    for scene in report.scenes:
        labels, joints = zip(*scene.motions, strict=True)
        assert labels == ("ground truth", "first", "second")
        assert {j.shape for j in joints} == {(len(by_id[scene.motion_id].rows), 22, 3)}
        assert scene.caption in [c.caption for c in by_id[scene.motion_id].captions]


def test_seconds_are_told_by_stage(report):
    stages = ("embed ground truth and captions", "draw first", "embed drawn motions", "scores")
    assert all(report.seconds[name] > 0 for name in stages)


def test_kit_motions_are_scored_in_their_own_units():
    found = items_of(9, SMALL, KIT)
    report = evaluate_text_to_motion(
        found, texts_of(found), [entrant(found)], evaluators(KIT), SMALL
    )
    assert report.skeleton == KIT.name
    truth = report.scenes[0].motions[0][1]
    assert truth.shape[1:] == (21, 3)
    assert 0.3 < np.ptp(truth[0, :, 1]) < 3.0  # metres
    assert report.rows[0].physical["bone_variation"].mean < 1e-3


# What is left out, cut or too small is said


def test_motions_are_cut_to_units_of_four_and_to_what_the_network_draws():
    motions = same_embeddings(captioned(12))
    items = choose_items(motions, HUMANML3D, PLAN, longest=30)
    for item, motion in zip(items.items, motions, strict=True):
        assert len(item.rows) == min(28, len(motion.features) // 4 * 4)
        np.testing.assert_array_equal(item.rows, motion.features[: len(item.rows)])
    assert "cut to 28 rows" in " ".join(items.warnings)
    assert choose_items(motions, HUMANML3D, PLAN).warnings == ()


def test_motions_that_cannot_be_scored_are_left_out_and_named():
    motions = same_embeddings(captioned(14))
    poisoned = motions[3].features.copy()
    poisoned[5, 7] = np.nan
    motions[3] = dataclasses.replace(motions[3], features=poisoned)
    motions[4] = dataclasses.replace(
        motions[4], captions=(), tokens=(), embeddings=np.zeros((0, 0))
    )
    short = motions[5]
    motions[5] = dataclasses.replace(short, joints=short.joints[:4], features=short.features[:3])
    motions[6] = dataclasses.replace(motions[6], view=motions[6].joints[..., :2])
    items = choose_items(motions, HUMANML3D, PLAN)
    assert (len(items), items.in_split) == (10, 14)
    said = " | ".join(items.warnings)
    for part in (
        "1 of 14 motions are left out, their features are not finite: m003",
        "they have no caption: m004",
        "they are shorter than 4 rows: m005",
        "labelled video): m006",
    ):
        assert part in said
    report = evaluate_text_to_motion(items, texts_of(items), [entrant(items)], evaluators(), SMALL)
    assert set(items.warnings) <= set(report.warnings)


@pytest.mark.parametrize(
    ("motions", "says"),
    [
        ([], "the split test has no motion: choose another"),
        (
            [dataclasses.replace(m, captions=(), tokens=()) for m in captioned(5)],
            "no motion of the split test can be scored: 5 because they have no caption",
        ),
        (captioned(3), r"needs 4 motions, the split test has 3 .* --pool 3"),
    ],
)
def test_splits_that_cannot_be_scored_are_refused(motions, says):
    with pytest.raises(ValueError, match=says):
        choose_items(motions, HUMANML3D, PLAN)


def test_few_motions_give_warnings_with_numbers():
    plan = EvaluationPlan(replications=1, pool=4, multimodality_texts=0)
    items = items_of(9, plan)
    wide = {p: RandomEvaluator(p, width=16) for p in ("all", "lower")}
    report = evaluate_text_to_motion(items, texts_of(items), [], wide, plan)
    said = " | ".join(report.warnings)
    for part in (
        "Diversity is the mean of 9 pairs instead of 300",
        "FID, FID-L: biased upwards, since 9 motions give singular covariances, of rank 8 for 16",
        "no FID-U: there are no evaluators",
        "pools of 4 does not compare with pools of 32",
        "replications: 1 instead of 20",
        "captions are read at random",
    ):
        assert part in said, part
    assert report.limits.left_over == 1
    assert report.rows[0].scores["fid"].half_width is None
    assert set(report.to_json()["warnings"]) == set(report.warnings)


def test_enough_motions_give_no_warning_of_a_singular_covariance(report):
    assert "singular" not in " ".join(report.warnings)  # 14 motions, 12 numbers


def test_captions_that_repeat_in_a_pool_are_counted():
    motions = same_embeddings(captioned(12))
    same = [dataclasses.replace(m, captions=("a man walks", "a man walks")) for m in motions]
    items = choose_items(same, HUMANML3D, SMALL)
    report = evaluate_text_to_motion(items, texts_of(items), [], evaluators(), SMALL)
    assert report.limits.repeated_in_pool == 1.0
    assert report.limits.distinct_captions == 1
    assert "100% of the captions in a pool of 4" in " ".join(report.warnings)


# Parts that do not fit together


def test_a_motion_that_is_not_finite_is_named_and_nothing_of_it_is_kept(items, tmp_path):
    entry = entrant(items)
    largest = np.full(263, np.finfo(np.float32).max)
    statistics = dataclasses.replace(entry.checkpoint.statistics, std3=largest, mean3=largest)
    bad = dataclasses.replace(
        entry, checkpoint=dataclasses.replace(entry.checkpoint, statistics=statistics)
    )
    finite = r"not finite \(motion m0\d\d, replication 1, '.*'\)"
    with np.errstate(all="ignore"), pytest.raises(ValueError, match=finite):
        evaluate_text_to_motion(
            items, texts_of(items), [bad], evaluators(), SMALL, Conduct(folder=tmp_path)
        )
    assert list(tmp_path.rglob("*.*")) == []


def test_parts_of_another_skeleton_are_refused(items):
    with pytest.raises(ValueError, match=r"checkpoint tiny is made for kitml21 \(251 numbers"):
        contestant("kit", tiny_checkpoint(KIT), items, ENCODER)
    with pytest.raises(ValueError, match="evaluator random-all is made for kitml21"):
        texts_for_evaluator(items, RandomEvaluator(skeleton=KIT), ENCODER)
    mixed = {"all": RandomEvaluator(), "upper": RandomEvaluator("upper", KIT)}
    with pytest.raises(ValueError, match="evaluator random-upper is made for kitml21"):
        evaluate_text_to_motion(items, texts_of(items), [], mixed, SMALL)
    with pytest.raises(ValueError, match="no evaluator of the whole body"):
        evaluate_text_to_motion(
            items, texts_of(items), [], {"upper": RandomEvaluator("upper")}, SMALL
        )


def test_evaluators_that_read_what_the_data_do_not_have_are_refused(items):
    other = RandomEvaluator(text_source="clip-text-0123")
    with pytest.raises(
        ValueError, match="reads embeddings of clip-text-0123, the data hold tests-"
    ):
        texts_for_evaluator(items, other, ENCODER)
    words = RandomEvaluator(text_source="glove")
    assert texts_for_evaluator(items, words, ENCODER) == items.captions
    silent = choose_items(
        [dataclasses.replace(m, tokens=()) for m in same_embeddings(captioned(6))],
        HUMANML3D,
        PLAN,
    )
    with pytest.raises(ValueError, match="reads words, 12 of 12 captions have no tokens"):
        texts_for_evaluator(silent, words, ENCODER)


def test_evaluators_of_the_packaged_encoder_can_read_any_data(items):
    texts = texts_for_evaluator(items, RandomEvaluator(text_source="all-MiniLM-L6-v2"), ENCODER)
    assert {text.embedding.shape for text in texts} == {(384,)}
    assert [text.caption for text in texts] == [text.caption for text in items.captions]


def test_a_checkpoint_gets_its_own_encoders_embeddings(items):
    stored = entrant(items)
    assert stored.texts[items.captions[0].caption] is items.captions[0].embedding or np.array_equal(
        stored.texts[items.captions[0].caption], items.captions[0].embedding
    )
    other = tiny_checkpoint(text_dim=384)
    other.about["text_encoder"] = "all-MiniLM-L6-v2"
    encoded = contestant("minilm", other, items, ENCODER)
    assert {vector.shape for vector in encoded.texts.values()} == {(384,)}
    stranger = tiny_checkpoint()
    stranger.about["text_encoder"] = "clip-text-ffff"
    with pytest.raises(ValueError, match="give the encoder's weights with --text-encoder"):
        contestant("clip", stranger, items, ENCODER)


def test_rows_have_names_of_their_own(items):
    assert distinct_labels(["best", "other", "best"]) == ["best (1)", "other", "best (2)"]
    with pytest.raises(ValueError, match="a name of its own"):
        evaluate_text_to_motion(
            items, texts_of(items), [entrant(items), entrant(items)], evaluators(), SMALL
        )
