"""The lift held against the view it was made from: equal to what the tables' figures measure."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from synthetic_motion import random_motions
from training_runs import silent
from training_victim import TINY, tiny_data
from wild_clips import wild_motions

from models.batches.batch import Knowledge
from models.batches.wild_batch import wild_crops
from models.data.wild_bank import build_wild_bank
from models.train.seen_loss import SEEN_SCALE_M, best_azimuth, body_in_world, seen_loss
from models.train.training import train
from models.train.wild_stage import SEEN_ZERO_STEP_SHARE, wild_stage
from pipeline.quality import fit_azimuth
from pipeline.representation2d import features_from_view
from pipeline.representation3d import features_from_canonical, recover_joints
from pipeline.skeletons import HUMANML3D
from pipeline.views import UNITS_PER_METRE, project_view


def clip(azimuth_deg: float = 0.0, frames: int = 41):
    """Features of a motion that turns, its joints, and its view without perspective."""
    joints = random_motions([frames])[0].joints
    rows3 = features_from_canonical(joints.astype(np.float64), HUMANML3D)
    joints = recover_joints(rows3, HUMANML3D)
    a = np.deg2rad(azimuth_deg)
    across = joints[..., 0] * np.cos(a) + joints[..., 2] * np.sin(a)
    view = np.stack([across, joints[..., 1]], -1) * UNITS_PER_METRE
    view = np.concatenate([view, view[-1:]]).astype(np.float32)
    return rows3, joints, view


def known(rows: int, batch: int = 1) -> Knowledge:
    everything = torch.ones(batch, rows, HUMANML3D.dim2, dtype=torch.bool)
    return Knowledge(
        torch.ones(batch, rows, HUMANML3D.dim3, dtype=torch.bool), everything, torch.ones(batch)
    )


def loss_of(rows3, view, mask=None, lifting=True):
    rows2 = torch.from_numpy(features_from_view(view, HUMANML3D))[None]
    what = known(rows2.shape[1])
    if mask is not None:
        what = Knowledge(what.mask3, mask, what.weight3)
    lifted = torch.as_tensor(rows3)[None].clone().requires_grad_()
    loss = seen_loss(lifted, rows2, what, torch.tensor([lifting]), HUMANML3D)
    loss.backward()
    return float(loss.detach()), lifted.grad


def test_the_body_is_turned_as_the_recovered_joints_are():
    rows3, joints, _ = clip()
    body = body_in_world(torch.from_numpy(rows3)[None], HUMANML3D)[0].numpy()
    np.testing.assert_allclose(body, joints[:, 1:] - joints[:, :1], atol=1e-4)


def test_the_azimuth_is_the_one_that_the_tables_hold():
    _, joints, _ = clip()
    view = project_view(joints, 70.0)
    seen = np.ones(view.shape[:2], np.bool_)
    expected, _ = fit_azimuth(joints, view, seen)
    body = torch.from_numpy((joints[:, 1:] - joints[:, :1]).reshape(1, -1, 3))
    shown = torch.from_numpy((view[:, 1:] - view[:, :1]).reshape(1, -1, 2) / UNITS_PER_METRE)
    angle = best_azimuth(body, shown, torch.ones(body.shape[:2]))
    assert abs(np.rad2deg(float(angle)) % 360.0 - expected) < 0.1
    assert abs(expected - 70.0) < 3.0


def test_a_true_lift_costs_nothing_from_any_side_and_a_false_one_what_it_is_off():
    for azimuth in (0.0, 130.0, 270.0):
        rows3, _, view = clip(azimuth)
        assert loss_of(rows3, view)[0] < 1e-6
    rows3, _, view = clip()
    raised = rows3.copy()
    raised[:, 3] += SEEN_SCALE_M  # the root alone rises: every other joint is 10 cm lower by it
    assert abs(loss_of(raised, view)[0] - 1.0) < 1e-3


def test_what_was_not_seen_and_what_was_not_lifted_tell_nothing():
    rows3, _, view = clip(40.0)
    hidden = known(len(rows3)).mask2
    wrist = 2 + 2 * (20 - 1)
    hidden[..., wrist : wrist + 2] = False
    false = view.copy()
    false[:, 20] += 5.0
    first, gradient = loss_of(rows3 + 0.01, view, hidden)
    second, other = loss_of(rows3 + 0.01, false, hidden)
    assert first > 0.0
    assert first == second
    assert torch.equal(gradient, other)
    nothing, gradient = loss_of(rows3 + 0.01, view, lifting=False)
    assert nothing == 0.0
    assert not gradient.any()
    unseen, gradient = loss_of(rows3 + 0.01, view, torch.zeros_like(hidden))
    assert unseen == 0.0
    assert torch.isfinite(gradient).all()


def test_following_its_gradient_brings_the_lift_to_the_view():
    rows3, _, view = clip(25.0)
    false = torch.from_numpy(
        rows3 + np.random.default_rng(0).normal(0, 0.05, rows3.shape).astype("f4")
    )
    rows2 = torch.from_numpy(features_from_view(view, HUMANML3D))[None]
    lifted = false[None].clone().requires_grad_()
    optimizer = torch.optim.Adam([lifted], lr=0.01)
    losses = []
    for _ in range(60):
        loss = seen_loss(lifted, rows2, known(len(rows3)), torch.tensor([True]), HUMANML3D)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.2 * losses[0]


def lifted_distance(run, bank) -> float:
    """What the trained network's labelling pass is off, over all clips whole."""
    rows = int(bank.motions.rows.max())
    index = torch.arange(len(bank))
    zero = torch.zeros_like(index)
    text = torch.zeros(len(bank), 8)
    batch = wild_crops(bank, index, zero, bank.motions.rows, text, rows, HUMANML3D)
    stats = {name: torch.from_numpy(part) for name, part in run.statistics.arrays().items()}
    x2 = (batch.x2 - stats["mean2"]) / stats["std2"] * batch.knowledge.mask2
    run.network.eval()
    with torch.no_grad():
        lifted = run.network.path(x2, "2d", "3d", zero, text) * stats["std3"] + stats["mean3"]
    everything = torch.ones(len(bank), dtype=torch.bool)
    return float(seen_loss(lifted, batch.x2, batch.knowledge, everything, HUMANML3D))


