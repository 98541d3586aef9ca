"""Text to motion, scored: what the rows share, what is never silent, what bad parts get told."""

import dataclasses
from pathlib import Path
from types import SimpleNamespace

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

from flows.evaluation_page.text_section import text_sections
from models.evaluation import sample_cache, scores
from models.evaluation.checkpoint_scores import Task, wanted
from models.evaluation.conduct import Conduct
from models.evaluation.contestants import checkpoint_labels, contestant, texts_for_evaluator
from models.evaluation.items import choose_items
from models.evaluation.plan import EvaluationPlan, draw_replication
from models.evaluation.provenance import imported_networks, networks_differ
from models.evaluation.scores import SCORES
from models.evaluation.text_to_motion import evaluate_text_to_motion
from models.generate.generation import BatchPlan, GeneratedMotion
from models.generate.sampling import SampleSettings
from models.matching.networks import MatchingSizes
from pipeline.skeletons import HUMANML3D, KIT

PAPER_PLAN = EvaluationPlan(
    samples=14, pool=14, settings=SampleSettings(steps=1000, sampler="ddpm")
)
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
        found = values_of(row)
        found.pop("foot_skating", None)  # unknown where no foot of the untrained network's stands
        assert {len(values) for values in found.values()} == {2}
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


def test_drawn_motions_that_glide_have_no_skating_and_it_is_said(items, monkeypatch):
    rows = np.array(items.items[0].rows)
    rows[:, 1:] = 0.0
    rows[:, 1], rows[:, 3] = 0.1, 0.9  # carried by 2 m/s, all joints where the root is

    def gliding(_checkpoint, requests, _settings, **_rest):
        for i, _ in enumerate(requests):
            yield i, GeneratedMotion(rows.copy(), np.zeros(0))

    monkeypatch.setattr(sample_cache, "drawn_motions", gliding)
    found = evaluate_text_to_motion(items, texts_of(items), [entrant(items)], evaluators(), SMALL)
    truth, row = found.rows
    assert row.unstanding.values == (len(items), len(items))
    assert len(items) > truth.unstanding.mean and truth.physical["foot_skating"].n == 1
    assert "foot_skating" not in row.physical
    assert row.physical["skating_ratio"].mean == 100.0
    assert row.to_json()["motions_without_standing_foot"]["mean"] == len(items)
    page = text_sections(found, HUMANML3D.fps)[1]
    assert page.tables[0].note.endswith(f" {row.label} {len(items)}.")
    assert page.tables[0].rows[1][1] is None and len(page.charts[0].points) == 1


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


def with_rows(motion, rows: int):
    """A motion of so many rows: its own, again and again."""
    places = np.arange(rows) % len(motion.features)
    joints = motion.joints[np.arange(rows + 1) % len(motion.joints)]
    return dataclasses.replace(motion, joints=joints, features=motion.features[places])


@pytest.mark.parametrize(("skeleton", "shortest"), [(HUMANML3D, 40), (KIT, 24)])
def test_motions_that_the_published_loader_leaves_out_are_left_out_and_counted(skeleton, shortest):
    motions = same_embeddings(captioned(10, skeleton))
    for i, rows in enumerate((shortest - 1, shortest, 199, 200)):
        motions[i] = with_rows(motions[i], rows)
    items = choose_items(motions, skeleton, PLAN)
    lengths = {item.motion_id: len(item.rows) for item in items.items}
    assert (lengths["m001"], lengths["m002"], len(lengths)) == (shortest, 196, 8)
    said = " | ".join(items.warnings)
    for part in (
        f"1 of 10 motions are left out, they are shorter than {shortest} rows, as published",
        "they are longer than 199 rows, as published (--all-lengths keeps them): m003",
    ):
        assert part in said, said
    everything = dataclasses.replace(PLAN, all_lengths=True)
    assert len(choose_items(motions, skeleton, everything)) == 10


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
        "FID, FID-L: biased upwards, with n = 9 motions for 16 numbers of an embedding with "
        "singular covariances (rank 8)",
        "no FID-U: there are no evaluators",
        "pools of 4 does not compare with pools of 32",
        "replications: 1 instead of 20",
        "captions are read at random",
    ):
        assert part in said, part
    assert report.limits.left_over == 1
    assert report.rows[0].scores["fid"].half_width is None
    assert set(report.to_json()["warnings"]) == set(report.warnings)


