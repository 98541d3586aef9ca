"""Confidences as an input of the network: off, nothing changes; on, they arrive and count."""

import dataclasses

import numpy as np
import pytest
import torch
from synthetic_motion import random_motions
from training_victim import TINY, TINY_NETWORK, tiny_clips, tiny_data

from flows.train_options import TrainOptions, check, configure
from models.batches.augment import CameraAugmentation, make_batch
from models.batches.measured_noise import BLAZEPOSE, NOISES
from models.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from models.checkpoint_id import SHIPPED
from models.confidence_input import extend_with_confidence, weights_for
from models.diffusion import ForwardProcess
from models.lifting.lift import lift
from models.network import CrossDiff, NetworkConfig
from models.official_checkpoint import export_state
from models.train.lift_stage import LIFT
from models.train.train_step import noised_inputs
from models.train.training import train
from models.train.wild_stage import parent_config, wild_stage
from models.weight_files import WeightFileError
from pipeline.feature_masks import feature_mask2d
from pipeline.representation2d import features_from_view
from pipeline.skeletons import HUMANML3D
from pipeline.views import project_view

TOLD = dataclasses.replace(TINY_NETWORK, confidence_input=True)


def listening(network: CrossDiff) -> CrossDiff:
    """With weights that are not zero, as after training."""
    with torch.no_grad():
        network.get_parameter("c_linear_j.weight").normal_(
            generator=torch.Generator().manual_seed(1)
        )
    return network


@pytest.fixture(scope="module")
def checkpoint() -> Checkpoint:
    statistics = tiny_data()[2]
    torch.manual_seed(0)
    network = CrossDiff(TINY_NETWORK).eval()
    return Checkpoint(network, statistics, HUMANML3D, "tiny", masks_padding=True)


@pytest.fixture(scope="module")
def heard(checkpoint) -> Checkpoint:
    wider = extend_with_confidence(checkpoint)
    listening(wider.network)
    return wider


@pytest.fixture(scope="module")
def view():
    """Features, mask and seen joints of one clip that is partly hidden."""
    shown = project_view(random_motions([60])[0].joints, 30.0)
    seen = np.ones(shown.shape[:2], dtype=np.bool_)
    seen[10:30, [4, 7, 10]] = False
    return features_from_view(shown, HUMANML3D), feature_mask2d(seen, HUMANML3D), seen


def test_without_the_option_nothing_is_new():
    torch.manual_seed(3)
    old = CrossDiff(TINY_NETWORK).state_dict()
    torch.manual_seed(3)
    new = CrossDiff(TOLD).state_dict()
    assert set(new) - set(old) == {"c_linear_j.weight"}
    assert all(torch.equal(new[name], value) for name, value in old.items())
    assert not new["c_linear_j.weight"].any()
    assert NetworkConfig(**{"width": 8, "heads": 2}).confidence_input is False


def test_the_shipped_checkpoint_is_extended_exactly(view):
    shipped = load_checkpoint(SHIPPED)
    wider = extend_with_confidence(shipped)
    features, mask, _ = view
    doubt = np.random.default_rng(0).random(mask[:, :22].shape).astype(np.float32)
    before = lift(shipped, features, mask).features
    np.testing.assert_array_equal(lift(wider, features, mask, doubt).features, before)
    np.testing.assert_array_equal(lift(wider, features, mask).features, before)
    np.testing.assert_array_equal(lift(shipped, features, mask, doubt).features, before)
    assert wider.checkpoint_id == shipped.checkpoint_id


def test_a_network_that_listens_hears_each_joint_and_frame(heard, view):
    features, _, _ = view
    sure = np.ones((len(features), 22), np.float32)
    surest = lift(heard, features, None, sure).features
    np.testing.assert_array_equal(lift(heard, features).features, surest)
    for joint in (0, 13, 21):
        less = sure.copy()
        less[20, joint] = 0.4
        assert np.abs(lift(heard, features, None, less).features - surest).max() > 1e-4


def test_unseen_and_at_zero_are_two_things(heard, view):
    features, mask, seen = view
    masked = lift(heard, features, mask).features
    at_zero = lift(heard, np.where(mask, features, 0.0).astype(np.float32)).features
    assert np.abs(masked - at_zero).max() > 1e-4
    # Without confidences the mask tells them; with them, what is hidden stays hidden.
    told = lift(heard, features, mask, np.ones((len(features), 22), np.float32)).features
    np.testing.assert_array_equal(told, masked)
    np.testing.assert_array_equal(
        lift(heard, features, mask, seen[:-1].astype(np.float32)).features, masked
    )


def test_long_clips_take_their_windows_confidences(heard):
    motion = random_motions([120])[0]
    features = features_from_view(project_view(motion.joints, 0.0), HUMANML3D)
    sure = np.ones((len(features), 22), np.float32)
    less = sure.copy()
    less[-5:] = 0.5
    one, two = (lift(heard, features, None, c).features for c in (sure, less))
    np.testing.assert_array_equal(one[:48], two[:48])  # the first window ends before
    assert np.abs(one[-10:] - two[-10:]).max() > 1e-4


