"""Batches of clips of about one length: every clip once an epoch, the same lesson in less work."""

import dataclasses
from collections import Counter
from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from synthetic_motion import random_motions
from training_runs import assert_same_run, silent
from training_victim import TINY, TINY_NETWORK

from flows.train_options import TrainOptions, configure
from models.checkpoint import SHIPPED, load_checkpoint
from models.data.training_data import build_bank, training_statistics
from models.train.data_order import EpochWalk, LengthGroups, grouped_order
from models.train.run_state import start_run
from models.train.step_data import draw_batch
from models.train.train_config import PRESETS, TrainConfig
from models.train.train_step import Fixed, noised_inputs, step_losses
from models.train.training import train
from models.train.wild_stage import WildPreset, wild_stage
from pipeline.skeletons import HUMANML3D

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def on_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACCELERATE_USE_CPU", "true")


def grouped(**changes: object) -> TrainConfig:
    return dataclasses.replace(TINY, bucketed=False, masks_padding=True, length_groups=4, **changes)


@pytest.fixture(scope="module")
def data() -> tuple:
    lengths = [int(n) for n in torch.randint(9, 60, (40,), generator=torch.manual_seed(3))]
    motions = random_motions(lengths, TINY_NETWORK.text_dim)
    statistics = training_statistics(motions, HUMANML3D)
    bank = build_bank(motions, TINY_NETWORK.text_dim)
    return bank, bank, statistics


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 90), st.integers(1, 9), st.integers(1, 5), st.integers(0, 3), st.integers(0, 99)
)
def test_every_motion_comes_once_an_epoch_whatever_the_sizes(
    count: int, batch: int, batches: int, epoch: int, seed: int
) -> None:
    lengths = torch.randint(4, 197, (count,), generator=torch.manual_seed(seed))
    groups = LengthGroups(lengths, batch, batches)
    walk = EpochWalk(seed, torch.arange(count), groups)
    drawn = walk.take(epoch * count, count)
    assert sorted(drawn.tolist()) == list(range(count))
    again = EpochWalk(seed, torch.arange(count), groups)
    assert torch.equal(torch.cat([again.take(epoch * count + i, 1) for i in range(count)]), drawn)


def test_motions_of_a_batch_are_of_about_one_length_and_meet_others_next_time() -> None:
    lengths = torch.randint(4, 197, (1000,), generator=torch.manual_seed(1))
    groups = LengthGroups(lengths, 32, 10)
    walk, plain = EpochWalk(5, torch.arange(1000), groups), EpochWalk(5, torch.arange(1000))

    def padded(some: EpochWalk) -> float:
        batches = [lengths[some.take(i * 32, 32)] for i in range(90)]
        return float(1 - sum(b.sum() for b in batches) / sum(32 * b.max() for b in batches))

    assert padded(plain) > 0.45
    assert padded(walk) < 0.13
    # Batches do not come in order of length.
    means = [float(lengths[walk.take(i * 32, 32)].float().mean()) for i in range(30)]
    rising = sum(b > a for a, b in pairwise(means))
    assert 8 < rising < 21
    met = [Counter(), Counter()]
    for epoch in range(2):
        for i in range(31):
            mates = walk.take(epoch * 1000 + i * 32, 32).tolist()
            met[epoch].update(
                frozenset((a, b)) for n, a in enumerate(mates) for b in mates[n + 1 :]
            )
    assert len(met[0] & met[1]) < 0.4 * len(met[0])


def test_groups_begin_where_batches_do_in_every_epoch() -> None:
    """An epoch of 10 motions in batches of 4: the second one's batches begin two motions late."""
    lengths = torch.arange(10)
    groups = LengthGroups(lengths, 4, 2)
    order = torch.randperm(10, generator=torch.manual_seed(0))
    late = grouped_order(order, groups, 10, seed=1)
    assert torch.equal(late[:2], order[:2])
    spans = [lengths[late[i : i + 4]] for i in (2, 6)]
    assert {int(s.max() - s.min()) for s in spans} <= set(range(7))
    assert max(spans[0].max(), spans[1].max()) - min(s.max() for s in spans) > 0


