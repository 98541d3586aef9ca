"""Evidence about a label: figures that rise with what they are about, and with nothing else."""

from dataclasses import asdict

import numpy as np
import pytest
from truth_clips import canonical_motion

from pipeline.label_evidence import LabelEvidence, gather_evidence
from pipeline.skeletons import HUMANML3D
from pipeline.views import project_view

FRAMES = 60


@pytest.fixture(scope="module")
def motion() -> np.ndarray:
    return canonical_motion("JumpingJack")[:FRAMES].astype(np.float32)


def evidence(joints, view=None, seen=None, confidence=None, **given) -> LabelEvidence:
    view = project_view(joints, 30.0) if view is None else view
    seen = np.ones(joints.shape[:2], bool) if seen is None else seen
    confidence = seen.astype(np.float32) if confidence is None else confidence
    return gather_evidence(joints, view, seen, confidence, HUMANML3D, **given)


def test_a_sound_label_has_little_against_it(motion):
    found = evidence(motion)
    assert found.reprojection_m < 0.01  # the view's slight perspective
    assert found.bone_variation < 0.1
    assert found.bone_error < 0.01
    assert found.unseen_share == 0.0
    assert found.lean < 0.05
    assert found.spread_m is None and found.joint_spread_m is None


def moved_2d(joints):
    rng = np.random.default_rng(1)
    return {"view": project_view(joints, 30.0) + rng.normal(0, 0.02, (*joints.shape[:2], 2))}


def shaking(joints):
    rng = np.random.default_rng(1)
    return {"view": project_view(joints, 30.0),
            "joints": joints + rng.normal(0, 0.01, joints.shape).astype(np.float32)}  # fmt: skip


def upside_down(joints):
    return {"joints": joints * np.float32([-1, -1, 1])}


def faster(joints):
    return {"joints": joints[::2]}


def hidden(joints):
    seen = np.ones(joints.shape[:2], bool)
    seen[10:40, [18, 20]] = False
    return {"seen": seen}


def doubtful(joints):
    return {"confidence": np.full(joints.shape[:2], 0.4, np.float32)}


def stretched(joints):
    pelvis = joints[:, :1]
    return {"joints": pelvis + (joints - pelvis) * np.float32([1, 1.3, 1])}


@pytest.mark.parametrize(
    ("fault", "rising"),
    [
        (moved_2d, ["reprojection_m", "shake"]),
        (shaking, ["jitter", "bone_variation"]),
        (upside_down, ["lean"]),
        (faster, ["speed_m_s", "jitter"]),
        (hidden, ["unseen_share"]),
        (stretched, ["bone_error"]),
    ],
)
def test_each_fault_raises_its_own_figures(motion, fault, rising):
    before, after = (
        asdict(evidence(motion)),
        asdict(evidence(**{"joints": motion, **fault(motion)})),
    )
    assert all(after[name] > before[name] * 1.2 + 1e-3 for name in rising)


def test_where_a_body_stands_and_looks_is_no_evidence(motion):
    turn = np.float32([[0.8, 0, 0.6], [0, 1, 0], [-0.6, 0, 0.8]])
    view = project_view(motion, 30.0)
    here, there = (
        asdict(evidence(j, view)) for j in (motion, motion @ turn.T + np.float32([3, 0, 1]))
    )
    for name, value in here.items():
        if value is not None:
            np.testing.assert_allclose(there[name], value, rtol=1e-3, atol=1e-4, err_msg=name)


def test_joints_speak_for_themselves(motion):
    view, seen = project_view(motion, 30.0).copy(), np.ones(motion.shape[:2], bool)
    view[:, 21] += 0.1
    seen[:, 20] = False
    sure = seen * np.float32(0.9)
    sure[:, 18] = 0.5
    spread = np.zeros(motion.shape[:2])
    spread[:, 7] = 0.3
    found = evidence(motion, view, seen, sure, spread=spread, person_px=150.0)
    assert np.nanargmax(found.joint_reprojection_m) == 21
    assert np.isnan(found.joint_reprojection_m[[0, 20]]).all()
    assert found.joint_unseen_share.argmax() == 20 and found.joint_unseen_share[20] == 1.0
    assert found.joint_confidence[18] == pytest.approx(0.5) and found.joint_confidence[20] == 0.0
    assert found.joint_spread_m[7] == pytest.approx(0.3)
    assert found.spread_m == pytest.approx(0.3 / 22)


def test_a_label_of_which_nothing_was_seen_has_no_reprojection(motion):
    seen = np.zeros(motion.shape[:2], bool)
    seen[:, 0] = True
    assert evidence(motion, seen=seen).reprojection_m is None


def test_odd_arrays_are_refused(motion):
    with pytest.raises(ValueError, match="view is"):
        evidence(motion, view=np.zeros((3, 22, 2), np.float32))
    with pytest.raises(ValueError, match="spread is"):
        evidence(motion, spread=np.zeros((3, 22)))
    with pytest.raises(ValueError, match="4 frames or more"):
        evidence(motion[:3])
    broken = motion.copy()
    broken[2, 2] = np.nan
    with pytest.raises(ValueError, match="finite"):
        evidence(broken, project_view(motion, 0.0))
