"""A label's score: rises with no fault, is never made up, and its file can be trusted."""

import json
from dataclasses import fields, replace

import numpy as np
import pytest

from models.checkpoint_id import SHIPPED, checkpoint_id
from models.lifting.calibration_file import (
    CALIBRATION_FILE,
    CalibrationError,
    load_calibration,
    read_calibrations,
    way_of,
    why_unscored,
    write_calibrations,
)
from models.lifting.label_score import (
    FIGURES,
    JOINT_FIGURES,
    Calibration,
    Term,
    score_label,
    score_of,
)
from pipeline.label_evidence import LabelEvidence

JOINTS = 22
WORSE = dict.fromkeys(FIGURES, 1) | {"confidence": -1}
"""The direction in which a figure speaks against a label."""


def evidence(**given) -> LabelEvidence:
    usual = {
        "reprojection_m": 0.05, "confidence": 0.8, "unseen_share": 0.05, "jitter": 80.0,
        "shake": 60.0, "skating_ratio": 5.0, "bone_variation": 4.0, "bone_error": 0.03,
        "speed_m_s": 0.4, "foreshortening": 0.35, "lean": 0.05, "spread_m": 0.03,
        "person_px": 150.0, "camera_quality": None, "perspective_error_m": 0.02,
    }  # fmt: skip
    per_joint = {
        "joint_reprojection_m": np.full(JOINTS, 0.05), "joint_confidence": np.full(JOINTS, 0.8),
        "joint_unseen_share": np.full(JOINTS, 0.05), "joint_foreshortening": np.full(JOINTS, 0.35),
        "joint_spread_m": np.full(JOINTS, 0.03),
    }  # fmt: skip
    return LabelEvidence(**{**usual, **per_joint, **given})


def calibration(**given) -> Calibration:
    plain = {
        "checkpoint_id": "net-0123456789ab",
        "way": "plain",
        "terms": tuple(Term(name, 0.2, 0.0) for name in FIGURES),
        "curve": ((-3.0, 0.02), (-1.0, 0.05), (1.0, 0.20)),
        "joint_terms": tuple(Term(name, 0.3, 0.0) for name in JOINT_FIGURES),
        "joint_usual": tuple(np.linspace(-0.5, 0.5, JOINTS).tolist()),
    }
    return Calibration(**{**plain, **given})


@pytest.mark.parametrize("name", FIGURES)
def test_no_fault_makes_a_label_better(name):
    sound = evidence()
    value = getattr(sound, name)
    errors = [
        score_label(replace(sound, **{name: value * (1 + WORSE[name] * share)}), calibration())
        for share in (0.0, 0.2, 0.9)
    ]
    assert errors[0].error_m < errors[2].error_m
    assert errors[0].error_m <= errors[1].error_m <= errors[2].error_m
    assert errors[0].score > errors[2].score


@pytest.mark.parametrize("name", JOINT_FIGURES)
def test_a_joint_with_a_fault_is_expected_to_be_further_off(name):
    sound, values = evidence(), np.asarray(getattr(evidence(), name)).copy()
    values[7] += -0.5 if name == "joint_confidence" else 0.5
    before = score_label(sound, calibration())
    after = score_label(replace(sound, **{name: values}), calibration())
    assert after.error_m == before.error_m
    assert after.joint_error_m[7] > before.joint_error_m[7] * 1.05
    for score in (before, after):
        assert score.joint_error_m.mean() == pytest.approx(score.error_m)


def test_a_joint_that_was_never_seen_has_an_error_all_the_same():
    values, unseen = np.full(JOINTS, 0.05), np.zeros(JOINTS)
    values[20], unseen[20] = np.nan, 1.0
    found = score_label(
        evidence(joint_reprojection_m=values, joint_unseen_share=unseen), calibration()
    )
    assert np.isfinite(found.joint_error_m).all()
    plain = score_label(evidence(), calibration())
    assert found.joint_error_m[20] > plain.joint_error_m[20]


def test_the_score_is_the_stated_function_and_says_what_is_wrong():
    assert [score_of(e) for e in (0.0, 0.05, 0.1)] == pytest.approx([1.0, 0.5, 0.2])
    terms = (Term("jitter", 0.5, np.log(85.0)), Term("lean", 1.0, 0.05))
    found = score_label(evidence(lean=0.9), calibration(terms=terms))
    assert found.score == score_of(found.error_m)
    assert found.why == "trunk not upright"
    assert score_label(evidence(jitter=1.0, lean=0.0), calibration(terms=terms)).why == ""


