"""Finetuning in the wild: what a step trains on, what reaches the weights, and how it goes on."""

import dataclasses

import numpy as np
import pytest
import torch
from training_runs import assert_same_run, changed, logged, silent
from training_victim import ONE_STEP, TINY, tiny_data
from wild_clips import wild_motions

import models.train.training
from models.checkpoint import Checkpoint, load_checkpoint
from models.data.wild_bank import build_wild_bank
from models.evaluation.wild_losses import wild_losses
from models.train.graphed_step import GraphedSteps
from models.train.run_state import start_run
from models.train.step_data import Fixed, step_data
from models.train.train_config import TrainConfig
from models.train.train_step import noised_inputs, step_generator, step_losses, train_step
from models.train.training import train
from pipeline.skeletons import HUMANML3D

CPU = torch.device("cpu")
PATHS = ("3d->3d", "2d->3d", "3d->2d", "2d->2d")
LENGTHS = [30, 60, 24, 45, 41]
WILD = dataclasses.replace(TINY, batch_size=4, wild_ratio=0.5)
ONE_WILD_STEP = dataclasses.replace(ONE_STEP, batch_size=4, wild_ratio=1.0)


@pytest.fixture(autouse=True)
def on_cpu(monkeypatch):
    monkeypatch.setenv("ACCELERATE_USE_CPU", "true")


@pytest.fixture(scope="module")
def data():
    return tiny_data()


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def clips(unseen: float = np.nan, weights=(1.0, 0.9, 0.8, 0.7, 0.6)):
    """Each clip's weight is its own, so that a batch tells which clips it holds."""
    return build_wild_bank(wild_motions(LENGTHS, unseen), weights, text_dim=8)


@pytest.fixture(scope="module")
def wild():
    return clips()


