"""Training batches: the torch twins of the pipeline's arithmetic, crops, noise and inputs."""

import dataclasses
import math

import numpy as np
import pytest
import torch
from synthetic_motion import random_motions
from training_victim import TINY

from models.batches.augment import CameraAugmentation, crop_motions, make_batch
from models.batches.detector_noise import DetectorNoise
from models.batches.projection import feature_mask, project, view_features
from models.data.training_data import (
    build_bank,
    read_motions,
    swap_sides,
    training_statistics,
    write_motions,
)
from models.diffusion import ForwardProcess
from models.train.train_step import noised_inputs
from pipeline.feature_masks import feature_mask2d
from pipeline.kinematics import facing_direction
from pipeline.representation2d import features_from_view
from pipeline.representation3d import features_from_canonical, recover_joints
from pipeline.skeletons import HUMANML3D, KIT
from pipeline.views import project_view

LENGTHS = [31, 60, 24, 45]
MOTIONS = random_motions(LENGTHS)
CLEAN = DetectorNoise()
PAPER_CAMERA = CameraAugmentation()


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def bank():
    return build_bank(MOTIONS, text_dim=8)


def batch_of(bank, index, window, *, camera=PAPER_CAMERA, noise=CLEAN, seed=0, whole=False):
    return make_batch(
        bank,
        torch.tensor(index),
        window,
        HUMANML3D,
        camera=camera,
        noise=noise,
        generator=generator(seed),
        whole=whole,
    )


@pytest.mark.parametrize("azimuth", [0.0, 90.0, 180.0, 270.0, 33.0])
def test_projection_equals_the_pipelines(azimuth):
    joints = MOTIONS[1].joints
    angle = torch.tensor([math.radians(azimuth)])
    ours = project(torch.from_numpy(joints)[None], angle, torch.zeros(1))
    np.testing.assert_allclose(ours[0], project_view(joints, azimuth), atol=1e-5)


def test_each_sample_has_its_own_camera():
    joints = torch.from_numpy(MOTIONS[2].joints)[None].repeat(2, 1, 1, 1)
    out = project(joints, torch.tensor([0.0, math.pi / 2]), torch.zeros(2))
    np.testing.assert_allclose(out[1], project_view(MOTIONS[2].joints, 90.0), atol=1e-5)
    tilted = project(joints, torch.zeros(2), torch.tensor([0.0, 0.2]))
    assert not torch.allclose(tilted[0], tilted[1], atol=1e-2)


@pytest.mark.parametrize("skeleton", [HUMANML3D, KIT], ids=lambda s: s.name)
def test_2d_features_equal_the_pipelines(skeleton):
    view = np.random.default_rng(0).normal(size=(12, skeleton.n_joints, 2)).astype(np.float32)
    ours = view_features(torch.from_numpy(view)[None], skeleton)[0]
    np.testing.assert_allclose(ours, features_from_view(view, skeleton), atol=1e-5)


@pytest.mark.parametrize("skeleton", [HUMANML3D, KIT], ids=lambda s: s.name)
def test_feature_mask_equals_the_pipelines(skeleton):
    for seed in range(5):
        seen = np.random.default_rng(seed).random((15, skeleton.n_joints)) > 0.1
        ours = feature_mask(torch.from_numpy(seen)[None], skeleton)[0]
        np.testing.assert_array_equal(ours, feature_mask2d(seen, skeleton))


@pytest.mark.parametrize("seed", range(4))
def test_crops_begin_at_the_origin_facing_z_and_agree_with_their_features(bank, seed):
    """The 3D rows of a crop, recovered, are the joints that the crop's camera sees."""
    crop = crop_motions(bank, torch.tensor([1, 3, 1, 0]), 20, generator(seed))
    for joints, rows, pad in zip(crop.joints, crop.x3, crop.pad, strict=True):
        used = int((~pad).sum())
        assert used % 4 == 0
        torch.testing.assert_close(joints[0, 0, [0, 2]], torch.zeros(2), atol=1e-6, rtol=0)
        recovered = recover_joints(rows[:used].numpy(), HUMANML3D)
        np.testing.assert_allclose(joints[:used].numpy(), recovered, atol=1e-4)


def test_a_crop_of_the_whole_motion_is_the_motion(bank):
    crop = crop_motions(bank, torch.tensor([2]), LENGTHS[2] - 1, generator(), whole=True)
    np.testing.assert_allclose(crop.joints[0], MOTIONS[2].joints, atol=1e-6)
    forward = facing_direction(crop.joints[0, :1].double().numpy(), HUMANML3D)
    np.testing.assert_allclose(forward, [[0, 0, 1]], atol=1e-5)


def test_bank_rows_are_the_pipelines_features(bank):
    for i, motion in enumerate(MOTIONS):
        rows = features_from_canonical(motion.joints.astype(np.float64), HUMANML3D)
        assert bank.rows[i] == LENGTHS[i] - 1 == len(rows)
        np.testing.assert_array_equal(bank.features3[i, : len(rows)], rows)
        assert not bank.features3[i, len(rows) :].any()


