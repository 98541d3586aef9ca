"""The matching networks are the published ones, and see the features that they should."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from models.matching.body_parts import PARTS, leg_joints, part_features, part_of_width
from models.matching.networks import MatchingNetwork, MatchingSizes, sizes_of
from pipeline.skeletons import HUMANML3D, KIT

SMALL = MatchingSizes(12, 10, 16, 14, 8)


@pytest.mark.shared
def test_outputs_equal_the_published_networks(shared: Path) -> None:
    state = load_file(shared / "reference" / "evaluator_tiny_weights.safetensors")
    given = np.load(shared / "reference" / "evaluator_tiny_io.npz")
    network = MatchingNetwork(sizes_of(state), len(part_features(HUMANML3D, "all"))).eval()
    network.load_state_dict(state)
    values = {name: torch.from_numpy(given[name]) for name in given.files}
    with torch.inference_mode():
        rows = values["motions"][..., torch.from_numpy(part_features(HUMANML3D, "all"))]
        movements = network.movement_encoder(rows)
        motion = network.motion_encoder(movements, values["lengths"] // 4)
        text = network.text_encoder(values["words"], values["pos"], values["cap_lens"])
        together = network.embed_rows(rows, values["lengths"])
    np.testing.assert_allclose(movements, given["movements"], atol=1e-5)
    np.testing.assert_allclose(motion, given["motion_embedding"], atol=1e-5)
    np.testing.assert_allclose(together, given["motion_embedding"], atol=1e-5)
    np.testing.assert_allclose(text, given["text_embedding"], atol=1e-5)


@pytest.mark.shared
def test_names_and_shapes_at_full_size_are_the_published_ones(shared: Path) -> None:
    manifest = json.loads((shared / "reference" / "evaluator_state_dict_manifest.json").read_text())
    with torch.device("meta"):
        network = MatchingNetwork(MatchingSizes(), 259)
    ours = {name: list(value.shape) for name, value in network.state_dict().items()}
    wanted = {f"{part}.{k}": v for part, tensors in manifest.items() for k, v in tensors.items()}
    assert ours == wanted


@pytest.mark.shared
def test_feature_sets_equal_the_published_ones(shared: Path) -> None:
    wanted = json.loads((shared / "reference" / "body_part_features.json").read_text())
    assert set(wanted) == set(PARTS)
    for part in PARTS:
        assert part_features(HUMANML3D, part).tolist() == wanted[part]


@pytest.mark.parametrize("skeleton", [HUMANML3D, KIT], ids=lambda s: s.name)
def test_upper_and_lower_split_all_features_but_the_contacts(skeleton) -> None:
    every, upper, lower = (set(part_features(skeleton, p).tolist()) for p in PARTS)
    assert upper | lower == every == set(range(skeleton.dim3 - 4))
    assert not upper & lower
    legs = leg_joints(skeleton)
    assert len(legs) % 2 == 0
    assert set(legs) == {skeleton.mirror_order[joint] for joint in legs}
    assert len(lower) == 4 + 9 * len(legs) + 3 * (len(legs) + 1)


def test_a_width_names_its_skeleton_and_part() -> None:
    for skeleton in (HUMANML3D, KIT):
        for part in PARTS:
            assert part_of_width(len(part_features(skeleton, part))) == (skeleton, part)
    assert part_of_width(263) is None


def test_sizes_are_read_off_the_shapes() -> None:
    sizes = MatchingSizes(12, 10, 16, 14, 8, word=20, tags=15)
    assert sizes_of(MatchingNetwork(sizes, 103).state_dict()) == sizes
    with pytest.raises(ValueError, match="embedding must be at least 1"):
        replace(sizes, embedding=0)


def test_rows_beyond_a_motions_end_do_not_matter_once_they_are_zero() -> None:
    """Padding by one unit gives what padding to the longest gives: convolutions see no further."""
    torch.manual_seed(0)
    network = MatchingNetwork(SMALL, 103, sentence=8).eval()
    rows = torch.zeros(3, 196, 103)
    lengths = torch.tensor([24, 40, 36])
    for i, length in enumerate(lengths):
        rows[i, :length] = torch.randn(int(length), 103)
    with torch.inference_mode():
        whole, short = network.embed_rows(rows, lengths), network.embed_rows(rows[:, :44], lengths)
        too_short = network.embed_rows(rows[:, :40], lengths)
        alone = network.embed_rows(rows[:1], lengths[:1])
    torch.testing.assert_close(whole, short, atol=1e-6, rtol=0)
    torch.testing.assert_close(whole[:1], alone, atol=1e-6, rtol=0)
    assert (whole - too_short).abs().max() > 1e-4  # why one unit more is needed
