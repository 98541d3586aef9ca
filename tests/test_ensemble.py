"""Several looks at one view: nothing changes without them, and what they average is sound."""

import dataclasses

import numpy as np
import pytest
import torch
from synthetic_motion import random_motion, random_motions
from training_victim import TINY_NETWORK

from models.checkpoint import SHIPPED, Checkpoint, load_checkpoint
from models.data.training_data import training_statistics
from models.lifting import ensemble as ensembles
from models.lifting import lift as lifting
from models.lifting.ensemble import lift_ensemble, turned_like
from models.lifting.lift import lift, lift_together
from models.lifting.lift_metrics import pa_mpjpe
from models.lifting.noisy_view import NoiseLevel, noisy_view
from models.network import CrossDiff
from pipeline.camera_fit import fit_camera
from pipeline.canonical import canonicalise, mirror
from pipeline.feature_masks import feature_mask2d
from pipeline.mirror_features import mirror_columns2d, mirror_features3d, mirror_view
from pipeline.mocap_archive import read_archive
from pipeline.representation2d import features_from_view
from pipeline.representation3d import features_from_canonical, recover_joints
from pipeline.skeletons import HUMANML3D
from pipeline.view_cleaning import clean_view
from pipeline.view_size import resized_view, view_size
from pipeline.views import azimuth_rotation, project_view


@pytest.fixture(scope="module")
def tiny() -> Checkpoint:
    torch.manual_seed(0)
    network = CrossDiff(TINY_NETWORK).eval()
    return Checkpoint(network, training_statistics(random_motions([30, 60])), HUMANML3D, "t", True)


def motion_of(frames: int, seed: int = 0) -> np.ndarray:
    return canonicalise(random_motion(seed, frames, turns=0.5), HUMANML3D)


def lifted(checkpoint: Checkpoint, view: np.ndarray, seen: np.ndarray, kind: str):
    features, mask = features_from_view(view, HUMANML3D), feature_mask2d(seen, HUMANML3D)
    return lift_ensemble(checkpoint, features, mask, view, seen, kind)


