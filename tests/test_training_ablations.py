"""The ablations of the paper's table: less 3D, no 2D, one view, no shared encoder; and Stage II."""

import dataclasses
import json

import numpy as np
import pytest
import torch
from synthetic_motion import random_motions
from training_victim import TINY, TINY_NETWORK, tiny_data

import models.train.validation
from models.batches.augment import CameraAugmentation, make_batch
from models.batches.detector_noise import DetectorNoise
from models.checkpoint import load_checkpoint
from models.data.training_data import build_bank, training_statistics
from models.network import CrossDiff
from models.train.crop_windows import fit_windows, longest_rows
from models.train.data_order import EpochWalk
from models.train.known_3d import keeps_3d, known_3d, without_hidden_3d
from models.train.run_state import start_run
from models.train.train_config import PRESETS, TrainConfig, stage_two
from models.train.train_step import Fixed
from models.train.training import train
from models.train.validation import validate
from pipeline.representation2d import features_from_view
from pipeline.skeletons import HUMANML3D
from pipeline.views import project_view

CPU = torch.device("cpu")
IDS = [f"{i:06}" for i in range(4000)]


@pytest.fixture(autouse=True)
def on_cpu(monkeypatch):
    monkeypatch.setenv("ACCELERATE_USE_CPU", "true")


@pytest.fixture(scope="module")
def data():
    return tiny_data()


def silent(_message: str) -> None:
    return None


def changed(**fields) -> TrainConfig:
    return dataclasses.replace(TINY, **fields)


def weights_of(run) -> dict:
    return {k: v.clone() for k, v in run.network.state_dict().items()}


def test_a_share_of_the_motions_keeps_its_3d_the_same_every_time():
    half = {i for i in IDS if keeps_3d(i, 0.5, 1)}
    assert len(half) / len(IDS) == pytest.approx(0.5, abs=0.03)
    assert half == {i for i in reversed(IDS) if keeps_3d(i, 0.5, 1)}
    quarter = {i for i in IDS if keeps_3d(i, 0.25, 1)}
    assert quarter < half
    assert len(half ^ {i for i in IDS if keeps_3d(i, 0.5, 2)}) > len(IDS) / 3
    assert all(keeps_3d(i, 1.0, 1) for i in IDS)


@pytest.mark.parametrize("prefix", ["", "Mine_"])
def test_a_mirror_image_keeps_its_3d_exactly_when_its_original_does(prefix):
    plain = [
        dataclasses.replace(m, motion_id=prefix + m.motion_id) for m in random_motions([20] * 12)
    ]
    mirrored = [dataclasses.replace(m, motion_id="M" + m.motion_id, mirrored=True) for m in plain]
    known = known_3d([*plain, *mirrored], changed(fraction_3d=0.5))
    assert known[:12].tolist() == known[12:].tolist()
    assert 0 < known.sum() < 24
    only_2d = [dataclasses.replace(m, has_3d=False) for m in plain]
    assert not known_3d(only_2d, TINY).any()


def test_hidden_3d_reaches_neither_weights_nor_statistics(data, tmp_path):
    """Whatever the 3D of a 2D-only motion holds, even NaN, the run ends with the same weights."""
    training, validation, statistics = data
    has_3d = torch.tensor([True, False, True, False])
    config = changed(fraction_3d=0.5, steps=3)
    ends = []
    for value in (0.0, 1e3, torch.nan):
        other = dataclasses.replace(training, features3=training.features3.clone())
        other.features3[~has_3d] = value
        out = tmp_path / str(value)
        run = train(config, other, validation, statistics, out, has_3d=has_3d, say=silent)
        ends.append(weights_of(run))
    torch.testing.assert_close(ends[1], ends[0], rtol=0, atol=0)
    torch.testing.assert_close(ends[2], ends[0], rtol=0, atol=0)
    known = train(config, *data, tmp_path / "k", has_3d=torch.ones(4).bool(), say=silent)
    assert not torch.equal(known.network.motion_token, ends[0]["motion_token"])