def test_training_with_it_brings_the_lift_of_the_clips_to_what_was_seen(tmp_path, monkeypatch):
    monkeypatch.setenv("ACCELERATE_USE_CPU", "true")
    bank = build_wild_bank(wild_motions([30, 36, 45]), [1.0, 1.0, 1.0], text_dim=8)
    data = tiny_data()
    distances = {}
    for weight in (0.0, 3.0):
        config = replace(
            TINY, batch_size=4, wild_ratio=0.75, seen_weight=weight, zero_step_share=0.6,
            steps=40, learning_rate=2e-3, validate_every=40,
        )  # fmt: skip
        run = train(config, *data, tmp_path / str(weight), wild=bank, say=silent)
        distances[weight] = lifted_distance(run, bank)
    assert distances[3.0] < 0.9 * distances[0.0]


def test_it_is_refused_without_clips_and_draws_steps_at_t_0():
    with pytest.raises(ValueError, match="seen_weight holds in-the-wild clips"):
        replace(TINY, seen_weight=0.5)
    with pytest.raises(ValueError, match="seen_weight must be 0 or more"):
        replace(TINY, wild_ratio=0.5, batch_size=4, seen_weight=-1.0)
    paper = wild_stage(TINY, "paper", steps=10, wild_ratio=0.5, seen_weight=0.2)
    assert paper.zero_step_share == SEEN_ZERO_STEP_SHARE
    assert wild_stage(TINY, "paper", steps=10, wild_ratio=0.5).zero_step_share == 0.0
