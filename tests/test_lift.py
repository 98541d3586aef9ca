"""The 2D-to-3D lift: one pass, any length, masked joints, and the accuracy that is promised."""

import dataclasses
from itertools import pairwise

import numpy as np
import pytest
import torch
from synthetic_motion import random_motion, random_motions
from training_victim import TINY_NETWORK

from models.checkpoint import SHIPPED, Checkpoint, load_checkpoint
from models.data.training_data import prepare_clip, training_statistics
from models.lifting.evaluate_lift import evaluate_lift
from models.lifting.lift import WINDOW_OVERLAP, blend_weights, lift, window_starts
from models.network import CrossDiff
from pipeline.canonical import canonicalise
from pipeline.mocap_archive import read_archive
from pipeline.representation2d import features_from_view
from pipeline.representation3d import recover_joints
from pipeline.skeletons import HUMANML3D
from pipeline.views import project_view

WINDOW = TINY_NETWORK.max_frames


@pytest.fixture(scope="module")
def tiny() -> Checkpoint:
    torch.manual_seed(0)
    network = CrossDiff(TINY_NETWORK).eval()
    return Checkpoint(network, training_statistics(random_motions([30, 60])), HUMANML3D, "t", True)


def view_of(frames: int, seed: int = 0) -> np.ndarray:
    joints = canonicalise(random_motion(seed, frames + 1, turns=0.5), HUMANML3D)
    return project_view(joints, 90.0)


def features_of(frames: int, seed: int = 0) -> np.ndarray:
    return features_from_view(view_of(frames, seed), HUMANML3D)


def test_the_label_is_the_2d_to_3d_path_at_t_0_without_text(tiny):
    features, s = features_of(30), tiny.statistics
    x = torch.from_numpy((features - s.mean2) / s.std2)[None]
    with torch.inference_mode():
        raw = tiny.network.path(x, "2d", "3d", torch.zeros(1).long(), torch.zeros(1, 8))[0]
    lifted = lift(tiny, features)
    np.testing.assert_allclose(lifted.features, raw.numpy() * s.std3 + s.mean3, atol=1e-5)
    np.testing.assert_array_equal(lifted.joints, recover_joints(lifted.features, HUMANML3D))
    assert lifted.windows == 1
    assert lifted.joints.shape == (30, 22, 3)


def test_a_network_trained_without_padding_masks_gets_zeros_up_to_its_longest_input(tiny):
    plain = dataclasses.replace(tiny, masks_padding=False)
    features, s = features_of(30), tiny.statistics
    x = torch.zeros(1, WINDOW, 134)
    x[0, :30] = torch.from_numpy((features - s.mean2) / s.std2)
    with torch.inference_mode():
        raw = tiny.network.path(x, "2d", "3d", torch.zeros(1).long(), torch.zeros(1, 8))[0, :30]
    lifted = lift(plain, features).features
    np.testing.assert_allclose(lifted, raw.numpy() * s.std3 + s.mean3, atol=1e-5)
    assert not np.allclose(lifted, lift(tiny, features).features, atol=1e-4)


