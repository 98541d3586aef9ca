"""Motions mixed on the device: the torch twin of the 3D features, and what mixing keeps."""

import numpy as np
import pytest
import torch
from synthetic_motion import random_motions

from models.batches import torch_quaternions as tq
from models.batches.augment import CameraAugmentation, make_batch
from models.batches.detector_noise import DetectorNoise, seen_joints
from models.batches.pose_mix import PoseMix, descendants, mix_motions, small_turns
from models.batches.torch_features import features_from_joints
from models.data.training_data import build_bank
from pipeline import quaternions as nq
from pipeline.representation3d import features_from_canonical, recover_joints
from pipeline.skeletons import HUMANML3D, KIT

MOTIONS = random_motions([60, 80, 70, 90])
STILL = PoseMix(share=1.0, swap=0.0, reverse=0.0, bend_deg=0.0, arm_deg=0.0)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def windows(frames=48):
    return torch.stack([torch.from_numpy(m.joints[:frames]) for m in MOTIONS])


def test_quaternions_are_those_of_the_pipeline():
    rng = np.random.default_rng(0)
    a, b = (v / np.linalg.norm(v, axis=-1, keepdims=True) for v in rng.normal(size=(2, 50, 4)))
    u, v = (x / np.linalg.norm(x, axis=-1, keepdims=True) for x in rng.normal(size=(2, 50, 3)))
    v[0], v[1] = -u[0], u[1]  # opposite and equal directions
    ta, tb, tu, tv = (torch.from_numpy(x) for x in (a, b, u, v))
    pairs = [
        (nq.multiply(a, b), tq.multiply(ta, tb)),
        (nq.inverse(a), tq.inverse(ta)),
        (nq.rotate(a, u), tq.rotate(ta, tu)),
        (nq.between(u, v), tq.between(tu, tv)),
        (nq.to_6d(a), tq.to_6d(ta)),
        (nq.about_y(u[:, 0]), tq.about_y(tu[:, 0])),
    ]
    for ours, theirs in pairs:
        np.testing.assert_allclose(theirs.numpy(), ours, atol=1e-9)


def test_features_on_the_device_are_those_of_the_pipeline():
    for motion in MOTIONS:
        joints = motion.joints.astype(np.float64)
        wanted = features_from_canonical(joints, HUMANML3D)
        have = features_from_joints(torch.from_numpy(joints)[None], HUMANML3D)[0]
        np.testing.assert_allclose(have.numpy(), wanted, atol=1e-6)


@pytest.mark.shared
def test_features_of_a_real_motion_on_the_device(shared):
    joints = np.load(shared / "reference" / "motion_012314.npz")["joints3d"].astype(np.float64)
    joints = joints - joints[0, 0] * np.array([1.0, 0.0, 1.0])
    wanted = features_from_canonical(joints, HUMANML3D)
    have = features_from_joints(torch.from_numpy(joints)[None], HUMANML3D)[0]
    np.testing.assert_allclose(have.numpy(), wanted, atol=1e-6)


def test_mixing_nothing_gives_the_motion_back():
    a = windows()
    joints, features = mix_motions(a, a.roll(1, 0), STILL, HUMANML3D, generator())
    local = (a - a[:, :, :1]).norm(dim=-1)
    torch.testing.assert_close((joints - joints[:, :, :1]).norm(dim=-1), local, atol=1e-5, rtol=0)
    assert features.shape == (len(a), a.shape[1] - 1, HUMANML3D.dim3)


def test_mixed_motions_have_the_bones_legs_and_upper_bodies_they_were_made_from():
    a, b = windows(), windows().roll(1, 0)
    mix = PoseMix(share=1.0, swap=1.0, reverse=0.0, bend_deg=0.0, arm_deg=0.0)
    joints, features = mix_motions(a, b, mix, HUMANML3D, generator())

    def spread(x, part):  # all distances within a part: whatever way it is turned and moved
        p = x[:, :, part]
        return (p[:, :, :, None] - p[:, :, None]).norm(dim=-1)

    legs, upper = [0, 1, 4, 7, 10], [0, *descendants(HUMANML3D, 3)]
    torch.testing.assert_close(spread(joints, legs), spread(a, legs), atol=1e-4, rtol=0)
    torch.testing.assert_close(spread(joints, upper), spread(b, upper), atol=1e-4, rtol=0)
    assert (spread(joints, upper) - spread(a, upper)).abs().max() > 0.05
    recovered = np.stack([recover_joints(f, HUMANML3D) for f in features.numpy()])
    np.testing.assert_allclose(recovered, joints[:, :-1].numpy(), atol=1e-4)
    torch.testing.assert_close(joints[:, 0, 0, ::2], torch.zeros(len(a), 2), atol=1e-5, rtol=0)


def test_turns_have_the_asked_spread():
    turns = small_turns(20_000, 10.0, generator(), torch.device("cpu"))
    cosine = (turns.diagonal(dim1=1, dim2=2).sum(-1) - 1) / 2
    rms = torch.rad2deg(cosine.clamp(-1, 1).arccos()).square().mean().sqrt()
    assert rms == pytest.approx(10.0, rel=0.05)
    torch.testing.assert_close(
        turns @ turns.transpose(1, 2), torch.eye(3).expand_as(turns), atol=1e-5, rtol=0
    )


def test_descendants_follow_the_tree():
    assert sorted(descendants(HUMANML3D, 16)) == [16, 18, 20]
    assert sorted(descendants(HUMANML3D, 0)) == list(range(22))
    assert len(descendants(KIT, 0)) == 21


def test_mixed_samples_come_first_and_have_no_caption():
    bank = build_bank(MOTIONS, text_dim=8)
    bank.text[:] = 1.0
    bank.captions[:] = 1
    made = make_batch(
        bank,
        torch.tensor([0, 1, 2, 3]),
        32,
        HUMANML3D,
        camera=CameraAugmentation(),
        noise=DetectorNoise(),
        generator=generator(),
        whole=True,
        mix=PoseMix(share=0.5),
    )
    assert made.text.sum(1).tolist() == [0.0, 0.0, 8.0, 8.0]
    assert made.x3.shape == (4, 32, 263)
    assert made.x3.isfinite().all()
    assert not made.pad.any()


def test_mixing_needs_windows_without_padding():
    bank = build_bank(MOTIONS, text_dim=8)
    with pytest.raises(ValueError, match="bucketed"):
        make_batch(
            bank,
            torch.tensor([0, 1]),
            32,
            HUMANML3D,
            camera=CameraAugmentation(),
            noise=DetectorNoise(),
            generator=generator(),
            mix=PoseMix(share=0.5),
        )


def test_flickering_joints_are_lost_frame_by_frame():
    lost = torch.ones(400, dtype=torch.bool)
    seen = seen_joints(lost, 40, HUMANML3D, generator(), flicker_share=1.0)
    assert seen[..., 0].all()
    assert 1 - seen[..., 1:].float().mean() == pytest.approx(0.1, abs=0.01)
    changes = (seen[:, 1:] != seen[:, :-1]).float().mean()
    spans = seen_joints(lost, 40, HUMANML3D, generator(), flicker_share=0.0)
    assert changes > 5 * (spans[:, 1:] != spans[:, :-1]).float().mean()
    none = seen_joints(~lost, 40, HUMANML3D, generator(), flicker_share=1.0)
    assert none.all()
