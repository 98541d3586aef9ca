"""What the losses look at: valid frames, unmasked joints, and only the dimensions a sample has."""

import pytest
import torch

from models.train.losses import Known, masked_mse, path_losses

PATHS = ("3d->3d", "2d->3d", "3d->2d", "2d->2d")


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def random_batch(count: int = 4, frames: int = 6):
    g = generator()
    x3, x2 = (torch.randn(count, frames, d, generator=g) for d in (263, 134))
    outputs = {
        p: torch.randn((x3 if p.endswith("3d") else x2).shape, generator=g, requires_grad=True)
        for p in PATHS
    }
    valid = torch.arange(frames) < torch.tensor([6, 6, 3, 5])[:count, None]
    return outputs, x3, x2, valid


def test_the_loss_looks_at_valid_frames_only_and_weighs_samples_alike():
    target, valid = torch.zeros(2, 4, 3), torch.tensor([[1, 1, 1, 1], [1, 0, 0, 0]]).bool()
    predicted = torch.ones(2, 4, 3)
    predicted[1, 0] = 3.0
    predicted[1, 1:] = 1e6
    weight = torch.ones(3)
    assert masked_mse(predicted, target, valid, weight).item() == pytest.approx((1 + 9) / 2)
    weighted = masked_mse(predicted, target, valid, torch.tensor([3.0, 0.0, 0.0]))
    assert weighted.item() == pytest.approx((1 + 9) / 2)


def test_each_path_is_measured_against_its_own_target():
    x3, x2, valid = torch.zeros(1, 2, 263), torch.ones(1, 2, 134), torch.ones(1, 2).bool()
    outputs = {"2d->3d": x3 + 2, "3d->2d": x2 + 3, "2d->2d": x2, "3d->3d": x3 + 1}
    losses = path_losses(outputs, x3, x2, valid, torch.ones(263))
    assert {k: float(v) for k, v in losses.items()} == {
        "2d->3d": 4.0, "3d->2d": 9.0, "2d->2d": 0.0, "3d->3d": 1.0,
    }  # fmt: skip


def test_masked_entries_do_not_count_whatever_they_hold():
    target, valid = torch.zeros(2, 3, 4), torch.ones(2, 3).bool()
    predicted, mask = torch.full((2, 3, 4), 2.0), torch.ones(2, 3, 4).bool()
    mask[0, :, 1:] = False
    predicted[0, :, 1:] = torch.nan
    mask[1, 0] = False
    predicted[1, 0] = 1e9
    predicted.requires_grad_(True)
    loss = masked_mse(predicted, target, valid, torch.ones(4), mask=mask)
    assert loss.item() == 4.0
    loss.backward()
    assert torch.equal(predicted.grad != 0, mask)


def test_a_mask_that_hides_nothing_changes_nothing():
    outputs, x3, x2, valid = random_batch()
    weight = torch.rand(263, generator=generator(1))
    weight = weight / weight.mean()
    plain = path_losses(outputs, x3, x2, valid, weight)
    all_seen = Known(torch.ones(4).bool(), torch.ones_like(x3).bool(), torch.ones_like(x2).bool())
    torch.testing.assert_close(path_losses(outputs, x3, x2, valid, weight, all_seen), plain)


def test_a_sample_of_which_nothing_is_known_adds_nothing():
    target, valid = torch.zeros(2, 3, 4), torch.ones(2, 3).bool()
    mask = torch.ones(2, 3, 4).bool()
    mask[1] = False
    loss = masked_mse(torch.ones(2, 3, 4), target, valid, torch.ones(4), mask=mask)
    assert loss.item() == 0.5


def test_without_3d_a_sample_counts_on_the_2d_path_alone():
    """The paper's `valid = false`: every loss that reads or writes its 3D is off."""
    outputs, x3, x2, valid = random_batch()
    has_3d = torch.tensor([True, False, True, False])
    losses = path_losses(outputs, x3, x2, valid, torch.ones(263), Known(has_3d))
    torch.stack(list(losses.values())).sum().backward()
    for path, predicted in outputs.items():
        moved = predicted.grad.abs().sum((1, 2)) > 0
        assert moved.tolist() == ([True] * 4 if path == "2d->2d" else has_3d.tolist()), path
    kept = {p: v[has_3d] for p, v in outputs.items()}
    alone = path_losses(kept, x3[has_3d], x2[has_3d], valid[has_3d], torch.ones(263))
    for path in PATHS[:3]:
        torch.testing.assert_close(losses[path], alone[path])


def test_a_batch_without_any_3d_has_a_finite_loss():
    outputs, x3, x2, valid = random_batch()
    losses = path_losses(outputs, x3, x2, valid, torch.ones(263), Known(torch.zeros(4).bool()))
    assert [losses[path].item() for path in PATHS[:3]] == [0.0, 0.0, 0.0]
    assert losses["2d->2d"] > 0
