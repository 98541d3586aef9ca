"""Batches of in-the-wild clips hold what was seen, and nothing of what was not."""

import dataclasses

import numpy as np
import pytest
import torch
from training_victim import TINY
from wild_clips import wild_motions

from models.batches.wild_batch import make_wild_batch, seen_starts
from models.data.training_data import training_statistics
from models.data.wild_bank import build_wild_bank
from models.diffusion import ForwardProcess
from models.train.losses import Known, path_losses
from models.train.train_step import noised_inputs
from pipeline.feature_masks import feature_mask2d
from pipeline.representation2d import features_from_view
from pipeline.skeletons import HUMANML3D

LENGTHS = [30, 60, 24, 45]
MOTIONS = wild_motions(LENGTHS)
WEIGHTS = [1.0, 0.5, 0.0, 1.0]


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def bank():
    return build_wild_bank(MOTIONS, WEIGHTS, text_dim=8)


def batch_of(bank, index, window, seed=0):
    return make_wild_batch(bank, torch.tensor(index), window, HUMANML3D, generator(seed))


def test_a_crop_is_the_seen_view_as_if_the_clip_began_there(bank):
    """Held against the numpy features of every possible crop: one of them is it."""
    batch = batch_of(bank, [1] * 8, 16)
    view, seen = np.nan_to_num(MOTIONS[1].view), MOTIONS[1].joint_mask
    for row in range(8):
        length = int((~batch.pad[row]).sum())
        assert length in (12, 16)
        found = []
        for start in range(60 - length):
            part = slice(start, start + length + 1)
            mask = feature_mask2d(seen[part], HUMANML3D)
            features = np.where(mask, features_from_view(view[part], HUMANML3D), 0.0)
            same = np.abs(features - batch.x2[row, :length].numpy()).max() < 1e-4
            found += [start] if same else []
            if same:
                assert (mask == batch.knowledge.mask2[row, :length].numpy()).all()
                rows = np.where(MOTIONS[1].feature_mask, MOTIONS[1].features, 0.0)
                x3 = batch.x3[row, :length].numpy()
                np.testing.assert_allclose(x3, rows[start : start + length], atol=1e-6)
        assert len(found) == 1
        assert seen[found[0], 0], "the crop's anchor was seen"


def test_the_view_is_not_spoilt_and_captions_are_the_clips_own(bank):
    batch = batch_of(bank, [0, 2, 3], 24)
    assert torch.equal(batch.x2, batch.input2)
    assert any(torch.equal(batch.text[0], torch.from_numpy(e)) for e in MOTIONS[0].embeddings)
    assert not batch.text[2].any(), "the last clip has no caption"
    assert batch.knowledge.weight3.tolist() == [1.0, 0.0, 1.0]


def test_a_clip_whose_root_nobody_saw_trains_without_root_entries():
    motion = wild_motions([30])[0]
    seen = motion.joint_mask.copy()
    seen[:, 0] = False
    bank = build_wild_bank([dataclasses.replace(motion, joint_mask=seen)], [1.0], 8)
    mask = batch_of(bank, [0] * 5, 16).knowledge.mask2
    assert not mask[..., :2].any(), "no root path"
    assert not mask[..., 2:44].any(), "nor positions relative to it"
    assert mask[..., 88:130].any(), "but how joints move is known"


def test_starts_are_spread_over_all_frames_with_a_seen_root(bank):
    u = torch.linspace(0, 1, 400)[:-1]
    index = torch.ones(399, dtype=torch.long)
    starts = seen_starts(bank, index, torch.full((399,), 16), u)
    assert sorted(set(starts.tolist())) == list(range(5, 44))


@pytest.mark.parametrize("unseen", [0.0, -3.0, 1e9, np.inf])
def test_what_nobody_saw_changes_no_batch_by_a_bit(bank, unseen):
    other = build_wild_bank(wild_motions(LENGTHS, unseen), WEIGHTS, text_dim=8)
    ours, theirs = (batch_of(b, [0, 1, 2, 3], 40, seed=3) for b in (bank, other))
    for field in dataclasses.fields(ours):
        if field.name != "knowledge":
            assert torch.equal(getattr(ours, field.name), getattr(theirs, field.name)), field.name
    assert torch.isfinite(ours.x2).all()