@pytest.mark.parametrize("elevation", [0.0, 12.0])
def test_the_2d_rows_show_the_same_crop_from_one_of_the_four_views(bank, elevation):
    camera = CameraAugmentation(continuous=0.0, elevation_deg=elevation)
    index = [1, 3, 1, 3, 0, 0]
    batch = batch_of(bank, index, 24, camera=camera, seed=5)
    crop = crop_motions(bank, torch.tensor(index), 24, generator(5))
    torch.testing.assert_close(batch.x3, crop.x3 * ~crop.pad[..., None])
    found = set()
    for joints, x2, pad in zip(crop.joints, batch.x2, batch.pad, strict=True):
        views = [
            features_from_view(project_view(joints.numpy(), azimuth), HUMANML3D)
            for azimuth in (0.0, 90.0, 180.0, 270.0)
        ]
        gaps = [np.abs(v[~pad.numpy()] - x2[~pad].numpy()).max() for v in views]
        assert min(gaps) < 1e-4
        found.add(int(np.argmin(gaps)))
    assert len(found) > 1


def test_continuous_cameras_leave_the_four_views(bank):
    batch = batch_of(bank, [1] * 8, 24, camera=CameraAugmentation(1.0, 12.0))
    paper = batch_of(bank, [1] * 8, 24)
    torch.testing.assert_close(batch.x3, paper.x3)
    assert not torch.isclose(batch.x2, paper.x2, atol=1e-3).all(dim=(1, 2)).any()


def test_nothing_is_padded_when_every_motion_fills_the_window(bank):
    batch = batch_of(bank, [0, 1, 2, 3] * 10, 23, whole=True)
    assert not batch.pad.any()
    assert batch.x3.shape == (40, 23, 263)
    assert (batch.x3.abs().sum(-1) > 0).all()


def test_crop_lengths_are_whole_units_and_a_third_are_one_unit_shorter(bank):
    crop = crop_motions(bank, torch.tensor([1] * 3000), 40, generator())
    lengths = (~crop.pad).sum(dim=1)
    assert set(lengths.tolist()) == {36, 40}
    assert (lengths == 36).float().mean() == pytest.approx(1 / 3, abs=0.03)
    short = crop_motions(bank, torch.tensor([2] * 300), 40, generator())  # 23 rows
    assert set((~short.pad).sum(dim=1).tolist()) == {16, 20}


def test_padding_holds_zeros(bank):
    noise = DetectorNoise(share=1.0)
    batch = batch_of(bank, [2, 0, 1], 40, noise=noise)
    assert batch.pad.any()
    for rows in (batch.x3, batch.x2, batch.input2):
        assert not rows[batch.pad].any()
        assert torch.isfinite(rows).all()


def test_without_noise_the_input_is_the_clean_view(bank):
    batch = batch_of(bank, [0, 1, 2, 3], 20)
    torch.testing.assert_close(batch.input2, batch.x2)
    assert batch.mask2.all()


def test_noise_spoils_the_input_but_neither_target(bank):
    clean, spoilt = (
        batch_of(bank, [1] * 40, 24, noise=DetectorNoise(share=share)) for share in (0.0, 1.0)
    )
    torch.testing.assert_close(spoilt.x3, clean.x3)
    torch.testing.assert_close(spoilt.x2, clean.x2)
    assert (spoilt.input2 - clean.x2).abs().amax(dim=(1, 2)).min() > 1e-3
    hidden = ~spoilt.mask2
    assert hidden.any()
    assert spoilt.mask2[..., :2].all(), "the root is always seen"
    assert 0.3 < hidden.any(dim=2).any(dim=1).float().mean() < 0.7, "drop_share is a half"


def test_other_proportions_keep_directions_and_symmetry(bank):
    noise = DetectorNoise(share=1.0, jitter_m=0.0, scale=0.0, proportions=0.2, drop_share=0.0)
    batch = batch_of(bank, [1], 24, noise=noise)
    rotations = slice(44, 86)
    # Almost orthographic: bone directions in the picture barely depend on the bones' lengths.
    assert (batch.input2 - batch.x2)[..., rotations].abs().median() < 0.02
    lengths = batch.input2[0, :, 2:44].reshape(24, 21, 2) / batch.x2[0, :, 2:44].reshape(24, 21, 2)
    hips = lengths[:, [0, 1]].nanmedian(dim=0).values
    torch.testing.assert_close(hips[0], hips[1], atol=0.02, rtol=0)
    assert (hips - 1).abs().max() > 0.01


def test_text_is_one_of_the_motions_own_captions(bank):
    batch = batch_of(bank, [0] * 50 + [3] * 5, 20)
    own = torch.from_numpy(MOTIONS[0].embeddings)
    drawn = [(own == row).all(dim=1).nonzero().item() for row in batch.text[:50]]
    assert set(drawn) == {0, 1}
    assert not batch.text[50:].any(), "a motion without captions has no text"


