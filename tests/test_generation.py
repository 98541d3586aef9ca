"""Motions in memory: the same whatever the batch, chains without jumps, refused requests."""

import dataclasses

import numpy as np
import pytest
import torch
from synthetic_motion import random_motion
from tiny_generator import request, tiny_checkpoint

from models.checkpoint import Checkpoint
from models.generate.chaining import chain, jerk, join, overlap_frames
from models.generate.generation import (
    BatchPlan,
    MotionRequest,
    drawn_motions,
    fade,
    frames_of,
    generate,
    noise_seed,
    occurrences,
)
from models.generate.sampling import SampleSettings
from pipeline.representation3d import recover_joints
from pipeline.skeletons import HUMANML3D, KIT

FEW = SampleSettings(steps=3)
WALK, SIT = "a person walks", "a person sits down"


@pytest.fixture(scope="module")
def tiny() -> Checkpoint:
    return tiny_checkpoint()


MIXED = [request(frames, seed) for seed, frames in enumerate((40, 12, 56, 13, 40))]
PADDED = BatchPlan(3, 28)
SETTINGS = {
    "dpm++": FEW,
    "ddpm": dataclasses.replace(FEW, sampler="ddpm"),
    "2d": dataclasses.replace(FEW, mode="2d", sampler="ddim"),
    "mixture": dataclasses.replace(FEW, mode="mixture", sampler="ddpm", guidance=1.0),
}


@pytest.mark.parametrize("name", SETTINGS)
def test_on_a_cpu_a_motion_is_bitwise_the_same_whatever_the_batch(tiny, name):
    together = generate(tiny, MIXED, SETTINGS[name])
    backwards = generate(tiny, MIXED[::-1], SETTINGS[name])[::-1]
    for wanted, one, other in zip(MIXED, together, backwards, strict=True):
        (alone,) = generate(tiny, [wanted], SETTINGS[name])
        assert np.array_equal(alone.features, one.features)
        assert np.array_equal(alone.features, other.features)
        assert len(one.features) == len(one.joints) == wanted.frames


def test_motions_are_handed_out_as_they_are_drawn(tiny):
    steps = []
    drawn = drawn_motions(tiny, MIXED, FEW, done=steps.append)
    places = [next(drawn)[0]]
    assert len(steps) == FEW.steps  # the other motions are not begun
    places += [place for place, _ in drawn]
    assert sorted(places) == list(range(len(MIXED)))


@pytest.mark.parametrize("masks_padding", [True, False])
@pytest.mark.parametrize("name", ["dpm++", "mixture"])
def test_in_batches_of_several_lengths_it_is_the_same_but_for_rounding(name, masks_padding):
    checkpoint = tiny_checkpoint(masks_padding=masks_padding)
    together = generate(checkpoint, MIXED, SETTINGS[name], plan=PADDED)
    for wanted, one in zip(MIXED, together, strict=True):
        (alone,) = generate(checkpoint, [wanted], SETTINGS[name], plan=PADDED)
        np.testing.assert_allclose(alone.features, one.features, atol=1e-6)
        assert len(one.features) == len(one.joints) == wanted.frames


def test_a_network_trained_without_padding_masks_sees_zeros_up_to_its_longest_input(monkeypatch):
    checkpoint, seen = tiny_checkpoint(masks_padding=False), []
    path = checkpoint.network.path

    def watched(x, *arguments, pad=None):
        seen.append((tuple(x.shape), float(x[:, 30:].abs().max()), pad))
        return path(x, *arguments, pad=pad)

    monkeypatch.setattr(checkpoint.network, "path", watched)
    generate(checkpoint, [request(30)], FEW)
    assert seen == [((2, 56, 263), 0.0, None)] * FEW.steps


def test_what_is_padded_does_not_reach_the_frames_that_count(tiny):
    """A network that hides padding gives the same motion with and without it, but for rounding."""
    settings = dataclasses.replace(FEW, sampler="ddim")
    noise = torch.randn(56, 263)

    def drawn(plan: BatchPlan) -> np.ndarray:
        original = torch.randn
        try:  # the noise of a longer buffer is another; take the same for both
            torch.randn = lambda shape, **_: noise[: shape[0]]
            return generate(tiny, [request(12)], settings, plan=plan)[0].features
        finally:
            torch.randn = original

    np.testing.assert_allclose(drawn(BatchPlan(1, 1)), drawn(BatchPlan(2, 28)), atol=1e-5)


def test_seeds_and_copies_and_sentences_make_different_motions_and_the_list_does_not_matter():
    seeds = {noise_seed(s, t, c) for s in (1, 2) for t in (WALK, SIT) for c in range(3)}
    assert len(seeds) == 12
    assert all(0 <= seed < 2**63 for seed in seeds)
    assert noise_seed(1, WALK, 0) == noise_seed(1, WALK, 0)
    with pytest.raises(ValueError, match="the seed must lie within"):  # before hours of drawing
        noise_seed(2**64, WALK, 0)
    assert [*occurrences((WALK, SIT, WALK), 2, 2)] == [2, 3]  # not the first two again
    assert [*occurrences((SIT, WALK), 1, 2)] == [0, 1]


