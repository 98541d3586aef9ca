"""HumanML3D's 263 features: equal to the published code, and recoverable for any motion."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter1d
from synthetic_motion import random_motion

from pipeline import quaternions as quat
from pipeline.canonical import canonicalise, mirror
from pipeline.kinematics import (
    bone_offsets,
    canonical_offsets,
    facing_direction,
    gaussian_over_time,
    inverse_kinematics,
)
from pipeline.normalisation import compute_statistics
from pipeline.representation3d import (
    extract_features,
    features_from_canonical,
    field_slices,
    recover_joints,
)
from pipeline.skeletons import HUMANML3D, KIT, Skeleton


@pytest.fixture(scope="module")
def reference(shared):
    with np.load(shared / "reference" / "motion_012314.npz") as arrays:
        return dict(arrays)


@pytest.mark.shared
def test_features_equal_the_published_extraction(reference):
    joints = reference["joints3d"].astype(np.float64)
    ours = extract_features(joints, HUMANML3D, bone_offsets(joints[0], HUMANML3D))
    assert ours.dtype == np.float32
    np.testing.assert_allclose(ours, reference["features3d_from_joints"], atol=1e-4)


@pytest.mark.shared
def test_recovery_equals_the_published_one(reference):
    recovered = recover_joints(reference["features3d"], HUMANML3D)
    np.testing.assert_allclose(recovered, reference["joints3d_recovered"], atol=1e-4)
    np.testing.assert_allclose(recovered, reference["joints3d"], atol=1e-4)


@pytest.mark.shared
def test_canonical_bone_lengths_are_the_data_sets(reference):
    lengths = np.linalg.norm(bone_offsets(reference["joints3d"][0], HUMANML3D), axis=-1)
    np.testing.assert_allclose(HUMANML3D.canonical_lengths, lengths, atol=1e-4)


@pytest.mark.shared
def test_published_standard_deviation_is_shared_inside_each_of_our_groups(reference):
    for name, where in field_slices(HUMANML3D).items():
        std = reference["std3d"][where]
        assert np.ptp(std) <= 1e-6 * std.max(), name


def test_our_standard_deviation_is_the_groups_mean_standard_deviation():
    rows = features_from_canonical(canonicalise(random_motion(0), HUMANML3D), HUMANML3D)
    flat = np.random.default_rng(0).normal(size=(30, HUMANML3D.dim2)).astype(np.float32)
    stats = compute_statistics([rows[:20], rows[20:]], [flat], HUMANML3D)
    np.testing.assert_allclose(stats.mean3, rows.mean(axis=0), atol=1e-5)
    for where in field_slices(HUMANML3D).values():
        wanted = rows[:, where].astype(np.float64).std(axis=0).mean()
        np.testing.assert_allclose(stats.std3[where], wanted, rtol=1e-4)


def test_groups_of_the_row_lie_where_the_data_set_has_them():
    where = field_slices(HUMANML3D)
    bounds = [(s.start, s.stop) for s in where.values()]
    assert bounds == [(0, 1), (1, 3), (3, 4), (4, 67), (67, 193), (193, 259), (259, 263)]


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    frames=st.integers(2, 90),
    turns=st.floats(-3.0, 3.0),
    skeleton=st.sampled_from([HUMANML3D, KIT]),
)
def test_recovering_extracted_features_gives_the_canonical_joints_back(
    seed: int, frames: int, turns: float, skeleton: Skeleton
):
    canonical = canonicalise(random_motion(seed, frames, skeleton, turns), skeleton)
    features = features_from_canonical(canonical, skeleton)
    assert features.shape == (frames - 1, skeleton.dim3)
    np.testing.assert_allclose(recover_joints(features, skeleton), canonical[:-1], atol=1e-4)


def test_a_turn_past_the_back_counts_forwards():
    """Regression: the published extraction reverses the yaw step where the body faces -Z."""
    canonical = canonicalise(random_motion(3, 80, turns=1.0), HUMANML3D)
    yaw = features_from_canonical(canonical, HUMANML3D)[:, 0]
    # Heading quaternions turn the world to the body: a body turning one way has one sign.
    assert (yaw < 0).all() or (yaw > 0).all()
    heading = inverse_kinematics(canonical, HUMANML3D, smooth_facing=True)[:, 0]
    raw = quat.multiply(heading[1:], quat.inverse(heading[:-1]))
    assert (raw[:, 0] < 0).any(), "the motion must pass the back for this test to mean anything"


def test_canonical_motion_stands_on_the_floor_at_the_origin_facing_z():
    canonical = canonicalise(random_motion(1), HUMANML3D, canonical_offsets(HUMANML3D))
    assert canonical[..., 1].min() == pytest.approx(0.0, abs=1e-12)
    np.testing.assert_allclose(canonical[0, 0, [0, 2]], 0.0, atol=1e-12)
    np.testing.assert_allclose(facing_direction(canonical[:1], HUMANML3D), [[0, 0, 1]], atol=1e-9)


def test_retargeted_motion_has_the_targets_bones_in_every_frame():
    canonical = canonicalise(random_motion(2), HUMANML3D, canonical_offsets(HUMANML3D))
    for parent, joint in HUMANML3D.bones:
        lengths = np.linalg.norm(canonical[:, joint] - canonical[:, parent], axis=-1)
        np.testing.assert_allclose(lengths, HUMANML3D.canonical_lengths[joint], atol=1e-9)


def test_canonicalising_forgets_where_the_motion_was_and_which_way_it_faced():
    joints = random_motion(4)
    moved = quat.rotate(quat.about_y(np.array(2.1)), joints) + np.array([3.0, -1.0, 5.0])
    np.testing.assert_allclose(
        canonicalise(moved, HUMANML3D), canonicalise(joints, HUMANML3D), atol=1e-9
    )


@pytest.mark.parametrize("skeleton", [HUMANML3D, KIT], ids=lambda s: s.name)
def test_mirror_is_an_involution_that_swaps_sides(skeleton):
    joints = random_motion(5, skeleton=skeleton)
    mirrored = mirror(joints, skeleton)
    np.testing.assert_array_equal(mirror(mirrored, skeleton), joints)
    for left, right in skeleton.mirror_pairs:
        np.testing.assert_array_equal(mirrored[:, left], joints[:, right] * [-1, 1, 1])
    paired = {j for pair in skeleton.mirror_pairs for j in pair}
    assert sum(skeleton.mirror_order[j] == j for j in range(skeleton.n_joints)) == (
        skeleton.n_joints - len(paired)
    )


def test_features_of_the_mirrored_motion_turn_the_other_way_on_the_other_foot():
    joints = canonicalise(random_motion(6), HUMANML3D)
    plain = features_from_canonical(joints, HUMANML3D)
    other = features_from_canonical(mirror(joints, HUMANML3D), HUMANML3D)
    np.testing.assert_allclose(other[:, 0], -plain[:, 0], atol=1e-6)
    np.testing.assert_allclose(other[:, 1:4], plain[:, 1:4] * [-1, 1, 1], atol=1e-6)
    np.testing.assert_array_equal(other[:, 259:], plain[:, [261, 262, 259, 260]])


def test_contacts_follow_the_foot_that_stands():
    joints = np.tile(canonicalise(random_motion(7), HUMANML3D)[:1], (10, 1, 1))
    joints[:, [8, 11], 2] += np.linspace(0.0, 2.0, 10)[:, None]  # the right foot slides
    contacts = features_from_canonical(joints, HUMANML3D)[:, 259:]
    np.testing.assert_array_equal(contacts, np.tile([1, 1, 0, 0], (9, 1)))


def test_kit_rows_have_251_entries_and_its_own_contact_threshold():
    assert (KIT.n_joints, KIT.dim3, KIT.dim2) == (21, 251, 128)
    assert (HUMANML3D.n_joints, HUMANML3D.dim3, HUMANML3D.dim2) == (22, 263, 134)
    joints = np.tile(canonicalise(random_motion(8, skeleton=KIT), KIT)[:1], (4, 1, 1))
    joints[:, 14:16, 0] += 0.2 * np.arange(4)[:, None]  # 0.04 squared: under 0.05, over 0.002
    contacts = features_from_canonical(joints, KIT)[:, -4:]
    assert contacts.all()


@pytest.mark.parametrize("frames", [1, 3, 50, 300])
def test_facing_is_smoothed_as_scipy_would(frames):
    signal = np.random.default_rng(frames).normal(size=(frames, 3))
    wanted = gaussian_filter1d(signal, 20.0, axis=0, mode="nearest")
    np.testing.assert_allclose(gaussian_over_time(signal, 20.0), wanted, atol=1e-12)


def test_a_body_without_horizontal_facing_still_gives_finite_features():
    joints = canonicalise(random_motion(9), HUMANML3D)
    lying = joints[..., [1, 0, 2]]  # across the body is now vertical
    joints[:, [1, 2, 16, 17]] = joints[:, [1, 1, 16, 16]]  # no width at all
    for motion in (lying, joints):
        assert np.isfinite(features_from_canonical(motion, HUMANML3D)).all()


@pytest.mark.parametrize(
    ("joints", "sentence"),
    [
        (np.zeros((5, 21, 3)), r"joints must be \(T, 22, 3\), got \(5, 21, 3\)"),
        (np.zeros((1, 22, 3)), "at least two frames"),
        (np.full((5, 22, 3), np.nan), "finite"),
    ],
)
def test_impossible_joints_are_refused_with_a_sentence(joints, sentence):
    with pytest.raises(ValueError, match=sentence):
        canonicalise(joints, HUMANML3D)


def test_recovery_of_rows_of_another_skeleton_is_refused():
    with pytest.raises(ValueError, match=r"features must be \(T, 263\), got \(7, 251\)"):
        recover_joints(np.zeros((7, 251), np.float32), HUMANML3D)


def test_rotation_between_opposite_directions_is_a_finite_half_turn():
    for a in np.concatenate([np.eye(3), -np.eye(3), [[0.6, 0.8, 0.0]], [[0.95, 0.0, 0.3123]]]):
        unit = a / np.linalg.norm(a)
        q = quat.between(unit, -unit)
        assert np.linalg.norm(q) == pytest.approx(1.0)
        np.testing.assert_allclose(quat.rotate(q, unit), -unit, atol=1e-9)


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_quaternions_compose_invert_and_shorten(seed):
    rng = np.random.default_rng(seed)
    a, b = (q / np.linalg.norm(q) for q in rng.normal(size=(2, 4)))
    v, u, w = rng.normal(size=(3, 3))
    together = quat.rotate(quat.multiply(a, b), v)
    np.testing.assert_allclose(together, quat.rotate(a, quat.rotate(b, v)), atol=1e-9)
    np.testing.assert_allclose(quat.rotate(quat.inverse(a), quat.rotate(a, v)), v, atol=1e-9)
    short = quat.shortest(a)
    assert short[0] >= 0
    np.testing.assert_allclose(quat.rotate(short, v), quat.rotate(a, v), atol=1e-9)
    u, w = u / np.linalg.norm(u), w / np.linalg.norm(w)
    np.testing.assert_allclose(quat.rotate(quat.between(u, w), u), w, atol=1e-7)
