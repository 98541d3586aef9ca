"""Several processes (gloo on the CPU, started as for several GPUs) train one network."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from training_runs import logged
from training_victim import ONE_STEP, tiny_data

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
    command = ["-m", "torch.distributed.run", "--nproc_per_node", str(PROCESSES), "--standalone"]
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
    assert done.returncode == 0, done.stderr[-2000:]
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


def test_together_they_take_the_step_of_both_batches(together):
    """The mean of the two processes' gradients, taken one after the other here."""
    training, _, statistics = tiny_data()
    run = start_run(ONE_STEP, statistics, CPU, HUMANML3D)
    fixed, optimizer = Fixed.create(run, training, CPU), run.optimizer
    first, second = (
        fixed.walk.take(turn * ONE_STEP.batch_size, ONE_STEP.batch_size).tolist()
        for turn in range(PROCESSES)
    )
    assert first != second, "each process has its own part of the epoch"
    run.network.train()
    for index, taking in enumerate((Waits(), optimizer)):
        run.optimizer = taking
        train_step(run, run.network, training, OneOf(index), fixed)
    ours, theirs = run.network.state_dict(), load_checkpoint(together[1] / "1/last").network
    torch.testing.assert_close(ours, theirs.state_dict(), atol=1e-6, rtol=0)
    fresh = start_run(ONE_STEP, statistics, CPU, HUMANML3D).network.state_dict()
    moved = max((ours[k] - fresh[k]).abs().max().item() for k in ours)
    assert moved > 1e-4
