"""A batch in parts: the whole batch's gradient, with the memory of a part."""

import dataclasses

import pytest
import torch
from accelerate import Accelerator
from training_runs import assert_same_run, changed, silent
from training_victim import TINY_NETWORK, tiny_data

from models.train.run_state import Run, start_run
from models.train.train_step import Fixed, train_step
from models.train.training import train
from models.train.wild_stage import wild_stage
from pipeline.skeletons import HUMANML3D

STEADY = dataclasses.replace(TINY_NETWORK, dropout=0.0)
"""Dropout draws other numbers for parts: it alone makes a difference."""
DATA = tiny_data()


@pytest.fixture(autouse=True)
def on_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACCELERATE_USE_CPU", "true")


def trained(parts: int, out, **fields: object) -> Run:
    config = changed(network=STEADY, batch_size=6, steps=6, accumulate=parts, **fields)
    return train(config, *DATA, out, say=silent)


def weights(run: Run) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in run.network.parameters()])


@pytest.mark.parametrize("fields", [{}, {"length_groups": 2}, {"gradient_clip": 0.05}])
def test_parts_learn_what_the_whole_batch_learns(fields: dict, tmp_path) -> None:
    whole = trained(1, tmp_path / "whole", **fields)
    began = start_run(whole.config, DATA[2], torch.device("cpu"), HUMANML3D)
    way = weights(whole) - weights(began)
    for parts in (2, 6):
        run = trained(parts, tmp_path / str(parts), **fields)
        assert run.step == whole.step
        # Not each weight: Adam makes steps of what is rounding where the true gradient is 0.
        assert (weights(run) - weights(whole)).norm() < 0.01 * way.norm()


def test_the_gradient_is_the_whole_batch_s_own() -> None:
    """As large too, which Adam would not show."""
    found = {}
    for parts in (1, 2, 6):
        config = changed(network=STEADY, batch_size=6, accumulate=parts, gradient_clip=0.0)
        run = start_run(config, DATA[2], torch.device("cpu"), HUMANML3D)
        fixed = Fixed.create(run, DATA[0], torch.device("cpu"))
        run.optimizer.step = lambda *_, run=run, parts=parts: found.update(
            {parts: torch.cat([p.grad.flatten() for p in run.network.parameters()])}
        )
        losses = train_step(run, run.network, DATA[0], Accelerator(), fixed)
        assert all(loss.ndim == 0 for loss in losses.values())
    for parts in (2, 6):
        torch.testing.assert_close(found[parts], found[1], rtol=1e-3, atol=1e-6)


def test_a_run_in_parts_resumes_exactly(tmp_path) -> None:
    fields = {"cosine_decay": False, "warmup_steps": 0, "network": TINY_NETWORK}
    config = changed(batch_size=6, accumulate=3, **fields)
    unbroken = train(config, *DATA, tmp_path / "whole", say=silent)
    train(dataclasses.replace(config, steps=5), *DATA, tmp_path / "parts", say=silent)
    resumed = train(config, *DATA, tmp_path / "parts", say=silent, resume=True)
    assert_same_run(resumed, unbroken)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"accumulate": 2}, "must divide batch_size 3, got 2"),
        ({"accumulate": 0}, "must divide"),
        ({"accumulate": 3, "fraction_3d": 0.5}, "count alike"),
        ({"accumulate": 3, "wild_ratio": 0.5}, "count alike"),
    ],
)
def test_what_cannot_be_cut_into_parts_is_refused(wrong: dict, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        changed(**wrong)


def test_what_was_trained_in_parts_can_be_finetuned_in_the_wild() -> None:
    parent = changed(batch_size=6, accumulate=3)
    config = wild_stage(parent, "paper", steps=3, wild_ratio=0.5)
    assert (config.accumulate, config.wild_ratio) == (1, 0.5)
