"""Fitting and judging a calibration: planted truth is found, and chance is not taken for it."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from test_label_score import JOINTS, evidence
from truth_clips import canonical_motion

from models.checkpoint import SHIPPED, load_checkpoint
from models.data.motion import Motion
from models.label_calibration.fitting import (
    FEWEST_LABELS,
    WHOLE_SOURCE,
    fit_calibration,
    label_weights,
)
from models.label_calibration.known_labels import (
    KnownLabel,
    append_labels,
    joint_errors,
    read_labels,
)
from models.label_calibration.known_views import config_of, label_known_view
from models.label_calibration.mocap_views import mocap_views
from models.label_calibration.reliability import reliability, reliability_lines
from models.label_calibration.rough_video import Faults, detect, draw_faults, film, rough_clip
from models.lifting.calibration_file import way_of
from pipeline.skeletons import HUMANML3D

FIGURES = ("reprojection_m", "jitter", "lean")
JOINT = ("joint_reprojection_m", "joint_unseen_share")


def planted(seed: int, source: str = "mocap", **given) -> KnownLabel:
    """Its error is a power of the reprojection and the jitter; the lean has no part in it."""
    rng = np.random.default_rng(seed)
    off, shake, lean = rng.uniform(0.02, 0.2), rng.uniform(30, 300), rng.uniform(0, 1)
    joint = rng.uniform(0.02, 0.2, JOINTS)
    found = evidence(
        reprojection_m=off, jitter=shake, lean=lean, joint_reprojection_m=joint, **given
    )
    share = (joint + 0.01) ** 0.5
    error = 0.03 * (off + 0.01) ** 0.5 * (shake + 5.0) ** 0.4 * np.exp(rng.normal(0, 0.05))
    errors = error * share / share.mean()
    return KnownLabel(f"{source}{seed}", "plain", f"g{seed // 2}", source, found, errors)


@pytest.fixture(scope="module")
def labels() -> list[KnownLabel]:
    return [planted(seed) for seed in range(200)]


def test_what_was_planted_is_found(labels):
    fitted = fit_calibration(labels, "net-1", FIGURES, JOINT)
    weights = {term.figure: term.weight for term in fitted.terms}
    assert weights["reprojection_m"] == pytest.approx(0.5, abs=0.05)
    assert weights["jitter"] == pytest.approx(0.4, abs=0.05)
    assert weights.get("lean", 0.0) < 0.05
    joints = {term.figure: term.weight for term in fitted.joint_terms}
    assert joints == {"joint_reprojection_m": pytest.approx(0.5, abs=0.05)}
    told = reliability([planted(seed) for seed in range(1000, 1100)], fitted)
    assert told.rises
    assert told.rank_correlation > 0.95 > told.reprojection_rank_correlation
    assert told.joint_rank_correlation > 0.95
    for part in told.parts:
        assert part.expected_mm == pytest.approx(part.true_mm, rel=0.15)
    assert "rises through all parts" in reliability_lines(told)[0]


def test_evidence_that_says_nothing_is_not_taken_for_a_calibration(labels):
    rng = np.random.default_rng(0)
    errors = rng.permutation([label.error_m for label in labels])
    chance = [replace(label, joint_errors_m=np.full(JOINTS, e))
              for label, e in zip(labels, errors, strict=True)]  # fmt: skip
    with pytest.raises(ValueError, match="says anything about the error"):
        fit_calibration(chance[:100], "net-1", FIGURES, ())
    told = reliability(chance, fit_calibration(labels, "net-1", FIGURES, ()))
    assert abs(told.rank_correlation) < 0.3
    assert not told.rises
    assert "does NOT rise" in reliability_lines(told)[0]


def test_sources_count_alike_and_so_do_their_groups(labels):
    n = len(labels)
    enough = [planted(seed, "synthetic") for seed in range(2 * WHOLE_SOURCE)]  # two a group
    weight = label_weights([*labels, *enough])
    assert weight[:n].sum() == pytest.approx(weight[n:].sum())
    assert np.allclose(weight[:n], weight[0])
    few = label_weights([*labels, *enough[: WHOLE_SOURCE // 2]])
    share = len({label.group for label in enough[: WHOLE_SOURCE // 2]}) / WHOLE_SOURCE
    assert few[n:].sum() == pytest.approx(few[:n].sum() * share)


def test_the_curve_is_of_the_labels_that_are_like_those_to_come(labels):
    """Errors of rendered clips that are twice as large at the same evidence: so is what's told."""
    doubled = [planted(seed, "synthetic") for seed in range(2 * WHOLE_SOURCE)]
    doubled = [replace(d, joint_errors_m=2.0 * d.joint_errors_m) for d in doubled]
    both = [*labels, *doubled]
    fitted = fit_calibration(both, "net-1", FIGURES, JOINT, "synthetic")
    told = reliability(doubled, fitted)
    for part in told.parts:
        assert part.expected_mm == pytest.approx(part.true_mm, rel=0.15)
    few = fit_calibration([*labels, *doubled[:20]], "net-1", FIGURES, JOINT, "synthetic")
    assert few == fit_calibration([*labels, *doubled[:20]], "net-1", FIGURES, JOINT)


