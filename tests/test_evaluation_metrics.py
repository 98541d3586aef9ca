"""The field's scores: equal to the reference's, and what they do where the reference is silent."""

import dataclasses

import numpy as np
import pytest

from models.evaluation.frechet import frechet_between, frechet_distance, gaussian
from models.evaluation.metrics import diversity, draw_pairs, multimodality, r_precision
from models.evaluation.plan import (
    QUICK,
    EvaluationPlan,
    chosen_subset,
    departures,
    draw_replication,
)
from models.generate.sampling import SampleSettings


@pytest.fixture
def held(shared):
    with np.load(shared / "reference" / "metrics.npz", allow_pickle=False) as file:
        return dict(file)


@pytest.mark.shared
def test_r_precision_and_mm_dist_are_the_references(held):
    found = r_precision(held["text_embedding"], held["motion_embedding"])
    assert found.top == pytest.approx(held["r_precision"].tolist(), abs=1e-12)
    assert found.mm_dist == pytest.approx(float(held["mm_dist"]), rel=1e-6)
    assert (found.pools, found.left_over) == (8, 0)


@pytest.mark.shared
def test_the_frechet_distance_is_the_references(held):
    sets = held["text_embedding"], held["motion_embedding"]
    wanted = float(held["fid_text_vs_motion"])
    assert frechet_distance(*sets) == pytest.approx(wanted, rel=1e-6)
    assert frechet_distance(*sets[::-1]) == pytest.approx(wanted, rel=1e-6)
    assert frechet_distance(sets[0], sets[0]) == pytest.approx(0.0, abs=1e-9)
    few = sets[0][:5]  # fewer vectors than numbers in one: a singular covariance
    assert frechet_distance(few, few + 2.0) == pytest.approx(4.0 * few.shape[1], rel=1e-6)


def test_the_frechet_distance_refuses_what_has_none():
    good = np.random.default_rng(0).normal(size=(6, 3))
    with pytest.raises(ValueError, match=r"must be \(N, D\)"):
        gaussian(good[0])
    with pytest.raises(ValueError, match="at least two"):
        gaussian(good[:1])
    with pytest.raises(ValueError, match="finite"):
        frechet_distance(good, np.where(good == good[2, 1], np.nan, good))
    with pytest.raises(ValueError, match="3 and 2 numbers"):
        frechet_between(gaussian(good), gaussian(good[:, :2]))


def pairs_of(n: int, width: int = 6) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(n)
    text = rng.normal(size=(n, width)).astype(np.float32)
    return text, text + rng.normal(size=(n, width)).astype(np.float32) * 0.8


def test_the_last_partial_pool_counts_for_nothing():
    text, motion = pairs_of(70)
    whole = r_precision(text, motion)
    assert (whole.pools, whole.left_over) == (2, 6)
    assert whole == dataclasses.replace(r_precision(text[:64], motion[:64]), left_over=6)
    motion[64:] += 100.0
    assert r_precision(text, motion) == whole


def test_pools_are_consecutive_and_their_order_matters():
    text, motion = pairs_of(64)
    by_hand = []
    for first in (0, 32):
        gaps = np.linalg.norm(
            text[first : first + 32, None] - motion[None, first : first + 32], axis=2
        )
        by_hand += [(gaps[i] < gaps[i, i]).sum() for i in range(32)]
    assert r_precision(text, motion).top == tuple(np.mean(np.array(by_hand) < k) for k in (1, 2, 3))
    mixed = np.random.default_rng(0).permutation(64)
    assert r_precision(text[mixed], motion[mixed]).top != r_precision(text, motion).top


def test_embeddings_that_are_all_alike_score_as_chance_does():
    same = np.ones((64, 4), np.float32)
    assert r_precision(same, same).top == (1 / 32, 2 / 32, 3 / 32)


def test_r_precision_refuses_what_would_be_a_silent_number():
    text, motion = pairs_of(31)
    with pytest.raises(ValueError, match="pools of 32 needs as many pairs, not 31"):
        r_precision(text, motion)
    with pytest.raises(ValueError, match="twice"):
        r_precision(text, motion[:30], pool=4)
    motion[3, 2] = np.nan
    with pytest.raises(ValueError, match="finite"):
        r_precision(text, motion, pool=4)


