"""Nothing that interrupts a run changes what it learns."""

import os
import signal
import subprocess
import sys
import time
from contextlib import nullcontext
from pathlib import Path

import pytest
import torch
from synthetic_motion import random_motions
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from training_runs import assert_same_run, changed, logged, silent
from training_victim import TINY, TINY_NETWORK, tiny_data

import models.train.training
import models.train.training_log
from models.data.training_data import build_bank, training_statistics
from models.train.run_state import data_fingerprint, load_state, save_state, start_run
from models.train.train_config import TrainConfig
from models.train.training import train
from pipeline.skeletons import HUMANML3D

HERE = Path(__file__).parent
CPU = torch.device("cpu")
ENVIRONMENT = {
    **os.environ,
    "PYTHONPATH": os.pathsep.join([str(HERE.parent), str(HERE)]),
    "OMP_NUM_THREADS": "1",
    "ACCELERATE_USE_CPU": "true",
}
KILLED_WHILE_SAVING = """
import os, signal, sys, torch, training_victim
from pathlib import Path
def cut_off(state, file):
    assert state["step"] == 8
    file.write(bytes(1000))
    file.flush()
    os.kill(os.getpid(), signal.SIGKILL)
torch.save = cut_off
training_victim.main(Path(sys.argv[1]), 0)
"""


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


def curves(out: Path) -> dict[str, list[int]]:
    """Steps of every TensorBoard curve."""
    events = EventAccumulator(str(out / "tensorboard"))
    events.Reload()
    return {tag: [e.step for e in events.Scalars(tag)] for tag in events.Tags()["scalars"]}


def test_killed_between_steps_and_while_saving_a_resumed_run_equals_the_unbroken(
    data, unbroken, tmp_path
):
    """kill -9 from outside after one save, then kill -9 half way through the next save."""
    out = tmp_path / "run"
    victim = subprocess.Popen(
        [sys.executable, str(HERE / "training_victim.py"), str(out), "0.3"],
        stdout=subprocess.PIPE,
        text=True,
        env=ENVIRONMENT,
    )
    assert victim.stdout is not None
    with victim:
        for line in victim.stdout:
            if line.startswith("step 6/"):
                victim.send_signal(signal.SIGKILL)
                break
    assert victim.returncode == -signal.SIGKILL
    again = subprocess.run(
        [sys.executable, "-c", KILLED_WHILE_SAVING, str(out)],
        capture_output=True,
        text=True,
        env=ENVIRONMENT,
        timeout=300,
        check=False,
    )
    assert again.returncode == -signal.SIGKILL, again.stderr[-2000:]
    assert again.stdout.splitlines()[0] == "resuming at step 4"
    assert (out / "state.partial").stat().st_size == 1000
    said: list[str] = []
    time.sleep(1.1)  # TensorBoard orders its files by the second in which they were begun
    run = train(TINY, *data, out, resume=True, say=said.append)
    assert said[0] == "resuming at step 4"
    assert_same_run(run, unbroken[0])
    assert [r["step"] for r in logged(out)] == [4, 8, 12]
    told = curves(out)
    assert told["train/loss 2d->3d"] == list(range(1, 13)), "each step once, none missing"
    assert told["validation/pa_mpjpe_mm"] == [4, 8, 12]


def test_tensorboard_shows_losses_rate_speed_time_split_and_validation(unbroken):
    told = curves(unbroken[1])
    paths = ("3d->3d", "2d->3d", "3d->2d", "2d->2d")
    assert {f"train/loss {p}" for p in paths} | {f"validation/loss {p}" for p in paths} <= set(told)
    assert {"train/learning rate", "train/steps per second", "milliseconds/data"} <= set(told)
    assert told["train/loss 3d->3d"] == list(range(1, 13))
    assert told["validation/loss 2d->2d"] == [4, 8, 12]


def test_without_tensorboard_the_run_says_so_and_goes_on(data, tmp_path, monkeypatch):
    monkeypatch.setattr(models.train.training_log, "is_tensorboard_available", lambda: False)
    said: list[str] = []
    train(changed(steps=1), *data, tmp_path, say=said.append)
    assert said[0] == "TensorBoard is not installed: no curves, only the validation log"
    assert not (tmp_path / "tensorboard").exists()
    assert [r["step"] for r in logged(tmp_path)] == [1]


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