def test_evidence_that_is_missing_gives_no_score():
    with pytest.raises(ValueError, match="has no spread_m"):
        score_label(evidence(spread_m=None), calibration())
    without = tuple(term for term in calibration().terms if term.figure != "spread_m")
    assert score_label(evidence(spread_m=None), calibration(terms=without)).score > 0


@pytest.mark.parametrize(
    "wrong",
    [
        {"curve": ((0.0, 0.05), (1.0, 0.04))},
        {"curve": ((1.0, 0.04), (0.0, 0.05))},
        {"curve": ((0.0, 0.0), (1.0, 0.04))},
        {"terms": (Term("jitter", -0.1, 0.0),)},
        {"joint_terms": (Term("joint_confidence", float("nan"), 0.0),)},
    ],
)
def test_a_calibration_that_does_not_rise_is_refused(wrong):
    with pytest.raises(ValueError, match=r"must rise|weight"):
        calibration(**wrong)


def test_a_file_gives_back_what_was_written(tmp_path):
    file = tmp_path / CALIBRATION_FILE
    both = [calibration(), calibration(way="flip", curve=((0.0, 0.01), (1.0, 0.5)))]
    write_calibrations(file, both, {"seed": 1})
    found = read_calibrations(file)
    assert found.lineage == {"seed": 1} and set(found.by_way) == {"plain", "flip"}
    for each in both:
        again = score_label(evidence(), found.by_way[each.way])
        ours = score_label(evidence(), each)
        assert again.error_m == pytest.approx(ours.error_m, rel=1e-3)
        np.testing.assert_allclose(again.joint_error_m, ours.joint_error_m, rtol=1e-3)


def test_weights_and_ways_that_nobody_measured_get_a_sentence_and_no_score(tmp_path):
    write_calibrations(tmp_path / CALIBRATION_FILE, [calibration()], {})
    assert load_calibration("net-0123456789ab", "plain", tmp_path) is not None
    assert load_calibration("renamed-0123456789ab", "plain", tmp_path) is not None
    assert load_calibration("net-ba9876543210", "plain", tmp_path) is None
    assert load_calibration("net-0123456789ab", "flip", tmp_path) is None
    assert load_calibration("net-0123456789ab", "plain") is None
    assert "net-1" in why_unscored("net-1", "flip") and "'flip'" in why_unscored("net-1", "flip")


@pytest.mark.parametrize(
    "damage",
    [
        lambda told: "{",
        lambda told: "[]",
        lambda told: json.dumps({**told, "format": 99}),
        lambda told: json.dumps({**told, "half_score_m": 0.1}),
        lambda told: json.dumps({k: v for k, v in told.items() if k != "ways"}),
        lambda told: json.dumps(told).replace('"jitter"', '"__class__"'),
        lambda told: json.dumps(told).replace("0.02", '"0.02"'),
        lambda told: json.dumps(told).replace("0.02", "NaN"),
        lambda told: " " * (1 << 20) + json.dumps(told),
    ],
)
def test_a_damaged_file_is_refused_in_one_sentence(tmp_path, damage):
    file = tmp_path / CALIBRATION_FILE
    write_calibrations(file, [calibration()], {})
    file.write_text(damage(json.loads(file.read_text())))
    with pytest.raises(CalibrationError, match="fit it again") as told:
        load_calibration("net-0123456789ab", "plain", tmp_path)
    assert str(file) in str(told.value)


def test_ways_have_names():
    assert way_of() == "plain"
    assert way_of(guesses=True, second_opinion=True) == "plain+guesses+second-opinion"
    assert way_of(ensemble="flip", refine=True) == "flip+refine"


def test_the_shipped_weights_have_a_calibration_with_lineage():
    file = SHIPPED / CALIBRATION_FILE
    found = read_calibrations(file)
    assert found.checkpoint_id == checkpoint_id(SHIPPED)
    assert found.lineage["split"] == "train" and found.lineage["fitted_on"]
    assert load_calibration(checkpoint_id(SHIPPED)) == found.by_way["plain"]
    known = {each.name for each in fields(LabelEvidence)}
    for each in found.by_way.values():
        assert {term.figure for term in (*each.terms, *each.joint_terms)} <= known
        sound = score_label(evidence(), each)
        poor = score_label(evidence(jitter=300.0, bone_variation=15.0, spread_m=0.2), each)
        assert sound.error_m < poor.error_m