@pytest.mark.parametrize("window", [5, 48, 196])
@pytest.mark.parametrize("extra", [0, 1, 2, 47, 150, 1000])
def test_windows_cover_every_frame_and_fade_into_each_other(window, extra):
    frames = window + extra
    starts, overlap = window_starts(frames, window), min(WINDOW_OVERLAP, window // 2)
    assert starts[0] == 0
    assert starts[-1] + window == frames
    assert len(set(starts)) == len(starts)
    assert all(a + window - b >= overlap for a, b in pairwise(starts))
    weights = np.zeros((len(starts), frames))
    for i, start in enumerate(starts):
        weights[i, start : start + window] = blend_weights(start, window, frames)
    assert (weights >= 0).all()
    assert (weights.sum(axis=0) > 0).all()
    share = weights / weights.sum(axis=0)
    # No window's say jumps from one frame to the next, nor begins or ends abruptly.
    assert np.abs(np.diff(share, axis=1)).max(initial=0.0) <= 2.0 / (overlap + 1) + 1e-9


def test_a_clip_that_fits_is_one_window():
    assert window_starts(196, 196) == [0]
    assert window_starts(1, 196) == [0]
    np.testing.assert_array_equal(blend_weights(0, 196, 196), 1.0)


def test_long_clips_equal_the_windows_lifted_alone_and_lie_between_them_where_they_blend(tiny):
    """Each window is lifted as if the video had begun there."""
    frames = 100
    view, whole = view_of(frames), lift(tiny, features_of(frames))
    starts = window_starts(frames, WINDOW)
    assert whole.windows == len(starts) == 4
    alone = np.full((len(starts), frames, 263), np.nan)
    for i, start in enumerate(starts):
        part = features_from_view(view[start : start + WINDOW + 1], HUMANML3D)
        alone[i, start : start + WINDOW] = lift(tiny, part).features
    counts = np.isfinite(alone[..., 0]).sum(axis=0)
    assert (counts == 1).any()
    assert (counts == 2).any()
    low, high = np.nanmin(alone, axis=0), np.nanmax(alone, axis=0)
    assert (whole.features >= low - 1e-4).all()
    assert (whole.features <= high + 1e-4).all()
    np.testing.assert_allclose(whole.features[counts == 1], low[counts == 1], atol=1e-4)


def test_what_is_under_the_mask_does_not_matter_nor_need_to_be_finite(tiny):
    for frames in (30, 100):
        features = features_of(frames)
        rng = np.random.default_rng(frames)
        mask = rng.random(features.shape) > 0.2
        mask[frames // 4 : frames // 2, :2] = False  # the root, across a window's first frame
        results = []
        for junk in (0.0, 1e6, np.nan, np.inf):
            spoilt = features.copy()
            spoilt[~mask] = junk
            results.append(lift(tiny, spoilt, mask).features)
        for other in results[1:]:
            np.testing.assert_array_equal(other, results[0])
        assert np.isfinite(results[0]).all()
        assert not np.allclose(results[0], lift(tiny, features).features, atol=1e-4)


def test_masked_entries_reach_the_network_as_zeros_after_normalisation(tiny):
    """The mean, that is: a zero before normalisation would be a pose of its own."""
    features, s = features_of(30), tiny.statistics
    mask = np.ones(features.shape, dtype=np.bool_)
    mask[5:20, 40:90] = False
    at_mean = np.where(mask, features, s.mean2)
    np.testing.assert_allclose(
        lift(tiny, features, mask).features, lift(tiny, at_mean).features, atol=1e-4
    )


def test_a_window_that_begins_while_the_root_is_unseen_is_anchored_between_what_was_seen(tiny):
    """Regression: an unseen row before a window used to leave the clip's whole path in it."""
    frames = 70
    view = view_of(frames)
    path = np.linspace(0.0, 6.0, len(view))  # six metres across the picture at constant speed
    view[..., 0] += path[:, None] - view[:, :1, 0]
    features = features_from_view(view, HUMANML3D)
    _, start = window_starts(frames, WINDOW)
    mask = np.ones(features.shape, dtype=np.bool_)
    mask[start - 3 : start + 3, :2] = False
    alone = lift(tiny, features_from_view(view[start:], HUMANML3D), mask[start:]).features
    whole = lift(tiny, features, mask).features
    np.testing.assert_allclose(whole[WINDOW:], alone[WINDOW - start :], atol=1e-3)


def test_with_nothing_seen_the_lift_is_still_finite(tiny):
    nothing = np.full((60, 134), np.nan, np.float32)
    lifted = lift(tiny, nothing, np.zeros(nothing.shape, dtype=np.bool_))
    assert np.isfinite(lifted.joints).all()


@pytest.mark.parametrize("frames", [1, 2, 3])
def test_a_few_frames_can_be_lifted(tiny, frames):
    assert lift(tiny, features_of(frames)).joints.shape == (frames, 22, 3)


@pytest.mark.parametrize(
    ("features", "sentence"),
    [
        (np.zeros((10, 128), np.float32), r"features must be \(T >= 1, 134\), got \(10, 128\)"),
        (np.zeros((0, 134), np.float32), r"features must be \(T >= 1, 134\), got \(0, 134\)"),
        (np.full((10, 134), np.nan, np.float32), "2D features hold values that are not finite"),
    ],
)
def test_impossible_features_are_refused_with_a_sentence(tiny, features, sentence):
    with pytest.raises(ValueError, match=sentence):
        lift(tiny, features)


@pytest.fixture(scope="module")
def shipped() -> Checkpoint:
    return load_checkpoint(SHIPPED)


@pytest.mark.shared
def test_a_long_real_motion_has_no_seam(shipped, shared):
    """Where windows meet, the body moves no more between two frames than it does elsewhere."""
    with np.load(shared / "reference" / "motion_012314.npz") as arrays:
        joints = arrays["joints3d"]
    there_and_back = np.concatenate([joints, joints[::-1], joints])[:401]
    features = features_from_view(project_view(there_and_back, 0.0), HUMANML3D)
    lifted = lift(shipped, features)
    assert lifted.windows == 3
    step = np.linalg.norm(np.diff(lifted.joints, axis=0), axis=-1).max(axis=1)
    starts = window_starts(400, 196)
    borders = np.zeros(399, dtype=np.bool_)
    for start in starts:
        for edge in (start, start + 196, start + WINDOW_OVERLAP, start + 196 - WINDOW_OVERLAP):
            borders[max(0, edge - 2) : edge + 1] = True
    inside = ~borders
    inside[[168, 169, 170, 338, 339, 340]] = False  # the motion itself turns round there
    assert step[borders].max() < 1.5 * step[inside].max()
    true_step = np.linalg.norm(np.diff(there_and_back, axis=0), axis=-1).max(axis=1)
    assert step.max() < 1.5 * true_step.max()


@pytest.mark.shared
def test_shipped_weights_keep_the_promised_accuracy(shipped, shared):
    """Every fourth test clip, four views: under 40 mm, and better than both baselines."""
    clips = [c for part in ("cmu", "hdm05") for c in read_archive(shared / "mocap", part)]
    test = [c for c in clips if c.split == "test"][::4]
    train = [c for c in clips if c.split == "train"][::16]
    assert len(test) >= 25
    report = evaluate_lift(
        shipped, [prepare_clip(c)[0] for c in test], [m for c in train for m in prepare_clip(c)]
    )
    ours = report.methods["crossdiff"].overall
    assert ours.pa_mpjpe_mm < 40.0
    for name in ("mean_pose", "linear"):
        other = report.methods[name].overall
        for metric in ("mpjpe_mm", "body_mpjpe_mm", "pa_mpjpe_mm"):
            assert getattr(ours, metric) < getattr(other, metric), (name, metric)