def test_inputs_are_zero_where_nothing_was_seen_at_every_timestep(bank):
    """After the noise too, in both dimensions, and all 3D of a clip whose label does not count."""
    batch = batch_of(bank, [0, 1, 2, 3] * 8, 40)
    stats = {k: torch.from_numpy(v) for k, v in training_statistics(MOTIONS).arrays().items()}
    inputs = noised_inputs(batch, stats, ForwardProcess.create(), TINY, generator())
    assert len(inputs["t"].unique()) > 10
    known = batch.knowledge
    for name, mask in (("x3", known.mask3), ("x2", known.mask2)):
        for value in (inputs[name], inputs[f"{name}_t"]):
            assert not value[~mask].any()
            assert torch.isfinite(value).all()
            assert (value[mask] != 0).float().mean() > 0.9
        assert not mask[batch.pad].any()
    assert not inputs["x3_t"][2::4].any(), "clip 2 is 2D alone"


def test_the_velocities_of_an_unseen_joint_are_off_and_no_others():
    """Regression: the published 3D mask is off by one in its velocity slice."""
    motion, joint = wild_motions([30], unseen=0.0)[0], 9
    seen = np.ones((30, 22), np.bool_)
    seen[:, joint] = False
    clip = dataclasses.replace(motion, joint_mask=seen, feature_mask=None)
    batch = batch_of(build_wild_bank([clip], [1.0], 8), [0], 28)
    hidden = ~batch.knowledge.mask3[0, 0]
    own = range(193 + 3 * joint, 196 + 3 * joint)
    assert hidden[193:259].nonzero().flatten().tolist() == [i - 193 for i in own]
    predicted = batch.x3.clone().requires_grad_()
    outputs = {"2d->3d": predicted * 1.5}
    valid, known = ~batch.pad, Known(batch.knowledge.weight3, batch.knowledge.mask3)
    path_losses(outputs, batch.x3 + 1, batch.x2, valid, torch.ones(263), known)["2d->3d"].backward()
    reached = (predicted.grad != 0).any(1)[0]
    assert torch.equal(reached, ~hidden)


@pytest.mark.parametrize(
    ("change", "weight", "sentence"),
    [
        ({"view": None}, 1.0, "w0 has no view: only labelled video has one"),
        ({"joint_mask": None}, 1.0, "w0 has joints marked as seen without a position"),
        ({"has_3d": False}, 1.0, "w0 has no 3D label: give it weight 0, or label it first"),
        ({"features": np.full((29, 263), np.nan)}, 0.5, "w0 has a 3D label that is not finite"),
        ({}, 1.5, "the label of w0 has weight 1.5: give one from 0 to 1"),
        ({}, float("nan"), "the label of w0 has weight nan"),
    ],
)
def test_a_clip_that_cannot_be_trained_on_is_refused_by_name(change, weight, sentence):
    clip = dataclasses.replace(wild_motions([30])[0], **change)
    with pytest.raises(ValueError, match=sentence):
        build_wild_bank([clip], [weight], 8)


def test_a_label_that_does_not_count_may_hold_anything():
    clip = dataclasses.replace(MOTIONS[0], features=np.full((29, 263), np.nan, np.float32))
    bank = build_wild_bank([clip], [0.0], 8)
    assert not bank.motions.features3.any()
    assert not bank.mask3.any()


def test_an_empty_set_and_missing_weights_are_refused():
    with pytest.raises(ValueError, match="there is no in-the-wild clip"):
        build_wild_bank([], [], 8)
    with pytest.raises(ValueError, match="4 clips need as many weights, not 1"):
        build_wild_bank(MOTIONS, [1.0], 8)