def test_pairs_are_drawn_without_replacement_and_never_more_than_there_are():
    first, second = draw_pairs(40, 30, np.random.default_rng(3))
    assert len(set(first)) == len(set(second)) == 30
    assert (first != second).any()
    with pytest.raises(ValueError, match="41 pairs without replacement"):
        draw_pairs(40, 41, np.random.default_rng(3))


def test_diversity_and_multimodality_are_mean_distances_of_their_pairs():
    vectors = np.arange(12, dtype=np.float32).reshape(4, 3)
    pairs = np.array([0, 1]), np.array([3, 1])
    assert diversity(vectors, pairs) == pytest.approx(np.sqrt(3 * 81) / 2)
    texts = np.stack([vectors, 2 * vectors])
    assert multimodality(texts, pairs) == pytest.approx(np.sqrt(3 * 81) * (1 + 2) / 4)
    with pytest.raises(ValueError, match="samples"):
        multimodality(vectors, pairs)


# What chance decides


def test_a_replication_is_its_seeds_and_no_other_ones():
    counts = [1 + i % 3 for i in range(50)]
    plan = EvaluationPlan()
    one, again = (draw_replication(counts, plan, 0) for _ in range(2))
    assert all(
        np.array_equal(a, b)
        for a, b in zip(
            (one.captions, one.order, *one.pairs, one.texts, *one.sample_pairs),
            (again.captions, again.order, *again.pairs, again.texts, *again.sample_pairs),
            strict=True,
        )
    )
    assert (one.captions < counts).all()
    assert sorted(one.order) == list(range(50))
    assert len(one.pairs[0]) == len(one.texts) == 50  # of 300 and 100
    others = (
        draw_replication(counts, plan, 1),
        draw_replication(counts, dataclasses.replace(plan, seed=2), 0),
    )
    for other in others:
        assert not np.array_equal(other.order, one.order)
        assert not np.array_equal(other.captions, one.captions)


def test_captions_and_order_do_not_hang_on_how_much_is_drawn_for_multimodality():
    counts = [2] * 40
    short = draw_replication(counts, EvaluationPlan(multimodality_texts=0), 0)
    full = draw_replication(counts, EvaluationPlan(), 0)
    assert np.array_equal(short.order, full.order)
    assert np.array_equal(short.captions, full.captions)
    assert len(short.texts) == 0


def test_a_subset_is_the_seeds_and_all_is_all():
    plan = EvaluationPlan(samples=32)
    chosen = chosen_subset(100, plan)
    assert len(set(chosen)) == 32
    assert (np.diff(chosen) > 0).all()
    assert np.array_equal(chosen, chosen_subset(100, plan))
    assert not np.array_equal(chosen, chosen_subset(100, dataclasses.replace(plan, seed=5)))
    assert np.array_equal(chosen_subset(20, plan), np.arange(20))


def test_settings_that_are_not_the_published_ones_are_departures():
    paper = EvaluationPlan(settings=SampleSettings(steps=1000, sampler="ddpm"))
    assert departures(paper) == []
    said = "; ".join(departures(QUICK))
    for part in (
        "replications: 3 instead of 20",
        "MultiModality: 10",
        "at most 128",
        "10 of dpm++",
    ):
        assert part in said


def test_how_motions_are_drawn_and_which_is_a_departure_too():
    settings = SampleSettings(steps=1000, sampler="ddpm")
    paper = EvaluationPlan(settings=settings)
    for changed, says in (
        ({"mode": "mixture", "alpha": 250}, "mode: mixture from t = 250 on instead of 3d"),
        ({"guidance": 1.0}, "guidance: 1 instead of 2.5"),
    ):
        other = dataclasses.replace(paper, settings=dataclasses.replace(settings, **changed))
        assert departures(other) == [says]
    assert departures(paper, "val") == ["split: val instead of test"]
    assert departures(paper, bf16=True) == ["numbers: bfloat16 instead of float32"]
    assert departures(dataclasses.replace(paper, all_lengths=True))[0].startswith("lengths: all")


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"replications": 0}, "replications must be at least 1"),
        ({"pool": 1}, "pool must be at least 2"),
        ({"seed": -1}, "seed must be at least 0"),
        ({"samples": 20}, "20 samples do not fill one pool of 32"),
        ({"multimodality_samples": 5}, "as many pairs as a text has samples"),
        ({"settings": SampleSettings(mode="2d")}, "mode 3d or mixture"),
    ],
)
def test_plans_that_make_no_sense_are_refused(fields, says):
    with pytest.raises(ValueError, match=says):
        EvaluationPlan(**fields)