def test_killed_between_log_and_state_repeats_the_step_without_a_second_log_line(
    data, unbroken, tmp_path, monkeypatch
):
    def die(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(models.train.training, "save_state", die)
        train(TINY, *data, tmp_path, say=silent)
    with (tmp_path / "validation.jsonl").open("a") as log:
        log.write('{"step": 8, "mpj')  # and the log itself cut off
    run = train(TINY, *data, tmp_path, resume=True, say=silent)
    assert [r["step"] for r in logged(tmp_path)] == [4, 8, 12]
    assert_same_run(run, unbroken[0])


def test_time_limit_stops_cleanly_and_the_run_goes_on(data, unbroken, tmp_path):
    run = train(TINY, *data, tmp_path, max_minutes=0.0, say=silent)
    assert run.step == 1
    run = train(TINY, *data, tmp_path, resume=True, say=silent)
    assert_same_run(run, unbroken[0])


def test_resuming_with_another_configuration_is_refused(data, unbroken):
    """And leaves the run as it was: the message names the option and points at config.json."""
    _, out = unbroken
    before = {f: (out / f).read_bytes() for f in ("config.json", "state.pt", "validation.jsonl")}
    sentence = r"begun with learning_rate 0\.003, not 1e-05: resume with"
    with pytest.raises(ValueError, match=sentence) as error:
        train(changed(learning_rate=1e-5), *data, out, resume=True, say=silent)
    assert len(str(error.value).splitlines()) == 1
    assert before == {f: (out / f).read_bytes() for f in before}


def test_a_folder_that_holds_a_run_is_refused_without_resume(data, unbroken):
    with pytest.raises(ValueError, match=r"already holds a training run; add --resume or choose"):
        train(TINY, *data, unbroken[1], say=silent)


def test_a_second_training_of_the_folder_is_refused_while_the_first_goes_on(
    data, unbroken, tmp_path
):
    """Regression: two wrote into one folder by turns, with and without --resume."""
    refused = []

    def say(message: str) -> None:
        if message.startswith("step 2/"):
            for resume in (True, False):
                with pytest.raises(ValueError, match=r"a training is running in .*: wait for it"):
                    train(TINY, *data, tmp_path, resume=resume, say=silent)
                refused.append(resume)

    run = train(TINY, *data, tmp_path, say=say)
    assert refused == [True, False]
    assert_same_run(run, unbroken[0])
    assert train(TINY, *data, tmp_path, resume=True, say=silent).step == TINY.steps  # let go


class AskedInBetween:
    """Somebody asks for an end just after the loop has looked for the first time."""

    looks = 0

    @property
    def asked(self) -> bool:
        self.looks += 1
        return self.looks > 1


def test_ctrl_c_after_a_look_does_not_end_the_run_unsaved(data, tmp_path, monkeypatch):
    monkeypatch.setattr(
        models.train.training, "stop_after_step", lambda: nullcontext(AskedInBetween())
    )
    with pytest.raises(KeyboardInterrupt):
        train(TINY, *data, tmp_path, say=silent)
    assert torch.load(tmp_path / "state.pt", weights_only=True)["step"] == 2


def test_a_damaged_state_is_refused_with_a_sentence(data, unbroken, tmp_path):
    whole = (unbroken[1] / "state.pt").read_bytes()
    sentence = r"state\.pt is damaged or of an older version; train into another"
    for content in (whole[: len(whole) // 2], b"", b"not a checkpoint"):
        (tmp_path / "state.pt").write_bytes(content)
        with pytest.raises(ValueError, match=sentence):
            train(TINY, *data, tmp_path, resume=True, say=silent)


def test_resuming_does_not_start_over_from_the_initial_weights(data, unbroken, tmp_path):
    start = unbroken[0].averaged.state_dict()
    config = changed(steps=3)
    whole = train(config, *data, tmp_path / "whole", initial=start, say=silent)
    train(config, *data, tmp_path / "parts", initial=start, max_minutes=0.0, say=silent)
    parts = train(config, *data, tmp_path / "parts", initial=start, resume=True, say=silent)
    assert_same_run(parts, whole)


def test_several_differing_options_are_all_named(data, unbroken):
    network = changed().network
    config = changed(network=type(network)(**{**network.to_json(), "dropout": 0.3}), batch_size=5)
    with pytest.raises(ValueError, match=r"network.dropout 0.1, not 0.3; batch_size 3, not 5:"):
        train(config, *data, unbroken[1], resume=True, say=silent)


def test_a_run_may_report_more_often_and_go_on_for_longer(data, tmp_path):
    """With a constant learning rate a longer run is the same run, continued."""
    short = changed(steps=2, cosine_decay=False)
    train(short, *data, tmp_path / "a", say=silent)
    longer = changed(steps=4, cosine_decay=False, log_every=3)
    ours = train(longer, *data, tmp_path / "a", resume=True, say=silent)
    assert_same_run(ours, train(longer, *data, tmp_path / "b", say=silent))
    with pytest.raises(ValueError, match="begun with steps 12, not 13"):
        load_state(_fresh(data, steps=13), _saved(data, tmp_path / "c", steps=12) / "state.pt")


def _fresh(data, **fields):
    run = start_run(changed(**fields), data[2], CPU, HUMANML3D)
    run.data = data_fingerprint(data[0], data[2])
    return run


def _saved(data, out: Path, **fields) -> Path:
    out.mkdir()
    save_state(_fresh(data, **fields), out / "state.pt")
    return out


def test_resuming_on_other_data_is_refused(data, unbroken):
    motions = random_motions([30, 60, 24, 45, 33])
    bank, statistics = build_bank(motions, TINY_NETWORK.text_dim), training_statistics(motions)
    sentence = r"begun on other data \(training_motions 4, not 5; .*; statistics \w{12}"
    with pytest.raises(ValueError, match=sentence):
        train(TINY, bank, data[1], statistics, unbroken[1], resume=True, say=silent)


def test_a_resumed_run_takes_its_options_and_statistics_from_the_run(data, unbroken):
    facts, statistics = models.train.training.read_run(unbroken[1]) or ({}, None)
    assert TrainConfig.from_json(facts["train"]) == TINY
    assert facts["fingerprint"]["training_motions"] == 4
    for name, values in data[2].arrays().items():
        assert (statistics.arrays()[name] == values).all()


def test_ctrl_c_finishes_the_step_saves_it_and_says_how_to_go_on(tmp_path):
    process = subprocess.Popen(
        [sys.executable, str(HERE / "training_victim.py"), str(tmp_path), "0.2"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=ENVIRONMENT,
    )
    assert process.stdout is not None
    line = process.stdout.readline()
    while line and not line.startswith("step 2/"):
        assert (tmp_path / "state.pt").exists()  # from the first moment on
        line = process.stdout.readline()
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode != 0
    state = torch.load(tmp_path / "state.pt", weights_only=True)
    assert 2 <= state["step"] < 4  # before the first validation, which saves too
