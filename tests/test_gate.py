"""The gate's verdict: what it demands, what it does not hold against a candidate, what it tells."""

import math
from dataclasses import replace

import numpy as np
import pytest
from synthetic_motion import random_motions
from tiny_generator import tiny_checkpoint

import models.evaluation.gate_report as gate_report
from models.evaluation.gate import (
    LOSS_2D,
    MOCAP_FIGURES,
    GateRules,
    changes_of,
    judge,
    paired,
)
from models.evaluation.gate_measures import GateClips, Measured, gate_clips, measure
from models.evaluation.gate_report import run_measures
from models.evaluation.wild_report import REPROJECTION
from pipeline.views import project_view

CLIPS = [f"c{n}" for n in range(6)]
BEFORE = dict.fromkeys(CLIPS, 0.1)


def changed(by: float, spread: float = 0.0) -> dict[str, float]:
    """Each clip's 0.1 changed by a share, some more and some less."""
    return {c: 0.1 * (1 + by + spread * (-1) ** n) for n, c in enumerate(CLIPS)}


def verdict(mocap: float = 0.0, wild: float = -0.1, loss: float = -0.1, spread=0.01, **rules):
    return judge(
        {name: paired(BEFORE, changed(mocap, 0.001), {}) for name in MOCAP_FIGURES},
        {
            REPROJECTION: paired(BEFORE, changed(wild, spread), {}),
            LOSS_2D: paired(BEFORE, changed(loss, 0.001), {}),
        },
        GateRules(**rules),
    )


def test_better_on_video_and_within_the_tolerance_on_motion_capture_passes():
    assert verdict().passed and verdict(mocap=0.019).passed and verdict(mocap=-0.5).passed
    assert not verdict().notes


@pytest.mark.parametrize(
    ("figures", "said"),
    [
        ({"mocap": 0.021}, "motion capture: pa_mpjpe_mm"),
        ({"wild": 0.001}, "held-out clips: reprojection_m"),
        ({"wild": 0.0, "spread": 0.0}, "held-out clips: reprojection_m"),
        ({"loss": 0.001}, "held-out clips: loss 2d->2d"),
    ],
)
def test_each_demand_alone_rejects_and_is_named(figures, said):
    found = verdict(**figures)
    assert not found.passed
    assert found.reasons[0].startswith(said)
    assert all("1" in reason for reason in found.reasons)


def test_the_tolerance_is_a_rule():
    assert not verdict(mocap=0.04).passed and verdict(mocap=0.04, tolerance=0.05).passed
    with pytest.raises(ValueError, match="tolerance is a share"):
        GateRules(tolerance=2.0)


def test_an_undecided_improvement_suffices_unless_certainty_is_asked_for():
    found = verdict(wild=-0.01, spread=0.1)
    assert found.passed and "undecided" in found.notes[0]
    assert not verdict(wild=-0.01, spread=0.1, certain=True).passed
    assert verdict(wild=-0.1, spread=0.01, certain=True).passed


def test_clips_of_one_recording_count_as_one():
    after = {**BEFORE, "c0": 0.4, "c1": 0.4, "c2": 0.4}
    together = paired(BEFORE, after, dict.fromkeys(("c0", "c1", "c2"), "one"))
    assert together.change.n == 4
    assert together.change.mean == pytest.approx(0.3 / 4)
    assert paired(BEFORE, after, {}).change.mean == pytest.approx(0.15)


def test_of_one_recording_nothing_is_sure():
    found = paired(BEFORE, changed(-0.5, 0.1), dict.fromkeys(CLIPS, "one"))
    assert found.change.half_width is None and not found.decided


def test_figures_that_are_missing_or_not_finite_are_named():
    with pytest.raises(ValueError, match="c0 was not measured"):
        paired(BEFORE, dict.fromkeys(CLIPS[1:], 0.1), {})
    with pytest.raises(ValueError, match=r"x: 1 of 6 clips are not finite, c3 first"):
        changes_of({"x": BEFORE}, {"x": {**BEFORE, "c3": math.nan}}, {})