def test_features_are_in_the_datas_units_and_joints_are_recovered_from_them(tiny):
    (motion,) = generate(tiny, [request(30)], FEW)
    assert motion.features.shape == (30, 263)
    np.testing.assert_array_equal(motion.joints, recover_joints(motion.features, HUMANML3D))
    shifted = dataclasses.replace(tiny.statistics, mean3=tiny.statistics.mean3 + 1)
    (moved,) = generate(dataclasses.replace(tiny, statistics=shifted), [request(30)], FEW)
    np.testing.assert_allclose(moved.features, motion.features + 1, atol=1e-5)


def test_kit_motions_come_in_metres_at_their_own_rate():
    kit = tiny_checkpoint(KIT)
    frames = frames_of(4.0, kit)
    assert frames == 50
    (motion,) = generate(kit, [request(frames)], FEW)
    in_units = recover_joints(motion.features, KIT)
    np.testing.assert_allclose(motion.joints, in_units * KIT.metres_per_unit, rtol=1e-5)
    (view,) = generate(kit, [request(frames)], dataclasses.replace(FEW, mode="2d"))
    assert view.features.shape == (50, 128)
    assert view.joints.shape == (50, 21, 2)


@pytest.mark.parametrize("seconds", [1.9, 2.81, 0.0, -1.0, float("nan"), float("inf")])
def test_a_length_outside_what_the_network_knows_is_refused_with_the_limits(tiny, seconds):
    with pytest.raises(ValueError, match=r"2 to 2\.8 seconds \(56 frames at 20 fps\), not"):
        frames_of(seconds, tiny)


def test_a_request_that_does_not_fit_is_refused(tiny):
    good = request(40)
    for bad, says in (
        (dataclasses.replace(good, frames=57), "1 to 56 frames, not 57"),
        (dataclasses.replace(good, text=np.zeros(384, np.float32)), "384 numbers.*expects 8"),
        (dataclasses.replace(good, start=np.zeros((40, 263), np.float32)), "start must be"),
    ):
        with pytest.raises(ValueError, match=says):
            generate(tiny, [good, bad], FEW)


def parts(frames: int = 40, copies: int = 2) -> list[list[MotionRequest]]:
    return [[request(frames, 10 * p + c) for c in range(copies)] for p in range(3)]


@pytest.mark.parametrize("seam", ["blend", "continue"])
def test_a_chain_is_one_motion_whose_parts_take_over_in_the_middle_of_what_they_share(tiny, seam):
    first, second = chain(tiny, parts(), FEW, seam=seam, overlap=10)
    assert first.features.shape == (3 * 40, 263)
    assert first.starts == second.starts == (0, 35, 75)
    assert not np.array_equal(first.features, second.features)
    np.testing.assert_array_equal(first.joints, recover_joints(first.features, HUMANML3D))
    alone = chain(tiny, [part[1:] for part in parts()], FEW, seam=seam, overlap=10)[0]
    assert np.array_equal(alone.features, second.features)


def test_a_blended_seam_goes_from_one_part_to_the_other_and_changes_nothing_else():
    before, after = np.zeros((30, 4), np.float32), np.ones((20, 4), np.float32)
    joined = join(before, after, 10)
    assert joined.shape == (40, 4)
    assert (joined[:20] == 0).all()
    assert (joined[30:] == 1).all()
    assert np.diff(joined[:, 0]).max() < 0.11
    assert (np.diff(joined[19:31, 0]) > 0).all()


def test_a_blended_seam_is_no_rougher_than_the_parts_and_a_hard_cut_is():
    """Real motion: two walks that do not fit, joined in feature space."""
    from pipeline.canonical import canonicalise
    from pipeline.representation3d import features_from_canonical

    rows = [
        features_from_canonical(canonicalise(random_motion(s, 81, turns=0.3), HUMANML3D), HUMANML3D)
        for s in (1, 2)
    ]
    rows[1][:, 3] += rows[0][-1, 3] - rows[1][0, 3]  # floors of the random bodies differ
    ways = {
        "cut": np.concatenate([rows[0], rows[1][20:]]),
        "blend": join(rows[0], rows[1], 20),
    }
    seam = {"cut": 80, "blend": 70}
    rough = {}
    for way, joined in ways.items():
        size = jerk(recover_joints(joined, HUMANML3D), 20.0)
        rough[way] = size[seam[way] - 12 : seam[way] + 10].max() / np.median(size)
    assert rough["blend"] < rough["cut"] / 3


def test_a_continued_part_is_drawn_with_the_end_of_the_part_before(tiny):
    """A network that held the start fully would repeat it; here the weight fades."""
    end = np.full((10, 263), 0.05, np.float32)
    (free,) = generate(tiny, [request(40)], FEW)
    (given,) = generate(tiny, [dataclasses.replace(request(40), start=end)], FEW)
    away = [np.abs(m.features[:10] - end).mean(axis=1) for m in (given, free)]
    assert away[0][0] < 0.2 * away[1][0]
    keep = fade(10)
    assert keep[0] > 0.9
    assert keep[-1] < 0.1
    assert (np.diff(keep) < 0).all()


def test_chains_are_refused_in_2d_and_where_a_part_is_all_seam(tiny):
    with pytest.raises(ValueError, match="3D only: use mode 3d or mixture"):
        chain(tiny, parts(), dataclasses.replace(FEW, mode="2d"))
    with pytest.raises(ValueError, match="longer than 40 frames"):
        chain(tiny, parts(40), FEW, overlap=40)
    assert overlap_frames(tiny) == 20
    assert overlap_frames(tiny, 60.0) == 28
