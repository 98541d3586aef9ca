"""Several processes (gloo on the CPU, started as for several GPUs) train one network.

With `accelerate launch --multi_gpu` and ACCELERATE_USE_CPU: its own `--cpu` starts one process.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from training_runs import logged
from training_victim import ONE_STEP, WILD_STEP, tiny_clips, tiny_data

from models.checkpoint import load_checkpoint
from models.train.run_state import start_run
from models.train.train_step import Fixed, train_step
from pipeline.skeletons import HUMANML3D

HERE = Path(__file__).parent
CPU = torch.device("cpu")
PROCESSES = 2


@pytest.fixture(scope="module")
def together(tmp_path_factory):
    """What two processes said, and the folder they trained into."""
    out = tmp_path_factory.mktemp("together")
    command = ["-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", str(PROCESSES)]
    command += ["--num_machines", "1", "--main_process_port", "0"]
    done = subprocess.run(
        [sys.executable, *command, str(HERE / "training_victim.py"), str(out), "both"],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env={
            **os.environ,
            "PYTHONPATH": str(HERE.parent),
            "OMP_NUM_THREADS": "1",
            "ACCELERATE_USE_CPU": "true",
        },
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines(), out


def test_all_processes_end_with_the_same_weights(together):
    lines, out = together
    weights = [line for line in lines if line.startswith("weights ")]
    assert len(weights) == PROCESSES
    assert len(set(weights)) == 1
    assert sum(line.startswith("step 12/") for line in lines) == 1, "one process speaks for all"
    assert [r["step"] for r in logged(out / "2")] == [4, 8, 12]


def test_no_text_encoder_is_loaded_to_train(together):
    """Regression: the published loop encodes every caption again at every step."""
    lines, _ = together
    assert all(line.endswith("encoder False") for line in lines if line.startswith("weights "))


class OneOf:
    """Stands for one process of several: adds its share of the gradient to what is there."""

    num_processes = PROCESSES

    def __init__(self, process_index: int) -> None:
        self.process_index = process_index

    def backward(self, loss: torch.Tensor) -> None:
        (loss / PROCESSES).backward()


class Waits:
    """An optimizer that leaves the gradient for the next process to add to."""

    param_groups = ()

    def step(self) -> None:
        return None

    def zero_grad(self) -> None:
        return None


@pytest.mark.parametrize(("config", "folder"), [(ONE_STEP, "1"), (WILD_STEP, "w")])
def test_together_they_take_the_step_of_both_batches(together, config, folder):
    """The mean of the two processes' gradients, taken one after the other here."""
    training, _, statistics = tiny_data()
    wild = tiny_clips() if config.wild_ratio else None
    run = start_run(config, statistics, CPU, HUMANML3D)
    fixed, optimizer = Fixed.create(run, training, CPU, None, wild), run.optimizer
    for walk in (fixed.walk, fixed.wild_walk) if wild else (fixed.walk,):
        first, second = (walk.take(turn * 3, 3).tolist() for turn in range(PROCESSES))
        assert first != second, "each process has its own part of the epoch"
    run.network.train()
    for index, taking in enumerate((Waits(), optimizer)):
        run.optimizer = taking
        train_step(run, run.network, training, OneOf(index), fixed, None, wild)
    ours = run.network.state_dict()
    theirs = load_checkpoint(together[1] / folder / "last").network
    torch.testing.assert_close(ours, theirs.state_dict(), atol=1e-6, rtol=0)
    fresh = start_run(config, statistics, CPU, HUMANML3D).network.state_dict()
    moved = max((ours[k] - fresh[k]).abs().max().item() for k in ours)
    assert moved > 1e-4
