"""The training loop: it learns, and nothing that interrupts it changes what it learns."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from training_victim import TINY, TINY_NETWORK, tiny_data

import models.training
from models.checkpoint import load_checkpoint
from models.losses import PathWeights
from models.run_state import Run, start_run
from models.train_config import PRESETS, TrainConfig
from models.train_step import learning_rate
from models.training import train
from pipeline.skeletons import HUMANML3D

HERE = Path(__file__).parent


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


def assert_same_run(ours: Run, wanted: Run) -> None:
    assert ours.step == wanted.step
    for part in ("network", "averaged"):
        states = (getattr(run, part).state_dict() for run in (ours, wanted))
        torch.testing.assert_close(*states, atol=1e-6, rtol=0)


def logged(out: Path) -> list[dict]:
    return [json.loads(line) for line in (out / "validation.jsonl").read_text().splitlines()]


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
    losses, errors = models.training.validate(
        fresh.averaged.eval(), validation, statistics, HUMANML3D, masks_padding=True
    )
    train(config, *data, tmp_path, say=silent)
    [record] = logged(tmp_path)
    for path, before in losses.items():
        assert record[f"loss {path}"] < 0.9 * before, path
    assert set(losses) == {"3d->3d", "2d->3d", "3d->2d", "2d->2d"}
    assert record["pa_mpjpe_mm"] < errors.pa_mpjpe_mm


def test_interrupted_and_resumed_equals_unbroken(data, unbroken, tmp_path):
    def interrupt(message: str) -> None:
        if message.startswith("step 7/"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(TINY, *data, tmp_path, say=interrupt)
    run = train(TINY, *data, tmp_path, resume=True, say=silent)
    wanted, wanted_out = unbroken
    assert_same_run(run, wanted)
    assert [r["step"] for r in logged(tmp_path)] == [4, 8, 12]
    assert logged(tmp_path)[-1] == pytest.approx(logged(wanted_out)[-1], rel=1e-5)


def test_killed_and_resumed_equals_unbroken(data, unbroken, tmp_path):
    """kill -9 from outside, between two steps, after one save."""
    out = tmp_path / "run"
    environment = {**os.environ, "PYTHONPATH": str(HERE.parent)}
    victim = subprocess.Popen(
        [sys.executable, str(HERE / "training_victim.py"), str(out), "0.3"],
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    )
    assert victim.stdout is not None
    with victim:
        for line in victim.stdout:
            if line.startswith("step 6/"):
                victim.send_signal(signal.SIGKILL)
                break
    assert victim.returncode == -signal.SIGKILL
    said: list[str] = []
    run = train(TINY, *data, out, resume=True, say=said.append)
    assert said[0] == "resuming at step 4"
    assert_same_run(run, unbroken[0])


def test_two_processes_end_with_the_same_weights(tmp_path):
    """In Stage II, where half of the network gets no gradient."""
    command = ["-m", "torch.distributed.run", "--nproc_per_node", "2", "--standalone"]
    done = subprocess.run(
        [sys.executable, *command, str(HERE / "training_victim.py"), str(tmp_path), "0", "2"],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env={**os.environ, "PYTHONPATH": str(HERE.parent), "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    lines = done.stdout.splitlines()
    weights = [line for line in lines if line.startswith("weights ")]
    assert len(weights) == 2
    assert len(set(weights)) == 1
    assert sum(line.startswith("step 12/") for line in lines) == 1
    assert [r["step"] for r in logged(tmp_path)] == [4, 8, 12]


def test_killed_between_log_and_state_repeats_the_step_without_a_second_log_line(
    data, unbroken, tmp_path, monkeypatch
):
    def die(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(models.training, "save_state", die)
        train(TINY, *data, tmp_path, say=silent)
    with (tmp_path / "validation.jsonl").open("a") as log:
        log.write('{"step": 8, "mpj')  # and the log itself cut off
    run = train(TINY, *data, tmp_path, resume=True, say=silent)
    assert [r["step"] for r in logged(tmp_path)] == [4, 8, 12]
    assert_same_run(run, unbroken[0])


def test_dropout_stays_on_after_validation(data, tmp_path, monkeypatch):
    """Regression: the published loop never leaves eval mode after its first evaluation."""
    training, validating = [], []
    step, validate = models.training.train_step, models.training.validate

    def spy_step(run, *args):
        training.append(all(m.training for m in run.network.modules()))
        return step(run, *args)

    def spy_validate(network, *args, **kwargs):
        validating.append(any(m.training for m in network.modules()))
        return validate(network, *args, **kwargs)

    monkeypatch.setattr(models.training, "train_step", spy_step)
    monkeypatch.setattr(models.training, "validate", spy_validate)
    for decay in (0.0, 0.9):
        out = tmp_path / str(decay)
        train(changed(ema_decay=decay, validate_every=2, steps=3), *data, out, say=silent)
    assert training == [True] * 6
    assert validating == [False] * 4


def test_time_limit_stops_cleanly_and_the_run_goes_on(data, unbroken, tmp_path):
    run = train(TINY, *data, tmp_path, max_minutes=0.0, say=silent)
    assert run.step == 1
    run = train(TINY, *data, tmp_path, resume=True, say=silent)
    assert_same_run(run, unbroken[0])


def test_resuming_with_another_configuration_is_refused(data, unbroken):
    """And leaves the run as it was: the message points at the config.json beside it."""
    _, out = unbroken
    before = {f: (out / f).read_bytes() for f in ("config.json", "state.pt", "validation.jsonl")}
    with pytest.raises(ValueError, match="belongs to another configuration; resume with") as error:
        train(changed(learning_rate=1e-5), *data, out, resume=True, say=silent)
    assert len(str(error.value).splitlines()) == 1
    assert before == {f: (out / f).read_bytes() for f in before}


def test_a_folder_that_holds_a_run_is_refused_without_resume(data, unbroken):
    with pytest.raises(ValueError, match=r"already holds a training run; add --resume or choose"):
        train(TINY, *data, unbroken[1], say=silent)


def test_a_damaged_state_is_refused_with_a_sentence(data, unbroken, tmp_path):
    whole = (unbroken[1] / "state.pt").read_bytes()
    for content in (whole[: len(whole) // 2], b"", b"not a checkpoint"):
        (tmp_path / "state.pt").write_bytes(content)
        with pytest.raises(ValueError, match=r"state\.pt is damaged; train into another --out"):
            train(TINY, *data, tmp_path, resume=True, say=silent)


def test_the_configuration_is_on_disk_before_the_first_step(data, tmp_path, monkeypatch):
    def die(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(models.training, "train_step", die)
    with pytest.raises(KeyboardInterrupt):
        train(TINY, *data, tmp_path, say=silent)
    assert json.loads((tmp_path / "config.json").read_text()) == json.loads(
        json.dumps(TINY.to_json())
    )


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


def test_resuming_does_not_start_over_from_the_initial_weights(data, unbroken, tmp_path):
    start = unbroken[0].averaged.state_dict()
    config = changed(steps=3)
    whole = train(config, *data, tmp_path / "whole", initial=start, say=silent)
    train(config, *data, tmp_path / "parts", initial=start, max_minutes=0.0, say=silent)
    parts = train(config, *data, tmp_path / "parts", initial=start, resume=True, say=silent)
    assert_same_run(parts, whole)


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
    ],
)
def test_impossible_configurations_are_refused_with_a_sentence(fields, sentence):
    with pytest.raises(ValueError, match=sentence):
        changed(**fields)