def holed_view(frames: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    view = project_view(motion_of(frames, seed), 90.0)
    seen = np.ones(view.shape[:2], dtype=np.bool_)
    seen[5:15, 18:] = False
    return np.where(seen[..., None], view, 0.0).astype(np.float32), seen


def test_none_is_the_lift_bit_for_bit(tiny):
    view, seen = holed_view(31)
    alone = lift(tiny, features_from_view(view, HUMANML3D), feature_mask2d(seen, HUMANML3D))
    plain = lifted(tiny, view, seen, "none")
    np.testing.assert_array_equal(plain.features, alone.features)
    np.testing.assert_array_equal(plain.joints, alone.joints)
    assert (plain.members, plain.windows, plain.spread) == (1, alone.windows, None)


@pytest.mark.parametrize("frames", [30, 100])
def test_clips_lifted_together_equal_the_clips_lifted_alone(tiny, frames):
    pairs = [holed_view(frames, seed) for seed in (0, 1, 2)]
    rows = np.stack([features_from_view(v, HUMANML3D) for v, _ in pairs])
    masks = np.stack([feature_mask2d(s, HUMANML3D) for _, s in pairs])
    together, windows = lift_together(tiny, rows, masks)
    alone = [lift(tiny, r, m) for r, m in zip(rows, masks, strict=True)]
    assert windows == sum(a.windows for a in alone)
    np.testing.assert_allclose(together, [a.features for a in alone], atol=1e-4)


def test_mirrored_rows_are_the_rows_of_the_mirrored_motion():
    joints = motion_of(40)
    rows = features_from_canonical(joints, HUMANML3D)
    mirrored = features_from_canonical(mirror(joints, HUMANML3D), HUMANML3D)
    np.testing.assert_allclose(mirror_features3d(rows, HUMANML3D), mirrored, atol=1e-5)
    view, seen = holed_view(40)
    other = seen[:, list(HUMANML3D.mirror_order)]
    columns = mirror_columns2d(HUMANML3D)
    expected = feature_mask2d(other, HUMANML3D)
    np.testing.assert_array_equal(feature_mask2d(seen, HUMANML3D)[:, columns], expected)
    twice = mirror_view(mirror_view(view, HUMANML3D), HUMANML3D)
    np.testing.assert_array_equal(twice, view)


def test_a_mirrored_view_gives_the_mirrored_pose(tiny):
    """The two members change places, so that left and right are treated alike."""
    view, seen = holed_view(40)
    order = list(HUMANML3D.mirror_order)
    one = lifted(tiny, view, seen, "flip")
    other = lifted(tiny, mirror_view(view, HUMANML3D), seen[:, order], "flip")
    back = mirror(other.joints.astype(np.float64), HUMANML3D)
    back = turned_like(back - back[:, :1], one.joints - one.joints[:, :1])
    np.testing.assert_allclose(back, one.joints - one.joints[:, :1], atol=1e-3)
    np.testing.assert_allclose(other.spread[:, order], one.spread, atol=1e-4)


@pytest.mark.parametrize(("kind", "members"), [("flip", 2), ("many", 6)])
def test_rows_and_joints_tell_the_same_motion_and_the_spread_is_known(tiny, kind, members):
    view, seen = holed_view(70)
    answer = lifted(tiny, view, seen, kind)
    assert answer.features.shape == (69, 263)
    assert answer.members == members
    assert answer.spread.shape == (69, 22)
    assert (answer.spread[:, 1:] > 0).all()
    np.testing.assert_allclose(recover_joints(answer.features, HUMANML3D), answer.joints, atol=1e-5)
    again = lifted(tiny, view, seen, kind)
    np.testing.assert_array_equal(again.features, answer.features)


def test_a_long_motion_a_few_looks_at_a_time_is_the_same_motion(tiny, monkeypatch):
    view, seen = holed_view(70)
    whole = lifted(tiny, view, seen, "many")
    monkeypatch.setattr(lifting, "WINDOWS_TOGETHER", 1)
    monkeypatch.setattr(ensembles, "SPREAD_FRAMES", 16)
    parts = lifted(tiny, view, seen, "many")
    assert parts.windows == whole.windows
    np.testing.assert_allclose(parts.joints, whole.joints, atol=1e-5)
    np.testing.assert_allclose(parts.spread, whole.spread, atol=1e-6)


def test_what_is_not_seen_does_not_matter_to_the_ensemble(tiny):
    view, seen = holed_view(40)
    spoilt = view.copy()
    spoilt[~seen] = 1e3
    one = lifted(tiny, view, seen, "many")
    other = lifted(tiny, spoilt, seen, "many")
    np.testing.assert_allclose(one.features, other.features, atol=1e-4)


def test_a_confidence_reaches_a_network_that_takes_it(tiny):
    config = dataclasses.replace(TINY_NETWORK, confidence_input=True)
    torch.manual_seed(0)
    told = dataclasses.replace(tiny, network=CrossDiff(config).eval())
    view, seen = holed_view(40)
    features, mask = features_from_view(view, HUMANML3D), feature_mask2d(seen, HUMANML3D)
    sure = np.where(seen, 0.5, 0.0).astype(np.float32)
    answer = lift_ensemble(told, features, mask, view, seen, "flip", sure)
    assert np.isfinite(answer.features).all()


@pytest.mark.parametrize(
    ("kind", "frames", "sentence"),
    [("several", 30, "ensemble must be one of none, flip, many"), ("flip", 29, "29 feature rows")],
)
def test_impossible_ensembles_are_refused_with_a_sentence(tiny, kind, frames, sentence):
    view, seen = holed_view(30)
    features, mask = features_from_view(view, HUMANML3D), feature_mask2d(seen, HUMANML3D)
    with pytest.raises(ValueError, match=sentence):
        lift_ensemble(tiny, features, mask, view[:frames], seen[:frames], kind)


def test_motions_are_turned_by_the_angle_between_them():
    joints = motion_of(30)
    other = joints @ azimuth_rotation(70.0).T
    np.testing.assert_allclose(turned_like(joints, other), other, atol=1e-9)


def test_the_size_of_a_view_is_measured_as_it_changes():
    joints = motion_of(100).astype(np.float32)
    view = project_view(joints, 30.0)
    seen = np.ones(view.shape[:2], dtype=np.bool_)
    true = np.linspace(0.8, 1.2, len(view))
    grown = view[:, :1] + (view - view[:, :1]) * true[:, None, None]
    camera = fit_camera(joints, view, seen)
    size = view_size(joints, grown, seen, seen.astype(np.float32), camera)
    inner = slice(20, -20)
    np.testing.assert_allclose(size[inner], true[inner], rtol=0.04)
    back = resized_view(grown, seen, size)
    np.testing.assert_allclose((back - back[:, :1])[inner], (view - view[:, :1])[inner], atol=0.03)
    nobody = np.zeros_like(seen)
    np.testing.assert_array_equal(view_size(joints, grown, nobody, seen * 1.0, camera), 1.0)


@pytest.mark.shared
def test_the_shipped_weights_are_better_together(shared):
    """Noisy views at a wrong size: `many` is nearer than `flip`, and that than one lift; and
    clips of which the members disagree are the worse ones."""
    checkpoint = load_checkpoint(SHIPPED)
    clips = [c for c in read_archive(shared / "mocap", "cmu") if c.split == "test"][::6]
    errors, spreads = {"none": [], "flip": [], "many": []}, []
    for i, clip in enumerate(clips[:10]):
        joints = canonicalise(clip.joints.astype(np.float64)[:120], HUMANML3D)
        view, seen = noisy_view(project_view(joints, 40.0 * i), NoiseLevel(), clip.clip_id, 0.0)
        view, seen = clean_view((view * np.float32(1.2)), seen)
        for kind, found in errors.items():
            answer = lifted(checkpoint, view, seen, kind)
            found.append(pa_mpjpe(answer.joints, joints[:-1]).mean())
        spreads.append(answer.spread.mean())
    mean = {kind: float(np.mean(found)) for kind, found in errors.items()}
    assert mean["many"] < mean["flip"] < mean["none"]
    ranks = [np.argsort(np.argsort(x)) for x in (spreads, errors["many"])]
    assert np.corrcoef(*ranks)[0, 1] > 0.4
