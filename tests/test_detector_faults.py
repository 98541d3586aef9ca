"""Detector noise beyond jitter: each fault does what it says, and costs nothing where it is off."""

import dataclasses
import hashlib
import json

import numpy as np
import pytest
import torch
from synthetic_motion import random_motions

from models.batches.augment import CameraAugmentation, make_batch
from models.batches.detector_faults import (
    LONGEST_BURST,
    LONGEST_SWAP,
    LOWEST_SEEN,
    confidences,
    in_picture,
    measured_offsets,
    not_covered,
    span,
    swapped,
)
from models.batches.detector_noise import DetectorNoise
from models.batches.measured_noise import BASE_NOISE, BLAZEPOSE, NOISES
from models.data.training_data import build_bank
from models.train.train_config import BASE, TrainConfig
from pipeline.skeletons import HUMANML3D, KIT
from pipeline.views import UNITS_PER_METRE

FRAMES, MANY = 60, 400
ALL = torch.ones(MANY, dtype=torch.bool)
NAMES = HUMANML3D.joint_names


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def standing() -> torch.Tensor:
    """(MANY, FRAMES, 22, 2) the canonical body in its rest pose, seen from the front."""
    bones = HUMANML3D.raw_offset_array * np.asarray(HUMANML3D.canonical_lengths)[:, None]
    pose = np.zeros((22, 3))
    for joint in range(1, 22):  # a parent comes before its child
        pose[joint] = pose[HUMANML3D.parents[joint]] + bones[joint]
    view = torch.from_numpy(pose[:, :2] * UNITS_PER_METRE).float()
    return view.expand(MANY, FRAMES, 22, 2).clone()


@pytest.fixture(scope="module")
def bank():
    return build_bank(random_motions([31, 60, 24, 45]), text_dim=8)


def batch_of(bank, noise, seed=7):
    index = torch.tensor([1, 3, 1, 0, 2, 3])
    camera = CameraAugmentation(0.6, 12.0)
    g = generator(seed)
    batch = make_batch(bank, index, 24, HUMANML3D, camera=camera, noise=noise, generator=g)
    return batch, hashlib.sha256(g.get_state().numpy().tobytes()).hexdigest()[:12]


@pytest.mark.parametrize(
    ("noise", "size", "shown"),
    [(DetectorNoise(), 4972.4239, 19296), (BASE_NOISE, 4981.9737, 18874)],
    ids=["paper", "base"],
)
def test_what_was_there_before_is_drawn_as_before(bank, noise, size, shown):
    """Recorded before there were other faults: every random number stays where it was."""
    batch, state = batch_of(bank, noise)
    assert state == "73a481de6f9d"
    assert float(batch.input2.double().abs().sum()) == pytest.approx(size, abs=1e-2)
    assert int(batch.mask2.sum()) == shown
    assert BASE.noise == BASE_NOISE


@pytest.mark.parametrize(
    "fault",
    [{"swap_share": 1.0}, {"drift_m": 0.1}, {"failure_share": 1.0, "failure_m": 0.2}],
    ids=lambda f: next(iter(f)),
)
def test_a_fault_spoils_the_input_alone_and_only_where_it_is_asked_for(bank, fault):
    quiet = DetectorNoise(share=1.0, jitter_m=0.0, scale=0.0, proportions=0.0, drop_share=0.0)
    before, _ = batch_of(bank, quiet)
    after, _ = batch_of(bank, dataclasses.replace(quiet, **fault))
    torch.testing.assert_close(after.x2, before.x2)
    torch.testing.assert_close(after.x3, before.x3)
    assert not torch.allclose(after.input2, before.input2, atol=1e-4)
    nobody, _ = batch_of(bank, dataclasses.replace(quiet, share=0.0, **fault))
    torch.testing.assert_close(nobody.input2, before.input2)


def test_spans_are_one_stretch_no_longer_than_allowed():
    inside = span(ALL, FRAMES, 20, generator())
    starts = (torch.diff(inside.int(), dim=1, prepend=torch.zeros(MANY, 1)) == 1).sum(1)
    assert (starts == 1).all()
    lengths = inside.sum(1)
    assert (int(lengths.min()), int(lengths.max())) == (2, 20)
    assert not span(~ALL, FRAMES, 20, generator()).any()


def test_swapped_limbs_lie_where_the_other_sides_do_for_up_to_a_second():
    view = standing()
    out = swapped(view, ALL, DetectorNoise(swap_share=0.5), HUMANML3D, generator())
    moved = (out != view).any(-1)
    assert 0.3 < moved.any(1).any(1).float().mean() < 0.7
    assert int(moved.any(2).sum(1).max()) <= LONGEST_SWAP
    trunk = [NAMES.index(n) for n in ("pelvis", "spine1", "neck", "head", "left_collar")]
    assert not moved[:, :, trunk].any()
    left, right = NAMES.index("left_knee"), NAMES.index("right_knee")
    where = moved[:, :, left]
    assert where.any()
    torch.testing.assert_close(out[where][:, left], view[where][:, right])
    arms = moved[:, :, NAMES.index("left_wrist")]
    assert (arms & ~where).any() and (where & ~arms).any() and (where & arms).any()