def test_what_a_batch_teaches_is_what_it_would_padded_to_the_window(data: tuple) -> None:
    bank, _, statistics = data
    network = dataclasses.replace(TINY_NETWORK, dropout=0.0)
    config = grouped(network=network, text_drop=0.0, windows=(48,))
    run = start_run(config, statistics, CPU, HUMANML3D)
    fixed = Fixed.create(run, bank, CPU)
    index = torch.tensor([i for i in range(40) if bank.rows[i] < 30][:4])
    found = []
    for each in (config, dataclasses.replace(config, length_groups=0)):
        run.config = each
        batch = draw_batch(run, bank, fixed, 48, torch.Generator().manual_seed(1), index)
        rows = batch.x3.shape[1]
        longest = int(bank.rows[index].max()) // 4 * 4
        assert rows == (longest if each.length_groups else 48)
        found.append((batch, rows))
    (short, rows), (long, _) = found
    assert torch.equal(short.x3, long.x3[:, :rows]) and long.pad[:, rows:].all()
    # The same noise on the rows that both have: then losses and gradients are the same.
    inputs = noised_inputs(
        long, fixed.stats, fixed.process, config, torch.Generator().manual_seed(2), None
    )
    cut = {
        k: v[:, :rows] if v.ndim > 1 and v.shape[1] == long.x3.shape[1] else v
        for k, v in inputs.items()
    }
    losses, gradients = [], []
    trimmed = dataclasses.replace(
        long,
        **{
            f.name: getattr(long, f.name)[:, :rows]
            for f in dataclasses.fields(long)
            if isinstance(getattr(long, f.name), torch.Tensor) and f.name != "text"
        },
    )
    for batch, given_inputs in ((long, inputs), (trimmed, cut)):
        run.network.zero_grad()
        told = step_losses(run, run.network, batch, given_inputs, fixed, None)
        config.total(told).backward()
        losses.append(torch.stack([told[k] for k in sorted(told)]).detach())
        gradients.append(
            torch.cat([p.grad.flatten() for p in run.network.parameters() if p.grad is not None])
        )
    torch.testing.assert_close(losses[0], losses[1], rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(gradients[0], gradients[1], rtol=1e-3, atol=1e-5)


def test_a_resumed_run_equals_the_unbroken_one(data: tuple, tmp_path) -> None:
    config = grouped(steps=12, cosine_decay=False, warmup_steps=0)
    unbroken = train(config, *data, tmp_path / "whole", say=silent)
    train(dataclasses.replace(config, steps=5), *data, tmp_path / "parts", say=silent)
    resumed = train(config, *data, tmp_path / "parts", say=silent, resume=True)
    assert_same_run(resumed, unbroken)


@pytest.mark.parametrize(
    "wrong",
    [{"masks_padding": False}, {"bucketed": True}, {"mix": PRESETS["base"].mix}],
)
def test_it_needs_hidden_padding_and_nothing_that_fills_windows(wrong: dict) -> None:
    base = {"bucketed": False, "masks_padding": True, "length_groups": 4}
    with pytest.raises(ValueError, match="length_groups leaves out hidden padding"):
        dataclasses.replace(TINY, **{**base, **wrong})
    with pytest.raises(ValueError, match="0 or more, got -1"):
        dataclasses.replace(TINY, length_groups=-1)


@pytest.mark.parametrize("preset", ["paper", "base", "tiny"])
def test_the_command_leaves_padding_out_of_any_preset(preset: str, tmp_path) -> None:
    options = TrainOptions(tmp_path, "store", preset=preset, group_lengths=True)
    config = configure(PRESETS[preset], options, None)
    assert config.length_groups > 0 and config.masks_padding
    assert not config.bucketed and not config.mix.share
    assert TrainConfig.from_json(config.to_json()) == config
    assert configure(PRESETS[preset], TrainOptions(tmp_path, "store"), None) == PRESETS[preset]


def test_weights_that_attend_to_padding_do_not_go_on_without_it(tmp_path) -> None:
    attends = load_checkpoint(SHIPPED)
    attends = dataclasses.replace(attends, masks_padding=False)
    options = TrainOptions(tmp_path, "store", initial=tmp_path, group_lengths=True)
    with pytest.raises(ValueError, match="padding that it attends to, which --group-lengths"):
        configure(PRESETS["paper"], options, attends)


@pytest.mark.parametrize("preset", ["base", "paper"])
def test_what_was_trained_so_can_be_finetuned_in_the_wild(preset: WildPreset) -> None:
    config = wild_stage(grouped(), preset, steps=5, wild_ratio=0.5)
    assert config.wild_ratio == 0.5 and not config.length_groups


def test_processes_take_different_parts_of_one_walk(data: tuple) -> None:
    bank, _, statistics = data
    run = start_run(grouped(), statistics, CPU, HUMANML3D)
    walk = Fixed.create(run, bank, CPU).walk
    assert walk is not None and walk.groups is not None
    size = run.config.batch_size
    parts = [walk.take(turn * size, size) for turn in range(40 // size)]
    assert len(torch.cat(parts).unique()) == len(parts) * size
