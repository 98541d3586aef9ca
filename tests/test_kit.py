"""KIT-ML's 21 joints, 251 and 128 features and own length unit, wherever HumanML3D's work."""

import dataclasses

import numpy as np
import pytest
import torch
from motion_folders import raw_motion, vectors, write_folder
from training_victim import TINY

from models.batches.augment import crop_motions, make_batch
from models.batches.pose_mix import PoseMix, mix_motions
from models.checkpoint import load_checkpoint
from models.data.folder_motions import folder_motions
from models.data.prepared import prepare_motion
from models.data.training_data import build_bank, training_statistics
from models.lifting.lift import lift
from models.train.training import train
from pipeline.canonical import canonicalise, mirror
from pipeline.kinematics import facing_direction
from pipeline.motion_folder import open_motion_folder
from pipeline.representation2d import features_from_view
from pipeline.representation2d import field_slices as slices2d
from pipeline.representation3d import features_from_canonical, field_slices
from pipeline.skeletons import HUMANML3D, KIT, SKELETONS
from pipeline.views import CAMERA_OFFSET, four_views, project_view

SKELETONS_BY_NAME = pytest.mark.parametrize("skeleton", [HUMANML3D, KIT], ids=lambda s: s.name)


def canonical(seed: int, rows: int) -> np.ndarray:
    return canonicalise(raw_motion(seed, rows, KIT), KIT)


@pytest.fixture(scope="module")
def motions(tmp_path_factory):
    folder = tmp_path_factory.mktemp("kit")
    arrays = {f"{i:05d}": vectors(i, 30 + 7 * i, KIT) for i in range(1, 4)}
    write_folder(folder, arrays, {"train": list(arrays)})
    out = list(folder_motions(open_motion_folder(folder, KIT)))
    assert len(out) == 6
    text = np.random.default_rng(0).normal(size=(2, 8)).astype(np.float32)
    return [dataclasses.replace(m, embeddings=text) for m in out]


@SKELETONS_BY_NAME
def test_left_and_right_mean_the_same_in_every_field(skeleton):
    """Facing, feet and mirror pairs of one table must not disagree on which side is left."""
    left = {a for a, _ in skeleton.mirror_pairs}
    right = {b for _, b in skeleton.mirror_pairs}
    assert not left & right
    r_hip, l_hip, r_shoulder, l_shoulder = skeleton.facing
    assert {l_hip, l_shoulder, *skeleton.feet_left} <= left
    assert {r_hip, r_shoulder, *skeleton.feet_right} <= right
    for a, b in skeleton.mirror_pairs:
        parents = (skeleton.parents[a], skeleton.parents[b])
        assert parents in skeleton.mirror_pairs or parents[0] == parents[1]
    assert SKELETONS[skeleton.name] is skeleton


def test_a_canonical_kit_motion_faces_forward_on_the_floor():
    joints = canonical(1, 40)
    np.testing.assert_allclose(facing_direction(joints[:1], KIT)[0], [0, 0, 1], atol=1e-9)
    assert joints[..., 1].min() == pytest.approx(0.0, abs=1e-9)
    assert joints[0, KIT.feet_left[0], 0] > joints[0, KIT.feet_right[0], 0]  # left is +x


def test_views_are_taken_in_metres():
    joints = canonical(2, 40)
    views = four_views(joints, metres_per_unit=KIT.metres_per_unit)
    np.testing.assert_allclose(views, four_views(joints * KIT.metres_per_unit), atol=1e-6)
    assert np.abs(views).max() < 4.0
    # In its own unit the body would reach past the camera: that is what the unit is for.
    assert np.abs(joints[..., 2]).max() > -CAMERA_OFFSET[2]


def test_prepared_rows_have_kits_widths_and_agree_with_the_pipeline(motions):
    for motion in motions:
        rows = prepare_motion(motion, KIT)
        frames = len(motion.joints)
        assert rows.features3d.shape == (frames - 1, 251)
        assert rows.features2d_views.shape == (4, frames - 1, 128)
        view = project_view(motion.joints, 90.0, metres_per_unit=KIT.metres_per_unit)
        np.testing.assert_array_equal(rows.features2d_views[1], features_from_view(view, KIT))