def test_fid_of_few_motions_is_called_biased_though_no_covariance_is_singular(items):
    said = " ".join(biased(items, 12))
    assert "FID, FID-U, FID-L: biased upwards, with n = 14 motions for 12 numbers" in said
    assert "singular" not in said
    assert "n = 14" in " ".join(biased(items, 2))
    assert biased(items, 1) == []  # ten motions a number and more


def biased(items, width: int) -> list[str]:
    wide = {part: RandomEvaluator(part, width=width) for part in ("all", "upper", "lower")}
    report = evaluate_text_to_motion(items, texts_of(items), [], wide, SMALL)
    return [warning for warning in report.warnings if "biased" in warning]


def test_halves_keep_a_motion_and_its_mirror_image_together():
    motions = same_embeddings(captioned(16))
    twins = [dataclasses.replace(m, motion_id=f"M{m.motion_id}") for m in motions]
    items = choose_items([*motions[:12], *twins[:12], *motions[12:]], HUMANML3D, SMALL)
    groups = items.originals
    assert len(set(groups)) == 16
    for number in range(20):
        order = draw_replication(items.captions_of_each, SMALL, number).order
        first, second = (order[places] for places in scores._halves(groups[order]))
        assert sorted([*first, *second]) == list(range(28))
        assert not set(groups[first]) & set(groups[second])
        assert abs(len(first) - len(second)) <= 2
    alone = choose_items(motions, HUMANML3D, SMALL).originals
    assert [len(half) for half in scores._halves(alone)] == [8, 8]


def test_too_few_motions_for_two_covariances_have_no_halves():
    plan = dataclasses.replace(SMALL, pool=2, diversity_pairs=2)
    items = items_of(3, plan)
    report = evaluate_text_to_motion(items, texts_of(items), [], evaluators(), plan)
    assert report.chance == {}


# What the networks are


def of_words(part: str, sizes: MatchingSizes, **about) -> RandomEvaluator:
    class Imported(RandomEvaluator):
        network = SimpleNamespace(sizes=sizes)

        @property
        def about(self) -> dict:
            return about

    return Imported(part, text_source="glove")


def test_imported_files_are_never_called_the_published_networks():
    file = "finest.tar, SHA-256 00ff"
    good = of_words("all", MatchingSizes(), imported_from=file)
    assert imported_networks({"all": good}) == {"all": file}
    assert "imported from files that are not verified (all: " + file in networks_differ(
        {"all": good}
    )
    for other in (
        of_words("upper", MatchingSizes()),
        of_words("upper", MatchingSizes(motion_hidden=512), imported_from=file),
        RandomEvaluator("upper"),
    ):
        assert imported_networks({"all": good, "upper": other}) == {}
        assert "not the published networks" in networks_differ({"all": good, "upper": other})


def test_published_settings_still_say_in_what_they_differ(items):
    """A report is read by people who look for one word: it never stands alone."""
    report = evaluate_text_to_motion(items, texts_of(items), [], evaluators(), PAPER_PLAN)
    limits = report.limits
    assert limits.departures == (
        "motions in a pool: 14 instead of 32",
        "motions: at most 14 of the split",
    )
    said = next(w for w in report.warnings if "differs in" in w)
    for part in ("a crop at random", "last, partial pool too", "not the published networks"):
        assert part in said, part
    others = dataclasses.replace(items, split="val")
    report = evaluate_text_to_motion(others, texts_of(items), [], evaluators(), PAPER_PLAN)
    assert "split: val instead of test" in report.limits.departures
    how = Conduct(batches=BatchPlan(1, 1, bf16=True))
    report = evaluate_text_to_motion(items, texts_of(items), [], evaluators(), PAPER_PLAN, how)
    assert "numbers: bfloat16 instead of float32" in report.limits.departures


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
    folders = [Path("a/run/best"), Path("a/other"), Path("b/run/best"), Path("a/other")]
    assert checkpoint_labels(folders[:2]) == ["run/best", "other"]
    labels = ["a/run/best", "other (1)", "b/run/best", "other (2)"]
    assert checkpoint_labels(folders) == labels
    with pytest.raises(ValueError, match="a name of its own"):
        evaluate_text_to_motion(
            items, texts_of(items), [entrant(items), entrant(items)], evaluators(), SMALL
        )
