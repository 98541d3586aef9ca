"""The in-the-wild stage's configuration, and the losses by which its gate judges."""

import dataclasses

import numpy as np
import pytest
import torch
from test_wild_training import LENGTHS, clips
from training_victim import TINY, tiny_data
from wild_clips import wild_motions

from models.checkpoint import SHIPPED, Checkpoint, load_checkpoint
from models.data.wild_bank import build_wild_bank
from models.evaluation.wild_losses import wild_losses
from models.network import CrossDiff
from models.train.losses import PathWeights
from models.train.train_config import PRESETS
from models.train.wild_stage import PAPER_EPOCHS, parent_config, wild_stage
from pipeline.skeletons import HUMANML3D

PATHS_WITH_3D = ("3d->3d", "2d->3d", "3d->2d")


@pytest.mark.parametrize("name", ["paper", "base", "base-stage2", "tiny"])
@pytest.mark.parametrize("preset", ["paper", "base"])
def test_every_parent_has_an_in_the_wild_stage_of_four_paths(name, preset):
    parent = PRESETS[name]
    stage = wild_stage(parent, preset, steps=10, wild_ratio=0.5)
    assert (stage.batch_size, stage.learning_rate, stage.cosine_decay) == (8, 1e-5, False)
    assert stage.weights == PathWeights(1.0, 0.1, 0.1, 1.0)
    assert stage.trains_2d
    assert (stage.wild_count, stage.steps, stage.keeps_last) == (4, 10, True)
    assert (stage.network, stage.masks_padding) == (parent.network, parent.masks_padding)
    if preset == "paper":
        plain = dataclasses.replace(PRESETS["paper"], network=parent.network)
        for field in ("windows", "camera", "noise", "mix", "ema_decay", "zero_step_share"):
            assert getattr(stage, field) == getattr(plain, field), field
    else:
        for field in ("windows", "camera", "noise", "ema_decay", "position_weight"):
            assert getattr(stage, field) == getattr(parent, field), field
        assert not stage.bucketed


def test_the_papers_epochs_are_counted_over_the_clips():
    stage = wild_stage(PRESETS["paper"], "paper", steps=None, wild_ratio=0.5, clips=30)
    assert stage.steps * stage.wild_count == PAPER_EPOCHS * 30
    assert wild_stage(PRESETS["base"], "base", steps=None, wild_ratio=0.5).steps == 1000
    with pytest.raises(ValueError, match="say how many there are, or steps"):
        wild_stage(PRESETS["paper"], "paper", steps=None, wild_ratio=0.5)
    with pytest.raises(ValueError, match="give one above 0 and at most 1"):
        wild_stage(PRESETS["base"], "base", steps=1, wild_ratio=0.0)


def test_architecture_comes_from_the_checkpoint_and_the_rest_from_what_it_tells():
    shipped = load_checkpoint(SHIPPED)
    told = parent_config(shipped)
    assert told.camera == PRESETS["base"].camera
    assert (told.network, told.masks_padding) == (shipped.network.config, True)
    silent = dataclasses.replace(shipped, about={}, masks_padding=False)
    untold = parent_config(silent)
    assert (untold.network, untold.masks_padding) == (shipped.network.config, False)
    assert untold.camera == PRESETS["paper"].camera


@pytest.fixture(scope="module")
def checkpoint() -> Checkpoint:
    torch.manual_seed(0)
    network = CrossDiff(dataclasses.replace(TINY.network, max_frames=48))
    return Checkpoint(network, tiny_data()[2], HUMANML3D, "fresh", masks_padding=True)


def test_losses_are_the_same_every_time_and_each_clips_own(checkpoint):
    ours = wild_losses(checkpoint, clips())
    again = wild_losses(checkpoint, clips(unseen=1e6))
    fewer = build_wild_bank(wild_motions(LENGTHS)[:3], [1.0] * 3, 8)
    alone = wild_losses(checkpoint, fewer)
    assert set(ours) == {*PATHS_WITH_3D, "2d->2d"}
    for path, losses in ours.items():
        assert losses.shape == (5,)
        assert losses.dtype == np.float32
        assert np.isfinite(losses).all()
        assert len(set(losses.tolist())) == 5
        np.testing.assert_array_equal(losses, again[path])
        np.testing.assert_allclose(losses[:3], alone[path], rtol=1e-5)


def test_dropout_is_off_even_for_a_network_in_training(checkpoint):
    ours = wild_losses(checkpoint, clips())["2d->2d"]
    checkpoint.network.train()
    np.testing.assert_array_equal(wild_losses(checkpoint, clips())["2d->2d"], ours)


def test_without_a_label_only_the_2d_path_has_a_loss(checkpoint):
    labelled, flat = (
        wild_losses(checkpoint, clips(weights=w)) for w in ([1.0] * 5, [1.0, 0.0, 1.0, 0.0, 0.0])
    )
    for path in PATHS_WITH_3D:
        assert np.isnan(flat[path]).tolist() == [False, True, False, True, True]
        np.testing.assert_allclose(flat[path][[0, 2]], labelled[path][[0, 2]], rtol=1e-5)
    np.testing.assert_allclose(flat["2d->2d"], labelled["2d->2d"], rtol=1e-5)


def test_clips_of_another_text_width_are_refused(checkpoint):
    other = build_wild_bank(wild_motions([30], text_dim=6), [1.0], text_dim=6)
    with pytest.raises(ValueError, match="fresh takes 263 and 8: choose clips of its kind"):
        wild_losses(checkpoint, other)