def test_statistics_share_a_deviation_inside_kits_groups(motions):
    stats = training_statistics(motions, KIT)
    assert stats.mean3.shape == (251,) and stats.mean2.shape == (128,)
    assert all(np.ptp(stats.std3[where]) == 0 for where in field_slices(KIT).values())
    assert all(np.ptp(stats.std2[where]) == 0 for where in slices2d(KIT).values())
    ends = [where.stop for where in field_slices(KIT).values()]
    assert ends == [1, 3, 4, 64, 184, 247, 251]


def test_mirrored_features_turn_the_other_way_on_the_other_foot():
    plain = features_from_canonical(canonical(3, 30), KIT)
    other = features_from_canonical(mirror(canonical(3, 30), KIT), KIT)
    np.testing.assert_allclose(other[:, 0], -plain[:, 0], atol=1e-6)
    np.testing.assert_allclose(other[:, 1:4], plain[:, 1:4] * [-1, 1, 1], rtol=1e-4, atol=1e-3)
    np.testing.assert_array_equal(other[:, 247:], plain[:, [249, 250, 247, 248]])


def test_a_batchs_views_are_those_of_the_pipeline(motions):
    """Front view, no noise: the crop's 2D row equals the one computed from its joints."""
    bank, index = build_bank(motions, 8, KIT), torch.arange(3)
    config = dataclasses.replace(TINY.camera, continuous=0.0, elevation_deg=0.0)
    noise = dataclasses.replace(TINY.noise, share=0.0)
    options = {"camera": config, "noise": noise}
    batch = make_batch(bank, index, 24, KIT, generator=torch.Generator().manual_seed(0), **options)
    assert batch.x3.shape == (3, 24, 251) and batch.x2.shape == (3, 24, 128)
    assert torch.isfinite(batch.x2).all() and batch.x2.abs().max() < 10.0
    crop = crop_motions(bank, index, 24, torch.Generator().manual_seed(0))
    assert crop.joints.abs().max() < 10.0  # metres


def test_mixed_motions_keep_kits_unit_in_their_features(motions):
    bank = build_bank(motions, 8, KIT)
    a = bank.joints[:2, :25]
    still = PoseMix(share=1.0, swap=0.0, reverse=0.0, bend_deg=0.0, arm_deg=0.0)
    joints, features = mix_motions(a, a, still, KIT, torch.Generator().manual_seed(0))
    units = joints[0].numpy().astype(np.float64) / KIT.metres_per_unit
    wanted = features_from_canonical(units, KIT)
    np.testing.assert_allclose(features[0, :, 3:64], wanted[:, 3:64], rtol=1e-3, atol=0.5)


@pytest.mark.parametrize("masks_padding", [True, False])
def test_a_tiny_network_trains_on_kit_is_saved_and_lifts(motions, tmp_path, masks_padding):
    network = dataclasses.replace(TINY.network, dim3=KIT.dim3, dim2=KIT.dim2)
    config = dataclasses.replace(
        TINY, network=network, steps=4, windows=(16, 24), masks_padding=masks_padding
    )
    bank, stats = build_bank(motions, 8, KIT), training_statistics(motions, KIT)
    run = train(config, bank, bank, stats, tmp_path / "run", skeleton=KIT, say=lambda _: None)
    assert run.step == 4
    checkpoint = load_checkpoint(tmp_path / "run" / "best")
    assert checkpoint.skeleton is KIT
    motion = motions[0]
    view = project_view(motion.joints[:40], 0.0, metres_per_unit=KIT.metres_per_unit)
    lifted = lift(checkpoint, features_from_view(view, KIT))
    rows = len(motion.joints[:40]) - 1
    assert lifted.features.shape == (rows, 251) and lifted.joints.shape == (rows, 21, 3)
    log = (tmp_path / "run" / "validation.jsonl").read_text()
    assert '"step": 4' in log


def test_validation_errors_of_kit_are_in_millimetres(motions, tmp_path):
    """An untrained network gives about the mean pose: some decimetres off, not kilometres."""
    from models.network import CrossDiff
    from models.train.validation import validate

    network = CrossDiff(dataclasses.replace(TINY.network, dim3=KIT.dim3, dim2=KIT.dim2)).eval()
    bank, stats = build_bank(motions, 8, KIT), training_statistics(motions, KIT)
    _, errors = validate(network, bank, stats, KIT, masks_padding=True)
    assert 10.0 < errors.mpjpe_mm < 3000.0
