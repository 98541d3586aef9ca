"""The training loop: it learns what its stage says, and says what it did."""

import dataclasses
import json
import re
from itertools import pairwise

import pytest
import torch
from synthetic_motion import random_motions
from training_runs import assert_same_run, changed, logged, silent
from training_victim import TINY, TINY_NETWORK, tiny_data

import models.train.training
from models.batches.pose_mix import PoseMix
from models.checkpoint import load_checkpoint
from models.data.training_data import build_bank
from models.train.losses import PathWeights
from models.train.run_state import start_run
from models.train.train_config import PRESETS, TrainConfig
from models.train.train_step import Fixed, learning_rate
from models.train.training import train
from pipeline.skeletons import HUMANML3D


@pytest.fixture(autouse=True)
def on_cpu(monkeypatch):
    monkeypatch.setenv("ACCELERATE_USE_CPU", "true")


@pytest.fixture(scope="module")
def data():
    return tiny_data()


@pytest.fixture(scope="module")
def unbroken(data, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ACCELERATE_USE_CPU", "true")
        out = tmp_path_factory.mktemp("unbroken")
        return train(TINY, *data, out, say=silent), out


def test_every_paths_loss_and_the_lifting_error_fall(data, tmp_path):
    config = changed(steps=60, validate_every=60, text_drop=0.0)
    _, validation, statistics = data
    fresh = start_run(config, statistics, torch.device("cpu"), HUMANML3D)
    losses, errors = models.train.training.validate(
        fresh.averaged.eval(), validation, statistics, HUMANML3D, masks_padding=True
    )
    train(config, *data, tmp_path, say=silent)
    [record] = logged(tmp_path)
    for path, before in losses.items():
        assert record[f"loss {path}"] < 0.9 * before, path
    assert set(losses) == {"3d->3d", "2d->3d", "3d->2d", "2d->2d"}
    assert record["pa_mpjpe_mm"] < errors.pa_mpjpe_mm


def test_dropout_stays_on_after_validation(data, tmp_path, monkeypatch):
    """Regression: the published loop never leaves eval mode after its first evaluation."""
    training, validating = [], []
    step, validate = models.train.training.train_step, models.train.training.validate

    def spy_step(run, *args):
        training.append(all(m.training for m in run.network.modules()))
        return step(run, *args)

    def spy_validate(network, *args, **kwargs):
        validating.append(any(m.training for m in network.modules()))
        return validate(network, *args, **kwargs)

    monkeypatch.setattr(models.train.training, "train_step", spy_step)
    monkeypatch.setattr(models.train.training, "validate", spy_validate)
    for decay in (0.0, 0.9):
        out = tmp_path / str(decay)
        train(changed(ema_decay=decay, validate_every=2, steps=3), *data, out, say=silent)
    assert training == [True] * 6
    assert validating == [False] * 4


def test_the_configuration_is_on_disk_before_the_first_step(data, tmp_path, monkeypatch):
    def die(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(models.train.training, "train_step", die)
    with pytest.raises(KeyboardInterrupt):
        train(TINY, *data, tmp_path, say=silent)
    saved = json.loads((tmp_path / "config.json").read_text())
    assert TrainConfig.from_json(saved["train"]) == TINY
    assert models.train.training.read_run(tmp_path) is not None, "and what resuming needs"
    assert (tmp_path / "stats.safetensors").exists()


def test_checkpoints_hold_the_averaged_weights_and_say_what_made_them(unbroken):
    run, out = unbroken
    last = load_checkpoint(out / "last")
    torch.testing.assert_close(last.network.state_dict(), run.averaged.state_dict())
    assert last.masks_padding
    assert last.about["step"] == 12
    assert last.about["train"]["learning_rate"] == TINY.learning_rate
    best = load_checkpoint(out / "best")
    wanted = min(logged(out), key=lambda record: record["pa_mpjpe_mm"])
    assert best.about["validation"]["step"] == wanted["step"]


def test_averaging_changes_what_is_saved_not_what_is_trained(data, unbroken, tmp_path):
    fast = train(changed(ema_decay=0.0, validate_every=12), *data, tmp_path, say=silent)
    assert fast.averaged is fast.network
    slow, _ = unbroken
    torch.testing.assert_close(slow.network.state_dict(), fast.network.state_dict())
    assert not torch.allclose(slow.averaged.motion_token, slow.network.motion_token)


def test_stage_two_trains_only_the_3d_path_from_given_weights(data, unbroken, tmp_path):
    start = {k: v.clone() for k, v in unbroken[0].averaged.state_dict().items()}
    losses = []
    config = changed(stage=2, learning_rate=1e-3)
    run = train(config, *data, tmp_path, initial=start, say=losses.append)
    assert all("3d->3d" in m and "2d" not in m for m in losses if m.startswith("step"))
    own2 = {id(p) for p in run.network.own_parameters("2d")}
    for name, parameter in run.network.named_parameters():
        moved = not torch.equal(parameter, start[name])
        assert moved == (id(parameter) not in own2), name


def test_two_seeds_differ_and_one_seed_repeats(data, tmp_path):
    first, again, other = (
        train(changed(seed=seed, steps=1), *data, tmp_path / name, say=silent)
        for name, seed in (("a", 1), ("b", 1), ("c", 2))
    )
    assert_same_run(again, first)
    assert not torch.allclose(other.network.motion_token, first.network.motion_token)


def test_a_window_longer_than_every_motion_is_refused_when_bucketed(data, tmp_path):
    network = dataclasses.replace(TINY_NETWORK, max_frames=100)
    config = changed(network=network, windows=(16, 90), bucketed=True)
    with pytest.raises(ValueError, match="no training motion has 90 frames"):
        train(config, *data, tmp_path, say=silent)


def test_each_part_of_a_step_is_timed(data, tmp_path):
    config = changed(steps=6, log_every=2)
    run = train(config, *data, tmp_path, say=silent)
    split = run.split.milliseconds()
    assert list(split) == ["data", "forward", "backward", "optimizer"]
    assert all(value > 0 for value in split.values())
    assert run.split.steps == 4  # the first, and every second
    assert sum(split.values()) / 1000 * 4 < run.seconds


def test_progress_tells_speed_and_the_time_left(data, tmp_path):
    said: list[str] = []
    train(changed(steps=4, log_every=2), *data, tmp_path, say=said.append)
    lines = [line for line in said if line.startswith("step ")]
    pattern = r"step [124]/4  \d+\.\d it/s  ETA 0:00:\d\d  3d->3d \d+\.\d{4}, 2d->3d "
    assert len(lines) == 3  # the first step shows that it goes
    assert all(re.match(pattern, line) for line in lines), lines


def test_motions_too_short_for_any_window_are_told_and_long_ones_are_cropped(data, tmp_path):
    """Regression: the published loop drops clips under 40 and over 196 frames without a word."""
    motions = random_motions([3, 30, 70, 45])
    bank = build_bank(motions, TINY_NETWORK.text_dim)
    said: list[str] = []
    config = changed(steps=1, windows=(16,))
    train(config, bank, *data[1:], tmp_path / "a", say=said.append)
    assert said[0].startswith("1 of 4 training motions are left out: shorter than 16 frames")
    run = start_run(config, data[2], torch.device("cpu"), HUMANML3D)
    assert Fixed.create(run, bank, torch.device("cpu")).eligible[16].tolist() == [1, 2, 3]


def test_learning_rate_warms_up_and_falls():
    config = changed(warmup_steps=10, steps=110, learning_rate=1.0)
    rates = [learning_rate(config, step) for step in range(110)]
    assert rates[:10] == pytest.approx([(i + 1) / 10 for i in range(10)])
    assert all(a >= b for a, b in pairwise(rates[10:]))
    assert rates[60] == pytest.approx(0.505, abs=0.02)
    assert learning_rate(config, 110) == pytest.approx(0.01)
    assert learning_rate(changed(cosine_decay=False, learning_rate=0.5), 10**6) == 0.5
    timed = changed(budget_seconds=100.0, learning_rate=1.0)
    assert learning_rate(timed, 50, seconds=100.0) == pytest.approx(0.01)


def test_paper_presets_are_the_papers_table():
    stage1, stage2 = PRESETS["paper"], PRESETS["paper-stage2"]
    net = stage1.network
    assert (net.width, net.feed_forward, net.root_feed_forward, net.heads) == (512, 1024, 512, 4)
    assert (net.private_layers, net.shared_layers, net.root_layers) == (4, 6, 2)
    assert (net.dim3, net.dim2, net.root3, net.root2) == (263, 134, 4, 2)
    assert (net.text_dim, net.max_frames, net.dropout) == (512, 196, 0.1)
    assert (stage1.stage, stage1.batch_size, stage1.learning_rate) == (1, 32, 1e-4)
    assert stage1.steps / stage2.steps == 4000 / 2000
    assert (stage2.stage, stage2.batch_size, stage2.learning_rate) == (2, 32, 1e-5)
    for preset in (stage1, stage2):
        assert preset.network == net
        assert preset.weights == PathWeights(1.0, 1.0, 1.0, 1.0)
        assert (preset.weight_decay, preset.text_drop, preset.windows) == (0.0, 0.1, (196,))
        assert (preset.warmup_steps, preset.cosine_decay, preset.gradient_clip) == (0, False, 0.0)
        assert (preset.ema_decay, preset.zero_step_share, preset.position_weight) == (0.0, 0.0, 1.0)
        assert (preset.camera.continuous, preset.noise.share) == (0.0, 0.0)
        assert not preset.masks_padding


def test_small_preset_stays_under_five_million_parameters():
    from models.network import CrossDiff

    with torch.device("meta"):
        count = sum(p.numel() for p in CrossDiff(PRESETS["small"].network).parameters())
    assert count < 5_000_000


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"windows": (3,)}, "windows must lie in 4..48"),
        ({"windows": ()}, "windows must lie in"),
        ({"batch_size": 0}, "batch_size must be at least 1"),
        ({"text_drop": 1.5}, "text_drop must lie in 0..1"),
        ({"learning_rate": 0.0}, "learning_rate 0.0 must be positive"),
        ({"seed": 1_764_000_000_000}, "seed must lie within 100000000000 of 0"),
        ({"gradient_clip": -1.0}, "gradient_clip -1.0 must not be negative"),
        ({"fraction_3d": 0.0}, "fraction_3d must be above 0 and at most 1"),
        ({"only_3d": True, "stage": 2}, "only_3d is Stage I without 2D"),
        ({"fraction_3d": 0.5, "mix": PoseMix(share=0.5)}, "mixing motions reads their 3D"),
    ],
)
def test_impossible_configurations_are_refused_with_a_sentence(fields, sentence):
    with pytest.raises(ValueError, match=sentence):
        changed(**fields)