@pytest.fixture(scope="module")
def unbroken(data, wild, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ACCELERATE_USE_CPU", "true")
        out = tmp_path_factory.mktemp("unbroken")
        return train(WILD, *data, out, wild=wild, say=silent), out


class Process:
    """Stands for one process of some, whose gradients nobody adds up."""

    def __init__(self, index: int = 0, count: int = 1) -> None:
        self.process_index, self.num_processes = index, count

    def backward(self, loss: torch.Tensor) -> None:
        loss.backward()


class Waits:
    """An optimizer that leaves weights and gradients alone."""

    param_groups = ()

    def step(self) -> None:
        return None

    def zero_grad(self) -> None:
        return None


def one_step(config: TrainConfig, data, wild):
    """Losses and gradients of a run's first step."""
    run = start_run(config, data[2], CPU, HUMANML3D)
    fixed = Fixed.create(run, data[0], CPU, None, wild)
    run.optimizer = Waits()
    losses = train_step(run, run.network, data[0], Process(), fixed, None, wild)
    return losses, run.network


def drawn(config: TrainConfig, data, wild, steps: int, process: Process):
    """The weights of each step's samples; a clip's is its own, motion capture's is 1."""
    run = start_run(config, data[2], CPU, HUMANML3D)
    fixed, out = Fixed.create(run, data[0], CPU, None, wild), []
    for step in range(steps):
        run.step = step
        g = step_generator(config, step)
        batch = step_data(run, data[0], wild, process, fixed, 24, g).batch
        out.append([round(w, 3) for w in batch.knowledge.weight3.tolist()])
    return out


@pytest.mark.parametrize(
    ("batch", "ratio", "wanted"),
    [(8, 0.5, 4), (8, 0.01, 1), (8, 0.99, 7), (8, 1.0, 8), (8, 0.0, 0), (5, 0.3, 2), (2, 0.5, 1)],
)
def test_a_batch_holds_both_kinds_unless_the_ratio_is_0_or_1(batch, ratio, wanted):
    assert changed(batch_size=batch, wild_ratio=ratio).wild_count == wanted


def test_half_of_each_batch_is_in_the_wild_and_clips_walk_in_epochs_of_their_own(data):
    """Five clips, two a step: five steps are two epochs, whatever the motion capture does."""
    marked = clips(weights=(0.1, 0.2, 0.3, 0.4, 0.5))
    steps = drawn(WILD, data, marked, 5, Process())
    assert all(step[:2] == [1.0, 1.0] for step in steps)
    seen = [w for step in steps for w in step[2:]]
    assert sorted(seen[:5]) == sorted(seen[5:]) == [0.1, 0.2, 0.3, 0.4, 0.5]
    assert seen[:5] != seen[5:], "each epoch in its own order"


def test_alone_the_clips_fill_the_batch(data):
    alone = dataclasses.replace(WILD, wild_ratio=1.0)
    steps = drawn(alone, data, clips(weights=(0.1, 0.2, 0.3, 0.4, 0.5)), 5, Process())
    assert all(len(step) == 4 and max(step) < 1.0 for step in steps)


def test_each_process_takes_its_own_part_of_the_clips(data):
    marked = clips(weights=(0.1, 0.2, 0.3, 0.4, 0.5))
    ours, theirs = (drawn(WILD, data, marked, 5, Process(i, 2)) for i in range(2))
    both = [w for a, b in zip(ours, theirs, strict=True) for w in (*a[2:], *b[2:])]
    for epoch in range(4):
        assert sorted(both[5 * epoch : 5 * epoch + 5]) == [0.1, 0.2, 0.3, 0.4, 0.5]


def test_losses_look_at_what_was_seen_and_at_nothing_else(data, wild):
    """Whatever the network says about the rest: no gradient tells it that it was wrong."""
    run = start_run(dataclasses.replace(WILD, batch_size=10), data[2], CPU, HUMANML3D)
    fixed, g = Fixed.create(run, data[0], CPU, None, wild), generator()
    batch = step_data(run, data[0], wild, Process(), fixed, 24, g).batch
    inputs = noised_inputs(batch, fixed.stats, fixed.process, run.config, g)
    said = {p: torch.ones_like(batch.x3 if p.endswith("3d") else batch.x2) for p in PATHS}
    outputs = {path: value.requires_grad_() for path, value in said.items()}
    losses = step_losses(run, lambda *_: outputs, batch, inputs, fixed, None)
    sum(losses.values()).backward()
    valid = ~batch.pad[..., None]
    for path, value in outputs.items():
        known = batch.knowledge.mask3 if path.endswith("3d") else batch.knowledge.mask2
        assert torch.equal(value.grad != 0, known & valid), path
        assert not known[5:].all()
        assert known[:5].all(), "of motion capture everything is known"


@pytest.mark.parametrize("unseen", [0.0, -1e6])
def test_what_nobody_saw_changes_neither_loss_nor_gradient_by_a_bit(data, wild, unseen):
    config = dataclasses.replace(ONE_WILD_STEP, wild_ratio=0.5)
    losses, network = one_step(config, data, wild)
    other_losses, other = one_step(config, data, clips(unseen))
    assert losses == other_losses
    for (name, ours), theirs in zip(network.named_parameters(), other.parameters(), strict=True):
        assert torch.equal(ours.grad, theirs.grad), name
        assert torch.isfinite(ours.grad).all(), name


def test_clips_without_a_label_that_counts_move_the_2d_path_alone(data):
    losses, network = one_step(ONE_WILD_STEP, data, clips(weights=[0.0] * 5))
    assert [float(losses[p]) for p in ("3d->3d", "2d->3d", "3d->2d")] == [0.0, 0.0, 0.0]
    assert losses["2d->2d"] > 0
    assert not any(p.grad.any() for p in network.own_parameters("3d"))
    assert all(p.grad.any() for p in network.own_parameters("2d"))


def test_a_label_of_half_the_weight_moves_half_as_much(data):
    """And nothing in 2D: the view is as good as it was."""
    (whole, by_whole), (half, by_half) = (
        one_step(ONE_WILD_STEP, data, clips(weights=[w] * 5)) for w in (1.0, 0.5)
    )
    for path in ("3d->3d", "2d->3d", "3d->2d"):
        torch.testing.assert_close(half[path], whole[path] / 2)
    assert torch.equal(half["2d->2d"], whole["2d->2d"])
    pairs = zip(by_half.own_parameters("3d"), by_whole.own_parameters("3d"), strict=True)
    for ours, theirs in pairs:
        torch.testing.assert_close(ours.grad, theirs.grad / 2, atol=1e-6, rtol=1e-4)


def test_a_tiny_network_learns_the_2d_of_its_clips(data, wild, tmp_path):
    config = dataclasses.replace(WILD, steps=40, validate_every=40, text_drop=0.0)
    start = start_run(config, data[2], CPU, HUMANML3D).network
    before = wild_losses(Checkpoint(start.eval(), data[2], HUMANML3D, "fresh", True), wild)
    train(config, *data, tmp_path, wild=wild, say=silent)
    after = wild_losses(load_checkpoint(tmp_path / "best"), wild)
    for path in ("2d->2d", "2d->3d"):
        assert (after[path] < 0.9 * before[path]).all(), path


def test_an_interrupted_run_goes_on_as_the_unbroken_one(data, wild, unbroken, tmp_path):
    def interrupt(message: str) -> None:
        if message.startswith("step 7/"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(WILD, *data, tmp_path, wild=wild, say=interrupt)
    run = train(WILD, *data, tmp_path, wild=wild, resume=True, say=silent)
    assert_same_run(run, unbroken[0])
    assert [r["step"] for r in logged(tmp_path)] == [4, 8, 12]


def test_how_often_it_is_measured_does_not_change_what_it_learns(data, wild, tmp_path):
    """Regression: after its first evaluation the published loop trains without dropout."""
    assert WILD.network.dropout > 0
    often, once = (
        # Not averaged: then it is the trained network itself that is measured.
        dataclasses.replace(WILD, steps=3, ema_decay=0.0, validate_every=every)
        for every in (1, 3)
    )
    runs = [
        train(c, *data, tmp_path / str(i), wild=wild, say=silent)
        for i, c in enumerate((often, once))
    ]
    assert_same_run(*runs)


def test_the_last_checkpoint_is_the_best_whatever_the_validation_says(
    data, wild, tmp_path, monkeypatch
):
    measure, measured = models.train.training.validate, []

    def worse_each_time(*args, **kwargs):
        losses, errors = measure(*args, **kwargs)
        measured.append(100.0 * (1 + len(measured)))
        return losses, dataclasses.replace(errors, pa_mpjpe_mm=measured[-1])

    monkeypatch.setattr(models.train.training, "validate", worse_each_time)
    config = dataclasses.replace(WILD, steps=2, validate_every=1)
    run = train(config, *data, tmp_path, wild=wild, say=silent)
    assert [r["pa_mpjpe_mm"] for r in logged(tmp_path)] == measured == [100.0, 200.0]
    last, best = (load_checkpoint(tmp_path / name) for name in ("last", "best"))
    assert last.about["step"] == best.about["step"] == 2
    torch.testing.assert_close(best.network.state_dict(), run.averaged.state_dict())


def test_resuming_with_other_clips_labels_or_weights_is_refused(data, wild, unbroken):
    motions = wild_motions(LENGTHS)
    relabelled = [dataclasses.replace(m, features=m.features + 0.01) for m in motions]
    recaptioned = [dataclasses.replace(m, embeddings=m.embeddings + 1) for m in motions]
    weights = wild.label_weight.tolist()
    for other in (
        build_wild_bank(motions[:4], weights[:4], 8),
        build_wild_bank(relabelled, weights, 8),
        build_wild_bank(recaptioned, weights, 8),
        build_wild_bank(motions, [*weights[:4], 0.5], 8),
    ):
        with pytest.raises(ValueError, match=r"begun on other data \(wild_"):
            train(WILD, *data, unbroken[1], wild=other, resume=True, say=silent)


def test_clips_and_their_share_come_together_or_are_refused(data, wild, tmp_path):
    with pytest.raises(ValueError, match="there are no in-the-wild clips: finetune with"):
        train(WILD, *data, tmp_path / "run", say=silent)
    with pytest.raises(ValueError, match="need a share of each batch: set wild_ratio above 0"):
        train(TINY, *data, tmp_path / "run", wild=wild, say=silent)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"wild_ratio": 1.1}, "wild_ratio must lie in 0..1"),
        ({"wild_ratio": -0.1}, "wild_ratio must lie in 0..1"),
        ({"wild_ratio": 0.5, "batch_size": 1}, "needs batch_size 2"),
        ({"wild_ratio": 0.5, "stage": 2}, "they need stage 1"),
        ({"wild_ratio": 0.5, "bucketed": True}, "bucketed and mix must be off"),
    ],
)
def test_a_configuration_that_cannot_hold_clips_is_refused(fields, sentence):
    with pytest.raises(ValueError, match=sentence):
        changed(**fields)


def test_captured_steps_refuse_clips_with_a_sentence(data):
    run = start_run(WILD, data[2], CPU, HUMANML3D)
    with pytest.raises(ValueError, match="take no in-the-wild clips: finetune with"):
        GraphedSteps(run, data[0])


def test_without_clips_a_step_draws_and_loses_what_it_always_did(data):
    """Numbers of the code before there were clips: one draw more would change all of them."""
    run = start_run(ONE_STEP, data[2], CPU, HUMANML3D)
    run.network.train()
    fixed = Fixed.create(run, data[0], CPU)
    losses = train_step(run, run.network, data[0], Process(), Fixed.create(run, data[0], CPU))
    assert fixed.wild_walk is None
    assert {path: float(loss) for path, loss in losses.items()} == pytest.approx(
        {"3d->3d": 1.5057297, "2d->3d": 1.5002041, "3d->2d": 1.4243232, "2d->2d": 1.4249980},
        rel=1e-5,
    )
    data_of = step_data(run, data[0], None, Process(), fixed, 16, step_generator(ONE_STEP, 0))
    assert data_of.batch.knowledge is None, "so that the losses take the unmasked way"
