"""CrossDiff's network: equal to the published one, path by path."""

import json

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from models.network import CrossDiff, NetworkConfig, sinusoidal_table

TINY = NetworkConfig(
    width=16, feed_forward=32, root_feed_forward=16, heads=2, private_layers=1, shared_layers=2,
    root_layers=1, text_dim=8, max_frames=24,
)  # fmt: skip


@pytest.fixture(scope="module")
def published(shared):
    """The published implementation's tiny weights, loaded under their own key names."""
    file = shared / "reference" / "crossdiff_tiny_weights.safetensors"
    with safe_open(file, "pt") as weights:
        sizes = weights.metadata()
    config = NetworkConfig(
        width=int(sizes["latent_dim"]),
        private_layers=int(sizes["layers"]),
        shared_layers=int(sizes["layers2"]),
    )
    network = CrossDiff(config)
    network.load_state_dict(load_file(file))
    return network.eval()


@pytest.fixture(scope="module")
def recorded(shared):
    with np.load(shared / "reference" / "crossdiff_tiny_io.npz") as arrays:
        return {name: torch.from_numpy(arrays[name]) for name in arrays}


def test_sinusoids_alternate_sine_and_cosine():
    table = sinusoidal_table(50, 8).double()
    position = torch.arange(50, dtype=torch.float64)[:, None]
    rate = 10_000.0 ** (-torch.arange(0, 8, 2, dtype=torch.float64) / 8)
    torch.testing.assert_close(table[:, 0::2], torch.sin(position * rate), atol=1e-5, rtol=0)
    torch.testing.assert_close(table[:, 1::2], torch.cos(position * rate), atol=1e-5, rtol=0)


@pytest.mark.shared
@torch.inference_mode()
def test_all_four_paths_equal_the_published_network(published, recorded):
    out = published(recorded["x3d"], recorded["x2d"], recorded["t"], recorded["text"])
    assert set(out) == {"3d->3d", "2d->3d", "3d->2d", "2d->2d"}
    for path, ours in out.items():
        wanted = recorded[f"out_{path.replace('->', '_to_')}"]
        torch.testing.assert_close(ours, wanted, atol=1e-5, rtol=0, msg=path)


@pytest.mark.shared
@torch.inference_mode()
def test_labelling_pass_equals_the_published_network(published, recorded):
    x2d, count = recorded["x2d"], len(recorded["x2d"])
    zero = torch.zeros(count, dtype=torch.long)
    ours = published.path(x2d, "2d", "3d", zero, torch.zeros(count, 512))
    torch.testing.assert_close(ours, recorded["out_2d_to_3d_t0_uncond"], atol=1e-5, rtol=0)


@pytest.mark.shared
def test_full_size_parameters_are_the_published_ones(shared):
    manifest = json.loads((shared / "reference/official_state_dict_manifest.json").read_text())
    wanted = {k: tuple(v) for k, v in manifest.items() if not k.endswith(".pe")}
    with torch.device("meta"):
        ours = {k: tuple(v.shape) for k, v in CrossDiff(NetworkConfig()).state_dict().items()}
    assert ours == wanted
    tables = {k: v for k, v in manifest.items() if k not in wanted}
    assert len(tables) == 2  # two names of one fixed sinusoid table, which is counted once below
    trained = sum(int(np.prod(shape)) for shape in ours.values())
    assert round((trained + 5000 * 512) / 1e6, 1) == 88.1


@torch.inference_mode()
def test_each_path_alone_equals_the_joint_forward():
    torch.manual_seed(0)
    network = CrossDiff(TINY).eval()
    x = {"3d": torch.randn(2, 20, 263), "2d": torch.randn(2, 20, 134)}
    t, text = torch.tensor([3, 700]), torch.randn(2, 8)
    together = network(x["3d"], x["2d"], t, text)
    for path, out in together.items():
        source, target = path.split("->")
        alone = network.path(x[source], source, target, t, text)
        torch.testing.assert_close(alone, out, atol=1e-5, rtol=0, msg=path)


@torch.inference_mode()
@pytest.mark.parametrize(("source", "width"), [("3d", 263), ("2d", 134)])
@pytest.mark.parametrize("target", ["3d", "2d"])
def test_what_padded_frames_hold_does_not_matter(source, width, target):
    torch.manual_seed(1)
    network = CrossDiff(TINY).eval()
    x, lengths = torch.randn(3, 24, width), torch.tensor([24, 15, 4])
    pad = torch.arange(24) >= lengths[:, None]
    t, text = torch.tensor([0, 10, 999]), torch.randn(3, 8)
    clean = network.path(x, source, target, t, text, pad=pad)
    x[pad] = 1e3 * torch.randn(int(pad.sum()), width)
    torch.testing.assert_close(
        network.path(x, source, target, t, text, pad=pad)[~pad], clean[~pad], atol=1e-5, rtol=0
    )
    # Nor does it matter that there are padded frames at all.
    short = network.path(x[1:2, :15], source, target, t[1:2], text[1:2])
    torch.testing.assert_close(short, clean[1:2, :15], atol=1e-5, rtol=0)
    # Without the mask they are attended to, as in the published network.
    assert not torch.allclose(network.path(x, source, target, t, text)[1, :15], clean[1, :15])


@torch.inference_mode()
def test_text_and_timestep_reach_every_output():
    torch.manual_seed(2)
    network = CrossDiff(TINY).eval()
    x3, x2, t = torch.randn(1, 8, 263), torch.randn(1, 8, 134), torch.tensor([5])
    base = network(x3, x2, t, torch.zeros(1, 8))
    for other in (
        network(x3, x2, t, torch.ones(1, 8)),
        network(x3, x2, t + 400, torch.zeros(1, 8)),
    ):
        for path, out in other.items():
            assert (out - base[path]).abs().max() > 1e-4, path


def test_stage_two_computes_only_the_3d_path():
    out = CrossDiff(TINY)(torch.randn(1, 8, 263), None, torch.tensor([1]), torch.zeros(1, 8))
    assert set(out) == {"3d->3d"}


def test_each_parameter_is_shared_or_belongs_to_one_dimension():
    network = CrossDiff(TINY)
    own3, own2 = ({id(p) for p in network.own_parameters(dim)} for dim in ("3d", "2d"))
    assert not own3 & own2
    shared = [n for n, p in network.named_parameters() if id(p) not in own3 | own2]
    assert {name.split(".")[0] for name in shared} == {"bridge", "embed_timestep", "embed_text"}
    network(torch.randn(1, 8, 263), None, torch.tensor([1]), torch.zeros(1, 8))[
        "3d->3d"
    ].sum().backward()
    untouched = {id(p) for p in network.parameters() if p.grad is None}
    assert untouched == own2


def test_too_long_an_input_is_refused_with_a_sentence():
    with pytest.raises(ValueError, match="25 frames exceed the network's 24"):
        CrossDiff(TINY).path(
            torch.zeros(1, 25, 134), "2d", "3d", torch.tensor([0]), torch.zeros(1, 8)
        )


@pytest.mark.parametrize(
    ("sizes", "sentence"),
    [
        ({"width": 30}, "width 30 must be even and divide by heads 4"),
        ({"root_layers": 7}, "root_layers 7 must not exceed shared_layers 6"),
        ({"heads": 0}, "must be positive: heads"),
        ({"dropout": 1.5}, "must be positive: dropout"),
    ],
)
def test_impossible_sizes_are_refused_with_a_sentence(sizes, sentence):
    with pytest.raises(ValueError, match=sentence):
        NetworkConfig(**sizes)