def test_measured_offsets_have_the_sizes_that_were_asked_for():
    view = torch.zeros(MANY, FRAMES, 22, 2)
    still = DetectorNoise(constant_m=tuple(0.01 * (1 + j % 3) for j in range(22)))
    off = measured_offsets(view, ALL, still, HUMANML3D, generator()) / UNITS_PER_METRE
    torch.testing.assert_close(off[:, 0], off[:, -1])
    spread = off[:, 0].std(dim=(0, 2))
    torch.testing.assert_close(spread, torch.tensor(still.constant_m), rtol=0.15, atol=0)
    moving = DetectorNoise(moving_m=(0.02,) * 22, moving_frames=7)
    off = measured_offsets(view, ALL, moving, HUMANML3D, generator()) / UNITS_PER_METRE
    knee = off[:, :, NAMES.index("left_knee")]
    assert float(knee.std()) == pytest.approx(0.02, rel=0.1)
    assert float((knee[:, 1:] * knee[:, :-1]).mean() / knee.var()) == pytest.approx(6 / 7, abs=0.05)
    assert abs(float((knee[:, 10:] * knee[:, :-10]).mean() / knee.var())) < 0.05
    # The pelvis is made of hips and shoulders, so it moves with them and less.
    assert float(off[:, :, 0].std()) < 0.8 * float(knee.std())
    hips = off[:, :, 1] + off[:, :, 2]
    assert float((hips * off[:, :, 0]).mean() / (hips.std() * off[:, :, 0].std())) > 0.9


def test_drift_moves_the_whole_picture_slowly():
    view = torch.zeros(MANY, FRAMES, 22, 2)
    off = measured_offsets(view, ALL, DetectorNoise(drift_m=0.1), HUMANML3D, generator())
    torch.testing.assert_close(off[:, :, 3], off[:, :, 20])
    metres = off[:, :, 0] / UNITS_PER_METRE
    assert float(metres.std()) == pytest.approx(0.1, rel=0.15)
    assert float(torch.diff(metres, dim=1).std()) < 0.03


def test_out_of_the_picture_is_an_edge_and_the_hips_stay():
    view = standing()
    seen = in_picture(view, ALL, 1.0, generator())
    assert seen[:, :, 0].all()
    assert in_picture(view, ALL, 0.0, generator()).all()
    feet, head = NAMES.index("left_foot"), NAMES.index("head")
    lost_feet, lost_head = (~seen[:, 0, j] for j in (feet, head))
    assert 0.3 < float(lost_feet.float().mean()) < 0.9
    assert lost_head.any() and not (lost_feet & lost_head).all()
    y = view[0, 0, :, 1]
    for sample in seen[:, 0][lost_feet & ~lost_head][:50]:
        low = y[~sample].max()
        sides = view[0, 0, ~sample, 0]
        by_height = bool((y[sample][1:] >= low).all())
        assert by_height or bool((sides > 0).all()) or bool((sides < 0).all())


def test_somebody_who_walks_past_covers_all_but_the_root_briefly():
    like = torch.ones(MANY, FRAMES, 22, dtype=torch.bool)
    seen = not_covered(like, ALL, 0.5, generator())
    hidden = ~seen[:, :, 1:]
    assert seen[:, :, 0].all()
    assert (hidden.all(2) == hidden.any(2)).all()
    assert 2 <= int(hidden.all(2).sum(1).max()) <= LONGEST_BURST
    assert 0.35 < float(hidden.any(2).any(1).float().mean()) < 0.65


def test_a_joint_that_is_further_off_is_less_sure():
    error = torch.full((MANY, FRAMES, 22), 0.01) * UNITS_PER_METRE
    error[:, :, 1:] *= 20
    seen = torch.ones_like(error, dtype=torch.bool)
    seen[:, :5, 3] = False
    told = confidences(error, seen, ALL, BLAZEPOSE, generator())
    assert (told[seen] >= LOWEST_SEEN).all() and (told <= 1.0).all()
    assert (told[~seen] == 0.0).all()
    assert float(told[:, :, 0].mean()) > float(told[:, 10:, 1:].mean()) + 0.02
    clean = confidences(error, seen, ~ALL, BLAZEPOSE, generator())
    torch.testing.assert_close(clean, seen.float())
    torch.testing.assert_close(
        confidences(error, seen, ALL, DetectorNoise(share=1.0), generator()), seen.float()
    )


def test_batches_carry_confidences_that_agree_with_what_is_seen(bank):
    batch, _ = batch_of(bank, dataclasses.replace(BLAZEPOSE, share=1.0))
    assert batch.confidence is not None
    assert batch.confidence.shape == (6, 24, 22)
    places = batch.mask2[..., 2:44:2]
    assert (places == (batch.confidence[..., 1:] > 0)).all()
    assert 0.3 <= float(batch.confidence[batch.confidence > 0].min()) < 1.0


def test_noise_measured_on_another_skeleton_is_refused_in_a_sentence():
    view = torch.zeros(1, 8, KIT.n_joints, 2)
    hit = torch.ones(1, dtype=torch.bool)
    with pytest.raises(ValueError, match=r"22 joints .* 21: choose --noise base or none"):
        measured_offsets(view, hit, BLAZEPOSE, KIT, generator())
    swapped(view, hit, DetectorNoise(swap_share=1.0), KIT, generator())


def test_noise_survives_a_file_and_wrong_values_are_told():
    for noise in NOISES.values():
        config = dataclasses.replace(BASE, noise=noise)
        assert TrainConfig.from_json(json.loads(json.dumps(config.to_json()))) == config
    with pytest.raises(ValueError, match=r"swap_share must lie in 0\.\.1"):
        DetectorNoise(swap_share=1.5)
    with pytest.raises(ValueError, match="moving_frames"):
        DetectorNoise(moving_frames=0)