def test_too_little_to_fit_or_to_judge_is_refused(labels):
    with pytest.raises(ValueError, match=f"needs {FEWEST_LABELS} labels"):
        fit_calibration(labels[: FEWEST_LABELS - 1], "net-1", FIGURES, JOINT)
    with pytest.raises(ValueError, match="no figure of the evidence"):
        fit_calibration(labels, "net-1", ("luck",), ())
    with pytest.raises(ValueError, match="of one way"):
        fit_calibration([*labels, replace(labels[0], way="flip")], "net-1", FIGURES, JOINT)
    blind = [*labels, planted(7, spread_m=None)]
    with pytest.raises(ValueError, match="1 of 201 labels have no spread_m"):
        fit_calibration(blind, "net-1", ("spread_m",), ())
    fitted = fit_calibration(labels, "net-1", FIGURES, JOINT)
    with pytest.raises(ValueError, match="5 parts need as many labels"):
        reliability(labels[:4], fitted)


def test_a_killed_run_goes_on_where_it_was(labels, tmp_path):
    file = tmp_path / "work" / "labels.jsonl"
    list(append_labels(file, labels[:3]))
    whole = file.read_bytes()
    file.write_bytes(whole[:-40])  # killed while writing the third
    assert [each.name for each in read_labels(file)] == ["mocap0", "mocap1"]
    list(append_labels(file, labels[2:4]))
    assert [each.name for each in read_labels(file)] == [f"mocap{i}" for i in range(4)]
    again = next(read_labels(file))
    assert again.evidence.jitter == pytest.approx(labels[0].evidence.jitter, abs=1e-5)
    assert again.evidence.camera_quality is None
    np.testing.assert_allclose(again.joint_errors_m, labels[0].joint_errors_m, atol=1e-6)
    file.write_bytes(b'{"name": 1}\n' + whole)
    with pytest.raises(ValueError, match=r"labels.jsonl, line 1: .*delete the file"):
        list(read_labels(file))


def test_errors_of_joints_are_those_of_the_published_figure():
    truth = canonical_motion("JumpingJack")[:30]
    assert joint_errors(truth * 1.1 + 2.0, truth).max() < 1e-6  # aligned
    off = truth.copy()
    off[:, 20] += 0.2
    found = joint_errors(off, truth)
    assert found.argmax() == 20 and 0.2 < found[20] < 0.35


def test_a_rough_video_is_a_function_of_its_seed_and_of_its_faults():
    motion = canonical_motion("JumpingJack")[:60].astype(np.float32)
    one, same, other = (rough_clip(motion, HUMANML3D, (s,)) for s in (1, 1, 2))
    np.testing.assert_array_equal(one.pose.joints, same.pose.joints)
    assert not np.array_equal(one.pose.joints[:, 0], other.pose.joints[:, 0])
    lengths = np.linalg.norm(one.truth[:, 4] - one.truth[:, 1], axis=-1)
    assert np.ptp(lengths) < 1e-4  # another body, but one body
    drawn = [draw_faults(np.random.default_rng(s)) for s in range(200)]
    assert 0.1 < np.mean([faults.swap_sides for faults in drawn]) < 0.3


@pytest.mark.parametrize("fault", ["swap_sides", "lose_limb", "stuck_limb", "flicker"])
def test_each_fault_of_a_rough_video_shows(fault):
    motion = canonical_motion("JumpingJack")[:60]
    rng = np.random.default_rng(3)
    pixels = film(motion, rng, drift=False, fps=20.0)
    assert np.ptp(pixels[..., 1]) > 40  # a person stands in the picture, head up
    assert pixels[:, 15, 1].mean() < pixels[:, 10, 1].mean()
    clean, spoilt = (
        detect(pixels, Faults(**given), np.random.default_rng(5), HUMANML3D, 20.0)
        for given in ({}, {fault: True})
    )
    assert clean.seen.all()
    if fault in ("lose_limb", "flicker"):
        assert (~spoilt.seen).sum() > 0 and spoilt.seen[:, 0].all()
        assert np.isnan(spoilt.joints[~spoilt.seen]).all()
        assert (spoilt.confidence[~spoilt.seen] == 0).all()
    else:
        off = np.linalg.norm(spoilt.joints - clean.joints, axis=-1)
        assert off.max() > 5.0 * off[:, 0].max() + 5.0


def test_labels_of_motion_capture_come_with_evidence_and_error():
    torch.set_num_threads(1)
    joints = canonical_motion("JumpingJack")[:60].astype(np.float32)
    motion = Motion("m", "train", joints, (), np.zeros((0, 0), np.float32))
    checkpoint = load_checkpoint(SHIPPED)
    views = list(mocap_views([motion], HUMANML3D, seed=1, draws=2))
    assert [view.name for view in views] == ["m#1.0", "m#1.1"]
    again = next(mocap_views([motion], HUMANML3D, seed=1))
    np.testing.assert_array_equal(again.joints, views[0].joints)
    found = [
        each for view in views for each in label_known_view(view, ["plain", "flip"], checkpoint)
    ]
    assert [label.key for label in found] == [
        (view.name, way) for view in views for way in ("plain", "flip")
    ]
    for label in found:
        assert 0.01 < label.error_m < 0.4
        assert label.evidence.person_px > 20
        assert label.evidence.perspective_error_m > 0
        assert (label.evidence.spread_m is None) == (label.way == "plain")


@pytest.mark.parametrize(
    "way", ["plain", "flip", "many", "many+refine", "many+refine+guesses+second-opinion"]
)
def test_a_way_is_made_as_its_name_says(way):
    config = config_of(way)
    options = {"ensemble": config.ensemble, "refine": config.refine, "guesses": config.guesses}
    assert config.score and way_of(**options, second_opinion=config.second_opinion) == way


@pytest.mark.parametrize("way", ["", "plane", "plain+polish"])
def test_an_unknown_way_is_refused(way):
    with pytest.raises(ValueError, match="no way of labelling is called"):
        config_of(way)