def test_statistics_of_3d_come_from_the_motions_that_keep_it():
    motions = random_motions([30, 60, 24, 45])
    everything, some = training_statistics(motions), training_statistics(motions[:2])
    shown = without_hidden_3d(everything, some)
    for name, wanted in (("mean3", some), ("std3", some), ("mean2", everything)):
        np.testing.assert_array_equal(getattr(shown, name), getattr(wanted, name))


def test_less_3d_without_saying_which_is_refused(data, tmp_path):
    with pytest.raises(ValueError, match="say with has_3d which motions keep their 3D"):
        train(changed(fraction_3d=0.5), *data, tmp_path, say=silent)


def test_only_3d_trains_one_path_on_the_motions_that_have_3d(data, tmp_path):
    training, validation, statistics = data
    has_3d = torch.tensor([True, False, False, True])
    config = changed(only_3d=True, fraction_3d=0.5, steps=4, learning_rate=1e-3)
    run = start_run(config, statistics, CPU, HUMANML3D)
    fixed = Fixed.create(run, training, CPU, has_3d)
    assert fixed.left_out == 2
    assert {i for index in fixed.eligible.values() for i in index.tolist()} == {0, 3}
    before, said = weights_of(run), []
    run = train(config, training, validation, statistics, tmp_path, has_3d=has_3d, say=said.append)
    assert "2 of 4 training motions are left out" in said[0]
    told = [line for line in said if line.startswith("step ")]
    assert len(told) == 4
    assert all("3d->3d" in line and "2d" not in line.replace("3d->3d", "") for line in told)
    own2 = {id(p) for p in run.network.own_parameters("2d")}
    for name, parameter in run.network.named_parameters():
        assert torch.equal(parameter, before[name]) == (id(parameter) in own2), name


@pytest.mark.parametrize("config", [changed(only_3d=True), stage_two(TINY)])
def test_a_run_that_trains_no_lift_is_judged_by_its_own_loss(data, tmp_path, config):
    config = dataclasses.replace(config, steps=6, validate_every=2, learning_rate=3e-3)
    run = train(config, *data, tmp_path, say=silent)
    records = [
        json.loads(line) for line in (tmp_path / "validation.jsonl").read_text().split("\n") if line
    ]
    best = min(records, key=lambda record: record["loss 3d->3d"])
    assert run.best_score == best["loss 3d->3d"]
    assert load_checkpoint(tmp_path / "best").about["step"] == best["step"]
    assert {f"loss {p}" for p in ("3d->3d", "2d->3d", "3d->2d", "2d->2d")} <= set(best)


def test_without_a_shared_encoder_each_dimension_has_its_own_copy(data, tmp_path):
    config = changed(network=dataclasses.replace(TINY_NETWORK, shared=False), steps=2)
    run = train(config, *data, tmp_path, say=silent)
    network = run.network
    own3, own2 = ({id(p) for p in network.own_parameters(dim)} for dim in ("3d", "2d"))
    common = [n for n, p in network.named_parameters() if id(p) not in own3 | own2]
    assert {name.split(".")[0] for name in common} == {"embed_timestep", "embed_text"}
    shared = {k for k in CrossDiff(TINY_NETWORK).state_dict() if k.startswith("bridge.")}
    for name in ("bridge_m.", "bridge_j."):
        assert {k.replace("bridge.", name) for k in shared} <= set(network.state_dict())
    again = load_checkpoint(tmp_path / "last").network
    assert again.config == config.network
    again.path(torch.zeros(1, 8, 134), "2d", "3d", torch.tensor([0]), torch.zeros(1, 8))


def test_without_a_shared_encoder_2d_does_not_touch_what_reads_3d():
    network = CrossDiff(dataclasses.replace(TINY_NETWORK, shared=False))
    out = network.path(torch.randn(1, 8, 134), "2d", "2d", torch.tensor([1]), torch.zeros(1, 8))
    out.sum().backward()
    touched = {n.split(".")[0] for n, p in network.named_parameters() if p.grad is not None}
    assert "bridge_j" in touched
    assert not [n for n in touched if n.endswith("_m")]


