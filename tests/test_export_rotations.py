"""Joint positions to a rig's rotations: constant bones, a stated twist, no flips."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation
from synthetic_motion import random_motion
from truth_clips import all_truth_clips

from pipeline import quaternions as quat
from pipeline.canonical import canonicalise
from pipeline.export.inverse_kinematics import (
    SPINE_SHARES,
    at_fps,
    bone_places,
    constant_bones,
    deviation,
    fit_rig,
    rig_joints,
)
from pipeline.export.rig import BONE_NAMES, HUBS, children_of, make_rig, rest_directions
from pipeline.export.turns import same_sign, slerp, swings
from pipeline.kinematics import canonical_offsets
from pipeline.skeletons import HUMANML3D

X, Y, Z = np.eye(3)


def samples() -> dict[str, np.ndarray]:
    clips = all_truth_clips().values()
    found = {}
    for clip in clips:
        with np.load(clip.video.with_suffix(".truth.npz"), allow_pickle=False) as held:
            found[clip.action] = held["joints3d_20fps"].astype(np.float64)
    return found


def motions() -> dict[str, np.ndarray]:
    noise = np.random.default_rng(5).normal(scale=0.01, size=(40, 22, 3))
    random = {f"random {seed}": random_motion(seed, 40) for seed in range(3)}
    return {**samples(), **random, "shaky": random_motion(9, 40) + noise}


MOTIONS = motions()


def angle_deg(q: np.ndarray) -> np.ndarray:
    return np.rad2deg(2 * np.arccos(np.clip(np.abs(q[..., 0]), 0, 1)))


def steps_deg(q: np.ndarray) -> np.ndarray:
    return angle_deg(quat.multiply(quat.inverse(q[:-1]), q[1:]))


def lengths(joints: np.ndarray) -> np.ndarray:
    bones = np.array(HUMANML3D.bones)
    return np.linalg.norm(joints[:, bones[:, 1]] - joints[:, bones[:, 0]], axis=-1)


@pytest.mark.parametrize("name", MOTIONS)
def test_the_rig_moves_as_the_body_with_constant_bones_does(name):
    joints = MOTIONS[name]
    found = rig_joints(fit_rig(joints, 20.0))
    assert np.abs(found - constant_bones(joints)).max() < 1e-6
    medians = np.median(lengths(joints), axis=0)
    np.testing.assert_allclose(lengths(found), np.tile(medians, (len(joints), 1)), atol=1e-6)


@pytest.mark.parametrize("name", MOTIONS)
def test_where_bones_are_constant_already_nothing_moves(name):
    offsets = canonical_offsets(HUMANML3D)
    joints = canonicalise(MOTIONS[name], HUMANML3D, offsets)
    assert deviation(fit_rig(joints, 20.0), joints).max_mm < 1e-3


def test_what_constant_bones_cost_is_told():
    joints = samples()["SitDown"].copy()
    joints[10:12, 21] += [0.0, 0.3, 0.0]  # a wrist that jumps for two frames
    found = fit_rig(joints, 20.0)
    told = deviation(found, joints)
    apart = np.linalg.norm(rig_joints(found) - joints, axis=-1)
    assert told.max_mm == pytest.approx(apart.max() * 1000)
    assert told.max_mm > 50
    assert told.mean_mm == pytest.approx(apart.mean() * 1000)


def test_a_body_in_t_pose_is_not_turned_at_all():
    rig = make_rig(rest_directions() * 0.2, helpers=True)
    joints = np.tile(rig.rest[list(rig.of_joint)], (3, 1, 1)) + Y
    found = fit_rig(joints, 20.0)
    assert angle_deg(found.rotations).max() < 1e-4
    np.testing.assert_allclose(found.root, [[0.0, 1.0, 0.0]] * 3)


def test_a_body_that_turns_as_a_whole_is_turned_at_the_hips_alone():
    rig = make_rig(rest_directions() * 0.2, helpers=True)
    turns = Rotation.from_euler("yxz", [[0, 0, 0], [90, 0, 0], [200, 40, 80]], degrees=True)
    joints = np.stack([turn.apply(rig.rest[list(rig.of_joint)]) for turn in turns])
    found = fit_rig(joints, 20.0).rotations
    wanted = turns.as_quat()[:, [3, 0, 1, 2]]
    np.testing.assert_allclose(np.abs((found[:, 0] * wanted).sum(-1)), 1.0, atol=1e-9)
    assert angle_deg(found[:, 1:]).max() < 1e-4


@pytest.mark.parametrize("helpers", [True, False])
def test_no_bone_twists_about_itself(helpers):
    found = fit_rig(MOTIONS["JumpingJack"], 20.0, helpers=helpers)
    for bone, end in enumerate(found.rig.ends):
        joint = found.rig.joints[bone]
        trunk = joint in (
            *HUBS,
            *SPINE_SHARES,
            *(c for h in HUBS for c in children_of(h, HUMANML3D)),
        )
        if end < 0 or found.rig.is_helper(bone) or trunk:
            continue
        axis = rest_directions()[end]
        twist = found.rotations[:, bone, 1:] @ axis
        assert np.abs(twist).max() < 1e-9, found.rig.names[bone]


def test_a_bone_that_passes_its_opposite_closely_does_not_spin():
    time = np.linspace(-1.2, 1.2, 61)  # 7 degrees a frame at most
    close = np.stack([-np.cos(time), np.full_like(time, 0.03), np.sin(time)], axis=-1)
    close /= np.linalg.norm(close, axis=-1, keepdims=True)
    assert steps_deg(quat.between(X, close)).max() > 60  # what this is about
    found = swings(X, close)
    assert steps_deg(found).max() < 20
    np.testing.assert_allclose(quat.rotate(found, X), close, atol=1e-9)
    plain = quat.between(X, close)  # and far away from there it has no twist again
    np.testing.assert_allclose(np.abs((found[-1] * plain[-1]).sum()), 1.0, atol=1e-9)


@pytest.mark.parametrize("name", [*samples(), "random 0", "random 1"])
def test_rotations_follow_the_motion_without_jumps(name):
    joints = MOTIONS[name]
    found = fit_rig(joints, 20.0)
    assert ((found.rotations[1:] * found.rotations[:-1]).sum(-1) >= 0).all()
    bones = np.array(HUMANML3D.bones)
    directions = constant_bones(joints)[:, bones[:, 1]] - constant_bones(joints)[:, bones[:, 0]]
    directions /= np.linalg.norm(directions, axis=-1, keepdims=True)
    moved = np.rad2deg(np.arccos(np.clip((directions[1:] * directions[:-1]).sum(-1), -1, 1)))
    assert steps_deg(found.rotations).max() < 4 * moved.max() + 5


def test_without_helpers_there_are_22_bones_and_what_it_costs_is_told():
    joints = MOTIONS["JumpingJack"]
    plain = fit_rig(joints, 20.0, helpers=False)
    assert sorted(plain.rig.names) == sorted(BONE_NAMES)
    exact = fit_rig(joints, 20.0)
    assert set(exact.rig.names) > set(BONE_NAMES)
    assert len(exact.rig.names) == 28
    cost = deviation(plain, joints).mean_mm - deviation(exact, joints).mean_mm
    assert 0 < cost < 30
    places = rig_joints(plain)
    for hub in HUBS:
        ends = places[:, list(children_of(hub, HUMANML3D))]
        apart = np.linalg.norm(ends[:, :, None] - ends[:, None], axis=-1)
        assert apart.std(axis=0).max() < 1e-9  # rigid


def test_left_is_left_up_is_up_and_toes_point_forward():
    rig = make_rig(rest_directions() * 0.2, helpers=True)
    at = dict(zip(rig.names, rig.rest, strict=True))
    for part in ("UpLeg", "Leg", "Foot", "ToeBase", "Shoulder", "Arm", "ForeArm", "Hand"):
        left, right = at[f"Left{part}"], at[f"Right{part}"]
        np.testing.assert_allclose(left, right * [-1, 1, 1])
        assert left[0] > 0
    assert at["Head"][1] > at["Neck"][1] > at["Spine2"][1] > at["Hips"][1] > at["LeftLeg"][1]
    assert at["LeftToeBase"][2] > at["LeftFoot"][2]
    np.testing.assert_allclose(at["LeftHand"][1:], at["LeftArm"][1:])  # arms straight out: a T


def test_another_frame_rate_goes_through_the_same_poses():
    joints = MOTIONS["Cartwheel"]
    found = fit_rig(joints, 20.0)
    double = at_fps(found, 40.0)
    assert double.n_frames == 2 * len(joints) - 1
    np.testing.assert_allclose(bone_places(double)[::2], bone_places(found), atol=1e-9)
    between = bone_places(double)[1::2]
    middles = (bone_places(found)[1:] + bone_places(found)[:-1]) / 2
    assert np.abs(between - middles).max() < 0.05
    slower = at_fps(found, 8.0)
    assert slower.n_frames == int((len(joints) - 1) * 8 / 20) + 1
    np.testing.assert_allclose(bone_places(slower)[2], bone_places(found)[5], atol=1e-9)
    assert at_fps(found, 20.0) is found
    with pytest.raises(ValueError, match="give 1 to 1000"):
        at_fps(found, 0.5)


def test_slerp_goes_the_short_way_whatever_the_signs():
    a = Rotation.from_euler("y", 10, degrees=True).as_quat()[[3, 0, 1, 2]]
    b = Rotation.from_euler("y", 50, degrees=True).as_quat()[[3, 0, 1, 2]]
    for sign in (1, -1):
        middle = slerp(a, sign * b, 0.25)
        assert angle_deg(middle) == pytest.approx(20)
    signs = same_sign(np.stack([a, -b, a, -a])[:, None])
    assert ((signs[1:] * signs[:-1]).sum(-1) > 0).all()


@pytest.mark.parametrize(
    ("joints", "says"),
    [
        (np.zeros((0, 22, 3)), "expected"),
        (np.zeros((5, 21, 3)), "expected"),
        (np.zeros((5, 22, 2)), "expected"),
        (np.full((5, 22, 3), np.nan), "not finite"),
    ],
)
def test_what_is_no_motion_is_refused(joints, says):
    with pytest.raises(ValueError, match=says):
        fit_rig(joints, 20.0)


def test_a_body_without_extent_and_a_single_frame_do_no_harm():
    still = fit_rig(np.zeros((4, 22, 3)), 20.0)
    assert np.isfinite(still.rotations).all()
    one = MOTIONS["Cartwheel"][:1]
    assert np.abs(rig_joints(fit_rig(one, 20.0)) - one).max() < 1e-6
    assert at_fps(fit_rig(one, 20.0), 60.0).n_frames == 1
