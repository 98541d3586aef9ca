"""The benchmark's baseline is the same network as ours, only written the plain way."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from training_victim import TINY_NETWORK

from models.network import CrossDiff

sys.path.insert(0, str(Path(__file__).resolve().parent / "benchmarks"))
import published_loop


def test_the_baseline_has_our_parameters_and_gives_our_outputs():
    torch.manual_seed(0)
    config = replace(TINY_NETWORK, dropout=0.0, root_layers=2)
    ours, plain = CrossDiff(config), published_loop.PublishedNetwork(config)
    plain.load_state_dict(ours.state_dict())
    x = {"3d": torch.randn(2, 20, config.dim3), "2d": torch.randn(2, 20, config.dim2)}
    t, text = torch.tensor([3, 700]), torch.randn(2, config.text_dim)
    together = ours(x["3d"], x["2d"], t, text)
    for source, target in published_loop.PATHS:
        alone = plain(x[source], source, target, t, text)
        torch.testing.assert_close(together[f"{source}->{target}"], alone, atol=1e-5, rtol=1e-4)


def test_the_baseline_drops_out_while_training():
    torch.manual_seed(0)
    plain = published_loop.PublishedNetwork(TINY_NETWORK).train()
    x, text = torch.randn(1, 8, TINY_NETWORK.dim2), torch.randn(1, TINY_NETWORK.text_dim)
    first, second = (plain(x, "2d", "3d", torch.tensor([5]), text) for _ in range(2))
    assert not torch.equal(first, second)
    plain.eval()
    first, second = (plain(x, "2d", "3d", torch.tensor([5]), text) for _ in range(2))
    assert torch.equal(first, second)


def test_the_text_tower_is_vit_b_32s():
    pytest.importorskip("transformers")
    with torch.device("meta"):
        tower = published_loop.TextTower()
    count = sum(p.numel() for p in tower.parameters())
    assert count == pytest.approx(63.4e6, rel=0.01)  # Radford et al. 2021: 63 M for the text
    assert not any(p.requires_grad for p in tower.parameters())