def wild_motion(number: int):
    """A motion seen from 40 degrees, with a part that nobody saw: NaN there must not matter."""
    motion = random_motions([50] * (number + 2))[number]
    seen = np.ones(motion.joints.shape[:2], bool)
    seen[20:25, 7] = False
    view = project_view(motion.joints, 40.0)
    view[20:25, 7] = np.nan
    return replace(
        motion, motion_id=f"w{number}", view=view, joint_mask=seen, action="YoYo", source_hash="h"
    )


@pytest.fixture(scope="module")
def clips() -> GateClips:
    mocap = random_motions([40, 48, 52], split="val")
    mirrored = replace(mocap[0], motion_id="Mm0", mirrored=True)
    return gate_clips([*mocap, mirrored], [wild_motion(n) for n in range(3)])


def passing(motions, _what):
    return motions


def test_every_clip_is_measured_and_twice_gives_the_same(clips):
    loaded = tiny_checkpoint()
    first, again = (measure(loaded, clips, passing) for _ in range(2))
    assert first == again
    assert {name: set(values) for name, values in first.mocap.items()} == {
        name: {"m0", "m1", "m2"} for name in MOCAP_FIGURES
    }
    for name in (REPROJECTION, LOSS_2D):
        assert set(first.wild[name]) == {"w0", "w1", "w2"}
        assert np.isfinite(list(first.wild[name].values())).all()


def test_the_same_network_is_no_improvement(clips):
    loaded = tiny_checkpoint()
    report = run_measures(loaded, tiny_checkpoint, clips, {}, GateRules(), passing)
    assert not report.verdict.passed
    assert report.wild[REPROJECTION].change.mean == 0.0
    assert [len(example.labels) for example in report.clips] == [2, 2, 2]
    assert list(report.by_action) == ["YoYo"] and len(report.samples) == 1
    before, after = report.samples[0].joints.values()
    assert np.array_equal(before, after)  # the same noise


def test_a_candidate_that_cannot_be_measured_is_rejected_with_the_reason(clips, monkeypatch):
    monkeypatch.setattr(gate_report, "text_samples", lambda *_: [])
    broken = tiny_checkpoint()
    broken.network.embed_text.bias.data[:] = float("nan")
    report = run_measures(tiny_checkpoint(), lambda: broken, clips, {}, GateRules(), passing)
    assert not report.verdict.passed and "cannot be measured" in report.verdict.reasons[0]
    assert report.to_json()["mocap"] == {}

    def crash() -> None:
        raise RuntimeError("no\nsuch file")

    report = run_measures(tiny_checkpoint(), crash, clips, {}, GateRules(), passing)
    assert report.verdict.reasons[0].endswith("no such file")


def test_a_parent_that_cannot_be_measured_is_an_error_and_so_is_a_failing_disk(clips):
    broken = tiny_checkpoint()
    broken.network.embed_text.bias.data[:] = float("nan")
    with pytest.raises(ValueError, match=r"."):
        run_measures(broken, tiny_checkpoint, clips, {}, GateRules(), passing)

    def full() -> None:
        raise OSError("no space left")

    with pytest.raises(OSError, match="no space"):
        run_measures(tiny_checkpoint(), full, clips, {}, GateRules(), passing)


def test_a_clip_that_the_parent_cannot_tell_of_says_nothing(clips, monkeypatch):
    known = Measured(
        {name: dict.fromkeys("ab", 1.0) for name in MOCAP_FIGURES},
        {REPROJECTION: {"w0": 0.1, "w1": 0.2}, LOSS_2D: {"w0": 1.0, "w1": math.nan}},
    )
    monkeypatch.setattr(gate_report, "measure", lambda *_: known)
    monkeypatch.setattr(gate_report, "lifted_clips", lambda *_: [])
    monkeypatch.setattr(gate_report, "text_samples", lambda *_: [])
    report = run_measures(tiny_checkpoint(), tiny_checkpoint, clips, {}, GateRules(), passing)
    assert report.wild[LOSS_2D].change.n == 1 and report.wild[REPROJECTION].change.n == 2


def test_there_must_be_something_to_measure_on():
    with pytest.raises(ValueError, match="held-out clips"):
        gate_clips(random_motions([40, 40]), [])
