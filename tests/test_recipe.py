"""The shipped weights' recipe, run small on the CPU: it trains, stops, continues, and says so."""

import dataclasses
import json

import pytest
import torch
from synthetic_motion import random_motions

from models.batches.augment import NO_MIX
from models.checkpoint import load_checkpoint
from models.data.training_data import (
    build_bank,
    read_motions,
    training_statistics,
    write_motions,
)
from models.network import CrossDiff, NetworkConfig
from models.train.compiled_layers import compile_layers
from models.train.graphed_step import GraphedSteps
from models.train.one_run import alone_in
from models.train.recipe import STAGES, configuration, main
from models.train.run_state import start_run
from models.train.train_config import PRESETS, TrainConfig
from pipeline.skeletons import HUMANML3D

TINY = {"width": 16, "feed_forward": 16, "root_feed_forward": 16, "shared_layers": 2}
SMALL_STEPS = [
    "--set",
    f"network={json.dumps(TINY)}",
    "batch_size=4",
    "windows=[24, 32]",
    "compile=false",
    'precision="no"',
    "log_every=10",
]


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory):
    motions = random_motions([40, 50, 60, 45, 41, 55], text_dim=384)
    split = ["train"] * 4 + ["val"] * 2
    file = tmp_path_factory.mktemp("set") / "motions.parquet"
    write_motions(
        [dataclasses.replace(m, split=s) for m, s in zip(motions, split, strict=True)], file
    )
    return file


def recipe(snapshot, out, *more, budget="1"):
    main(["--data", str(snapshot), "--out", str(out), "--budget", budget, *more, *SMALL_STEPS])
    return [json.loads(line) for line in (out / "validation.jsonl").read_text().splitlines()]


def test_both_stages_end_by_time_and_leave_checkpoints(snapshot, tmp_path):
    log = recipe(snapshot, tmp_path / "one")
    first = load_checkpoint(tmp_path / "one" / "best")
    assert first.about["train"]["stage"] == 1
    assert first.about["text_encoder"] == "all-MiniLM-L6-v2"
    assert first.about["data"]["motions"] == {"train": 4, "val": 2}
    assert log[-1]["step"] > 0
    second_log = recipe(
        snapshot, tmp_path / "two", "--stage", "2", "--initial", str(tmp_path / "one" / "best")
    )
    second = load_checkpoint(tmp_path / "two" / "best")
    assert second.about["train"]["stage"] == 2
    assert set(second_log[-1]) >= {"3d->3d", "pa_mpjpe_mm"}
    for name, value in second.network.state_dict().items():
        before = first.network.state_dict()[name]
        if name.split(".")[0].endswith("_j"):  # reads or writes 2D alone: no loss reaches it
            assert torch.equal(value, before), name


def test_a_stopped_run_continues_where_it_was(snapshot, tmp_path, capsys):
    out = tmp_path / "run"
    begun = recipe(snapshot, out, "--minutes", "0.0", budget="6")[-1]
    done = recipe(snapshot, out, "--minutes", "0.01", budget="6")[-1]
    assert done["step"] > begun["step"] > 0
    assert done["seconds"] > begun["seconds"]


def test_a_refused_continuation_leaves_the_run_as_it_was(snapshot, tmp_path):
    """Regression: config.json, which the refusal names, was written over before it; other motions
    were taken for the run's own."""
    out, other = tmp_path / "run", tmp_path / "other.parquet"
    recipe(snapshot, out, "--minutes", "0.0", budget="6")
    before = (out / "config.json").read_bytes()
    with pytest.raises(ValueError, match=r"begun with budget_seconds 6.0, not 7.0: .* config.json"):
        recipe(snapshot, out, "--minutes", "0.0", budget="7")
    motions = read_motions(snapshot)
    write_motions([m for m in motions if m is not motions[0]], other)
    with pytest.raises(ValueError, match="begun on other data"):
        recipe(other, out, "--minutes", "0.0", budget="6")
    with alone_in(out), pytest.raises(ValueError, match="a training is running in"):
        recipe(snapshot, out, "--minutes", "0.0", budget="6")
    assert (out / "config.json").read_bytes() == before


def test_fields_of_the_configuration_can_be_set(snapshot):
    assert STAGES["1"].network == PRESETS["base"].network
    assert not STAGES["2"].trains_2d
    with pytest.raises(ValueError, match="batch_sise"):
        TrainConfig.from_json({**STAGES["1"].to_json(), "batch_sise": 3})
    assert configuration.__doc__


def test_captured_steps_refuse_what_they_cannot_do():
    motions = random_motions([40, 44], text_dim=384)
    bank, statistics = build_bank(motions, text_dim=384), training_statistics(motions)
    small = dataclasses.replace(PRESETS["small"], windows=(24,))
    padded = dataclasses.replace(small, bucketed=False, mix=NO_MIX)
    run = start_run(padded, statistics, torch.device("cpu"), HUMANML3D)
    with pytest.raises(ValueError, match="bucketed"):
        GraphedSteps(run, bank)
    hidden = dataclasses.replace(small, fraction_3d=0.5, mix=NO_MIX)
    run = start_run(hidden, statistics, torch.device("cpu"), HUMANML3D)
    with pytest.raises(ValueError, match="all 3D"):
        GraphedSteps(run, bank)


def test_layers_of_a_kind_are_compiled_once_whatever_their_number_and_length():
    compiled = []

    def count(graph, _inputs):
        compiled.append(graph)
        return graph.forward

    def pass_through(layers, width):
        network = CrossDiff(
            NetworkConfig(
                width=16,
                feed_forward=16,
                root_feed_forward=16,
                private_layers=1,
                shared_layers=layers,
                root_layers=1,
                text_dim=8,
                dropout=0.0,
            )
        )
        plain = network(*inputs(width))
        compile_layers(network, backend=count)
        for path, out in network(*inputs(width)).items():
            torch.testing.assert_close(out, plain[path])

    def inputs(width):
        g = torch.Generator().manual_seed(0)
        return (
            torch.randn(2, width, 263, generator=g),
            torch.randn(2, width, 134, generator=g),
            torch.tensor([5, 900]),
            torch.randn(2, 8, generator=g),
        )

    pass_through(2, 24)
    few = len(compiled)
    pass_through(4, 40)
    assert 0 < few == len(compiled)