@pytest.mark.parametrize("shape", [(59, 21), (58, 22)])
def test_confidences_of_another_shape_are_refused(heard, view, shape):
    with pytest.raises(ValueError, match=r"confidence must be \(59, 22\)"):
        lift(heard, view[0], None, np.ones(shape, np.float32))
    with pytest.raises(ValueError, match="finite"):
        lift(heard, view[0], None, np.full((59, 22), np.nan, np.float32))


def test_a_network_without_the_input_refuses_confidences():
    network, sure = CrossDiff(TINY_NETWORK), torch.ones(1, 8, 22)
    x, t, text = torch.zeros(1, 8, 134), torch.zeros(1).long(), torch.zeros(1, 8)
    with pytest.raises(ValueError, match="confidence_input"):
        network.path(x, "2d", "3d", t, text, confidence=sure)
    with pytest.raises(ValueError, match="only the 2D input"):
        CrossDiff(TOLD).path(torch.zeros(1, 8, 263), "3d", "3d", t, text, confidence=sure)
    with pytest.raises(ValueError, match="dim2"):
        dataclasses.replace(TOLD, dim2=135)
    with pytest.raises(WeightFileError, match="no published layout"):
        export_state(CrossDiff(TOLD))
    with pytest.raises(ValueError, match="keep its sizes"):
        weights_for(network, dataclasses.replace(TOLD, width=32))
    with pytest.raises(ValueError, match="cannot go on without"):
        weights_for(CrossDiff(TOLD), TINY_NETWORK)


def trained(out, **changes):
    data = tiny_data()
    config = dataclasses.replace(TINY, network=TOLD, noise=BLAZEPOSE, steps=4, **changes)
    wild = tiny_clips() if config.wild_ratio else None
    return train(config, *data, out, say=lambda _: None, wild=wild)


def test_training_teaches_it_to_listen_and_a_checkpoint_keeps_it(tmp_path):
    run = trained(tmp_path)
    assert run.network.get_parameter("c_linear_j.weight").abs().max() > 0
    back = load_checkpoint(tmp_path / "last")
    assert back.network.config.confidence_input
    assert back.about["train"]["noise"]["swap_share"] == BLAZEPOSE.swap_share
    stage = wild_stage(parent_config(back), "base", steps=2, wild_ratio=0.5)
    assert (stage.noise, stage.network) == (BLAZEPOSE, back.network.config)


def test_in_the_wild_clips_tell_it_what_was_seen(tmp_path):
    run = trained(tmp_path, wild_ratio=0.5, batch_size=4)
    assert run.step == 4
    assert run.network.get_parameter("c_linear_j.weight").abs().max() > 0


def test_confidences_belong_to_the_labelling_pass_alone():
    bank, _, statistics = tiny_data()
    noise = dataclasses.replace(BLAZEPOSE, share=1.0)
    g = torch.Generator().manual_seed(1)
    index = torch.arange(4).repeat(8)
    batch = make_batch(
        bank, index, 16, HUMANML3D, camera=CameraAugmentation(), noise=noise, generator=g
    )
    config = dataclasses.replace(TINY, network=TOLD, noise=noise, zero_step_share=0.5)
    stats = {k: torch.from_numpy(v) for k, v in statistics.arrays().items()}
    process = ForwardProcess.create(torch.device("cpu"))
    inputs = noised_inputs(batch, stats, process, config, g)
    lifting = inputs["t"] == 0
    assert 8 < int(lifting.sum()) < 24
    assert batch.confidence is not None
    torch.testing.assert_close(inputs["sure"][lifting], batch.confidence[lifting])
    assert (inputs["sure"][~lifting] == 1.0).all()
    plain = dataclasses.replace(config, network=TINY_NETWORK)
    assert "sure" not in noised_inputs(batch, stats, process, plain, g)


def test_the_command_line_adds_it_to_a_checkpoint_and_names_the_noise(checkpoint, tmp_path):
    folder = tmp_path / "parent"
    about = {"train": TINY.to_json()}
    save_checkpoint(
        folder, checkpoint.network, checkpoint.statistics, HUMANML3D, masks_padding=True,
        about=about,
    )  # fmt: skip
    initial = load_checkpoint(folder)
    asked = TrainOptions(
        tmp_path, initial=folder, noise="blazepose", views="continuous", confidence=True
    )
    config = configure(TINY, asked, initial)
    assert config.network == TOLD
    assert config.noise == NOISES["blazepose"]
    assert config.camera.continuous == 1.0
    kept = configure(TINY, TrainOptions(tmp_path, initial=folder), initial)
    assert (kept.network, kept.noise) == (TINY_NETWORK, TINY.noise)
    for wrong in ({"noise": "base"}, {"confidence": True}):
        with pytest.raises(ValueError, match="about 2D, which --stage 2 does not train"):
            check(TrainOptions(tmp_path, stage=2, **wrong))


def test_the_lift_stage_goes_on_from_the_shipped_sizes():
    shipped = load_checkpoint(SHIPPED).network.config
    assert dataclasses.replace(LIFT.network, confidence_input=False) == dataclasses.replace(
        shipped, confidence_input=False
    )
    assert LIFT.noise == BLAZEPOSE