def test_one_view_is_the_front_and_only_the_front():
    motions = random_motions([30, 60, 24, 45])
    bank = build_bank(motions, 8)
    batch = make_batch(
        bank,
        torch.tensor([2] * 12),
        23,
        HUMANML3D,
        camera=CameraAugmentation(quarters=1),
        noise=DetectorNoise(),
        generator=torch.Generator().manual_seed(0),
        whole=True,
    )
    front = features_from_view(project_view(motions[2].joints, 0.0), HUMANML3D)
    for rows in batch.x2:
        np.testing.assert_allclose(rows, front, atol=1e-4)


def test_stage_two_is_half_as_long_at_a_tenth_of_the_rate_without_the_lifts_extras():
    for name in ("paper", "small", "base"):
        one, two = PRESETS[name], PRESETS[f"{name}-stage2"]
        assert (two.stage, two.steps, two.trains_2d) == (2, one.steps // 2, False)
        assert two.learning_rate == pytest.approx(one.learning_rate / 10)
        assert (two.zero_step_share, two.noise.share, two.mix.share) == (0.0, 0.0, 0.0)
        assert (two.network, two.batch_size) == (one.network, one.batch_size)


def test_crops_that_no_motion_fills_are_left_out_and_the_longest_fills_one():
    small = PRESETS["small"]
    assert longest_rows(random_motions([30, 101, 45])) == 100
    assert fit_windows(small, 100).windows == (24, 40, 64, 96)
    assert fit_windows(small, 196) == small
    assert fit_windows(small, 22).windows == (20,)
    assert fit_windows(PRESETS["paper"], 22) == PRESETS["paper"], "padded, as published"
    with pytest.raises(ValueError, match="no training motion has more than 4 frames"):
        fit_windows(small, 3)


def test_an_epoch_walks_through_every_motion_once_and_can_start_anywhere():
    motions = torch.tensor([3, 5, 8, 9, 11, 12, 20])
    walk = EpochWalk(7, motions)
    drawn = torch.cat([walk.take(first, 3) for first in range(0, 42, 3)])
    epochs = drawn.reshape(6, 7)
    for epoch in epochs:
        assert sorted(epoch.tolist()) == motions.tolist()
    assert len({tuple(epoch.tolist()) for epoch in epochs}) > 1, "each epoch has its own order"
    assert torch.equal(EpochWalk(7, motions).take(17, 20), drawn[17:37])
    assert not torch.equal(EpochWalk(8, motions).take(0, 42), drawn)


def test_validation_does_not_depend_on_how_it_is_cut_into_passes(data, monkeypatch):
    training, _, statistics = data
    network = CrossDiff(TINY_NETWORK).eval()
    whole = validate(network, training, statistics, HUMANML3D, masks_padding=True)
    monkeypatch.setattr(models.train.validation, "CHUNK", 3)
    cut = validate(network, training, statistics, HUMANML3D, masks_padding=True)
    assert cut[1].pa_mpjpe_mm == pytest.approx(whole[1].pa_mpjpe_mm, rel=1e-4)
    assert cut[0] == pytest.approx(whole[0], rel=0.1), "other noise, same figures"
    few = validate(network, training, statistics, HUMANML3D, masks_padding=True, most=2)
    assert few[1].motions == 8, "two motions in four views"


def test_validation_losses_know_the_text_and_the_lift_does_not(data):
    training, _, statistics = data
    network = CrossDiff(TINY_NETWORK).eval()
    mute = dataclasses.replace(training, text=training.text * 0)
    told, untold = (
        validate(network, bank, statistics, HUMANML3D, masks_padding=False)
        for bank in (training, mute)
    )
    assert told[0] != untold[0]
    assert told[1] == untold[1]