def test_a_batch_is_a_function_of_the_generators_state(bank):
    noise = DetectorNoise(share=0.7)
    first, again, other = (
        batch_of(bank, [0, 1, 2], 24, noise=noise, seed=seed) for seed in (1, 1, 2)
    )
    for field in dataclasses.fields(first):
        a, b = getattr(first, field.name), getattr(again, field.name)
        torch.testing.assert_close(a, b, rtol=0, atol=0)
    assert not torch.equal(first.input2, other.input2)


def inputs_of(bank, batch, **fields):
    stats = {k: torch.from_numpy(v) for k, v in training_statistics(MOTIONS).arrays().items()}
    config = dataclasses.replace(TINY, **fields)
    return noised_inputs(batch, stats, ForwardProcess.create(), config, generator()), stats


def test_at_t_0_the_input_is_the_spoilt_view_with_unseen_entries_zero(bank):
    batch = batch_of(bank, [1, 0, 2], 40, noise=DetectorNoise(share=1.0, drop_share=1.0))
    inputs, stats = inputs_of(bank, batch, zero_step_share=1.0)
    assert not inputs["t"].any()
    usable = batch.mask2 & ~batch.pad[..., None]
    assert not inputs["x2_t"][~usable].any()
    spoilt = (batch.input2 - stats["mean2"]) / stats["std2"]
    # At t = 0 the process still adds noise of deviation 0.0064.
    assert (inputs["x2_t"] - spoilt)[usable].abs().max() < 0.05
    assert (inputs["x2"] - spoilt)[usable].abs().max() > 0.1, "the target stays clean"


def test_later_steps_see_the_clean_view_unmasked_under_diffusion_noise(bank):
    batch = batch_of(bank, [1] * 64, 40, noise=DetectorNoise(share=1.0, drop_share=1.0))
    inputs, _ = inputs_of(bank, batch, zero_step_share=0.0)
    t = inputs["t"]
    assert len(t.unique()) > 20
    assert t.max() < 1000
    late = t > 900
    assert (inputs["x2_t"][late][~batch.pad[late]] != 0).all()
    noise3, noise2 = (inputs[k][late][~batch.pad[late]] for k in ("x3_t", "x2_t"))
    assert noise2.std() == pytest.approx(1.0, abs=0.1)
    correlation = torch.corrcoef(torch.stack([noise3[:, :100].ravel(), noise2[:, :100].ravel()]))
    assert abs(correlation[0, 1]) < 0.05, "both inputs get independent noise"


def test_text_is_dropped_with_the_given_probability(bank):
    batch = batch_of(bank, [1] * 2000, 8)
    inputs, _ = inputs_of(bank, batch, text_drop=0.1)
    dropped = ~inputs["text"].any(dim=1)
    assert dropped.float().mean() == pytest.approx(0.1, abs=0.03)


def test_embeddings_of_another_width_are_refused():
    with pytest.raises(ValueError, match="m0 has text embeddings of width 8, the network expects"):
        build_bank(MOTIONS, text_dim=5)
    with pytest.raises(ValueError, match="no motion in this split"):
        build_bank([], text_dim=8)


def test_motions_survive_the_parquet_file(tmp_path):
    write_motions(MOTIONS, tmp_path / "set" / "motions.parquet")
    back = read_motions(tmp_path / "set")
    for ours, wanted in zip(back, MOTIONS, strict=True):
        np.testing.assert_array_equal(ours.joints, wanted.joints)
        np.testing.assert_array_equal(ours.embeddings, wanted.embeddings)
        assert (ours.motion_id, ours.captions) == (wanted.motion_id, wanted.captions)
    assert read_motions(tmp_path / "set", "val") == []
    with pytest.raises(
        ValueError, match=r"no training set at .*: make one with `crossdiff prepare"
    ):
        read_motions(tmp_path / "nothing")
    with pytest.raises(ValueError, match=r"is a folder: give the .parquet file"):
        write_motions(MOTIONS, tmp_path / "set")
    assert [p.name for p in tmp_path.iterdir()] == ["set"]


def test_captions_of_mirrored_motions_swap_their_sides():
    told = "The left hand, then right; turns clockwise (leftover)."
    assert swap_sides(told) == "The right hand, then left; turns counterclockwise (leftover)."
    assert swap_sides(swap_sides(told)) == told


@pytest.mark.parametrize(
    ("told", "mirrored"),
    [
        ("Left hand waves", "Right hand waves"),
        ("the RIGHT one", "the LEFT one"),
        ("a left-handed throw", "a right-handed throw"),
        ("his left/right (left) foot", "his right/left (right) foot"),
        ("steps leftward, rightwards", "steps rightward, leftwards"),
        ("turns counter-clockwise", "turns clockwise"),
        ("Anticlockwise.", "Clockwise."),
        ("an upright, bright leftover", "an upright, bright leftover"),
    ],
)
def test_a_side_is_found_in_any_spelling(told, mirrored):
    assert swap_sides(told) == mirrored
