"""`crossdiff train`: from a store through both stages, and what it refuses in one sentence."""

import dataclasses
import json
from pathlib import Path

import mocap_archives as archives
import numpy as np
import pytest
from synthetic_motion import random_motion, random_motions
from training_runs import changed
from training_victim import TINY_NETWORK

from flows.cli import main
from flows.prepare import store_motions
from flows.train_options import CAMERAS, TrainOptions, configure, starting_point
from flows.training_sets import open_training_set
from models.checkpoint import load_checkpoint
from models.checkpoint_id import checkpoint_id
from models.data.motion_files import write_motions
from models.train.known_3d import keeps_3d
from models.train.run_state import statistics_hash
from models.train.train_config import PRESETS, TrainConfig
from pipeline.canonical import canonicalise
from pipeline.skeletons import HUMANML3D, KIT

ENCODER = archives.Hashed()
LENGTHS = [30, 60, 24, 45, 33, 28]


@pytest.fixture(autouse=True)
def on_cpu(monkeypatch):
    monkeypatch.setenv("ACCELERATE_USE_CPU", "true")


def motions_of(prefix: str, skeleton=HUMANML3D) -> list:
    """Six motions with captions, two of them for validation."""
    out = []
    for i, motion in enumerate(random_motions(LENGTHS)):
        joints = motion.joints
        if skeleton is not HUMANML3D:
            raw = random_motion(i, LENGTHS[i], skeleton)
            joints = canonicalise(raw, skeleton).astype(np.float32)
        out.append(
            dataclasses.replace(
                motion,
                motion_id=f"{prefix}{i}",
                split="val" if i > 3 else "train",
                joints=joints,
                captions=("a person walks",),
                embeddings=np.zeros((0, 0), np.float32),
                joint_set=skeleton.name,
                fps=skeleton.fps,
            )
        )
    return out


def add_data(url: Path, name: str, skeleton=HUMANML3D, *, skip: int = 0) -> None:
    items = motions_of(name, skeleton)[skip:]
    store_motions(items, str(url), name, encoder=ENCODER, skeleton=skeleton, config={})


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    url = tmp_path_factory.mktemp("data") / "store"
    add_data(url, "one")
    return url


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    """A configuration file that trains in a second."""
    file = tmp_path_factory.mktemp("config") / "tiny.json"
    network = dataclasses.replace(TINY_NETWORK, text_dim=5)  # the store's embeddings have 8
    tiny = changed(network=network, steps=4, validate_every=2, ema_decay=0.0, cosine_decay=False)
    file.write_text(json.dumps(tiny.to_json()))
    return file


def crossdiff(capsys, *arguments: object) -> dict:
    """What `crossdiff train ... --json` prints."""
    status = main(["train", *(str(a) for a in arguments), "--json"])
    printed = json.loads(capsys.readouterr().out)
    assert (status == 0) == ("error" not in printed)
    return printed


@pytest.fixture(scope="module")
def stage_1(store, config, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "one"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ACCELERATE_USE_CPU", "true")
        given = ["--data", str(store), "--config", str(config), "--out", str(out)]
        assert main(["train", *given, "--fraction-3d", "0.6", "--json"]) == 0
    return out


@pytest.fixture(scope="module")
def stage_2(store, stage_1, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "two"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ACCELERATE_USE_CPU", "true")
        given = ["--data", str(store), "--initial", str(stage_1 / "best"), "--out", str(out)]
        assert main(["train", "--stage", "2", *given, "--json"]) == 0
    return out


def test_stage_two_goes_on_from_stage_one_with_its_sizes_statistics_and_3d(stage_1, stage_2):
    first, second = load_checkpoint(stage_1 / "best"), load_checkpoint(stage_2 / "best")
    assert second.network.config == first.network.config
    assert second.masks_padding == first.masks_padding
    for name, values in first.statistics.arrays().items():
        np.testing.assert_array_equal(second.statistics.arrays()[name], values)
    one, two = (TrainConfig.from_json(c.about["train"]) for c in (first, second))
    assert (two.stage, two.fraction_3d, two.steps) == (2, 0.6, one.steps // 2)
    assert two.learning_rate == pytest.approx(one.learning_rate / 10)
    assert second.about["initial"] == checkpoint_id(stage_1 / "best")
    start, end = first.network.state_dict(), second.network.state_dict()
    gaps = {k: float((end[k] - start[k]).abs().max()) for k in start}
    assert gaps["p_linear_j.weight"] == 0 < gaps["p_linear_m.weight"] < 1e-2


def test_a_checkpoint_says_where_it_comes_from(store, stage_1):
    best = load_checkpoint(stage_1 / "best")
    about, data = best.about, best.about["data"]
    assert data["url"] == str(store)
    assert isinstance(data["version"], int)
    assert data["datasets"] == ["one"]
    assert data["motions"] == {"train": 4, "val": 2}
    assert about["text_encoder"] == ENCODER.encoder_id
    assert about["statistics"] == statistics_hash(best.statistics)
    assert about["code_version"]
    assert about["initial"] is None
    on_disk = json.loads((stage_1 / "config.json").read_text())
    assert on_disk["data"] == data
    assert on_disk["train"]["fraction_3d"] == 0.6


def test_with_less_3d_the_statistics_do_not_tell_the_rest(store, stage_1):
    shown, whole = load_checkpoint(stage_1 / "best").statistics, open_training_set(store).statistics
    assert not np.allclose(shown.mean3, whole.mean3)
    np.testing.assert_allclose(shown.mean2, whole.mean2)


def test_resume_needs_nothing_but_the_folder_and_reads_the_data_of_the_beginning(
    config, tmp_path, capsys
):
    url, out = tmp_path / "me@home" / "store", tmp_path / "run"
    add_data(url, "one")
    given = ["--data", url, "--config", config, "--out", out]
    crossdiff(capsys, *given, "--max-minutes", 0)
    add_data(url, "two")
    printed = crossdiff(capsys, "--out", out, "--resume")
    assert (printed["steps"], printed["finished"]) == (4, True)
    about = load_checkpoint(out / "last").about
    assert about["data"]["motions"] == {"train": 4, "val": 2}
    assert crossdiff(capsys, *given, "--resume")["steps"] == 4, "the same command again"


@pytest.mark.parametrize(
    ("option", "sentence"),
    [
        (["--learning-rate", "1e-5"], "begun with learning_rate 0.003, not 1e-05: resume with"),
        (["--stage", "2"], "begun with stage 1, not 2"),
        (["--views", "1"], "camera.continuous 0.5, not 0.0"),
        (["--no-shared-encoder"], "begun with network.shared True, not False"),
        (["--preset", "paper"], "network.width 16, not 512"),
    ],
)
def test_resuming_with_another_option_names_it(stage_1, capsys, option, sentence):
    printed = crossdiff(capsys, "--out", stage_1, "--resume", *option)
    assert sentence in printed["error"]


def test_resuming_on_another_store_is_refused(stage_1, tmp_path, capsys):
    add_data(tmp_path / "other", "two", skip=1)
    printed = crossdiff(capsys, "--out", stage_1, "--resume", "--data", tmp_path / "other",
                        "--datasets", "two")  # fmt: skip
    assert "was begun on other data (" in printed["error"]


def test_kit_data_gives_a_network_of_its_widths(config, tmp_path, capsys):
    add_data(tmp_path / "kit", "kit", KIT)
    given = ["--data", tmp_path / "kit", "--config", config, "--out", tmp_path / "run"]
    best = load_checkpoint(crossdiff(capsys, *given, "--steps", 2)["best"])
    sizes = best.network.config
    assert sizes.text_dim == ENCODER.width
    assert (sizes.dim3, sizes.dim2, sizes.root3, sizes.root2) == (251, 128, 4, 2)
    assert best.skeleton.name == KIT.name
    assert best.statistics.mean3.shape == (251,)


def test_windows_are_those_of_the_motions_whose_3d_is_shown(store, tmp_path, capsys):
    """The set's longest motion may be one that a run without 2D does not see."""
    lengths = {f"one{i}": LENGTHS[i] for i in range(4)}
    seed, kept = next(
        (seed, kept)
        for seed in range(100)
        if (kept := [i for i in lengths if keeps_3d(i, 0.5, seed)]) == ["one0", "one2"]
    )
    config = changed(
        network=TINY_NETWORK, steps=1, windows=(24, 48), bucketed=True, subset_seed=seed
    )
    (tmp_path / "c.json").write_text(json.dumps(config.to_json()))
    given = ["--data", store, "--config", tmp_path / "c.json", "--out", tmp_path / "run"]
    crossdiff(capsys, *given, "--only-3d", "--fraction-3d", 0.5)
    begun = json.loads((tmp_path / "run" / "config.json").read_text())
    assert begun["train"]["windows"] == [24]
    assert max(lengths[i] for i in kept) < 48 < max(lengths.values())


def test_a_plain_file_of_motions_needs_no_store(store, config, tmp_path, capsys):
    motions = [m for part in open_training_set(store).motions.values() for m in part]
    write_motions(motions, tmp_path / "set" / "motions.parquet", ENCODER.encoder_id)
    given = ["--data", tmp_path / "set", "--config", config, "--out", tmp_path / "run"]
    printed = crossdiff(capsys, *given, "--only-3d", "--fraction-3d", 0.6, "--steps", 2)
    assert (printed["steps"], printed["best_by"]) == (2, "loss 3d->3d")


def test_the_papers_rows_are_options_of_one_preset():
    def of(**given) -> TrainConfig:
        options = TrainOptions(Path("out"), preset="paper", **given)
        return configure(starting_point(options, None), options, None)

    paper = PRESETS["paper"]
    assert of() == paper
    assert of(views="4") == paper
    assert of(fraction_3d=0.5) == dataclasses.replace(paper, fraction_3d=0.5)
    half = of(fraction_3d=0.5, only_3d=True)
    assert half == dataclasses.replace(paper, fraction_3d=0.5, only_3d=True)
    assert of(only_3d=True) == dataclasses.replace(paper, only_3d=True)
    apart = dataclasses.replace(paper.network, shared=False)
    assert of(no_shared_encoder=True) == dataclasses.replace(paper, network=apart)
    assert of(views="1").camera == CAMERAS["1"] != paper.camera


def test_paper_and_stage_two_is_the_papers_stage_two(stage_1):
    initial = load_checkpoint(stage_1 / "best")
    options = TrainOptions(Path("out"), stage=2, preset="paper", initial=stage_1 / "best")
    assert starting_point(options, initial) == PRESETS["paper-stage2"]
    official = dataclasses.replace(initial, about={})
    options = TrainOptions(Path("out"), stage=2, initial=stage_1 / "best")
    assert starting_point(options, official) == PRESETS["paper-stage2"]


WRONG = {
    "stage 2 from nothing": (["--stage", "2"], "add --initial RUN/best"),
    "both presets": (
        ["--preset", "small", "--config", "{config}"],
        "--preset or --config, not both",
    ),
    "only 3D twice": (["--stage", "2", "--only-3d"], "leave out one of the two"),
    "no 3D": (["--fraction-3d", "0"], "--fraction-3d 0.0: give a share of the motions above 0"),
    "more than all 3D": (["--fraction-3d", "1.5"], "above 0 and at most 1"),
    "3D of nobody": (["--config", "{config}", "--fraction-3d", "0.001"], "no motion with 3D"),
    "views of no 2D": (["--only-3d", "--views", "1"], "--only-3d does not train"),
    "an encoder of no 2D": (["--only-3d", "--no-shared-encoder"], "no 2D is encoded"),
    "negative time": (["--max-minutes", "-1"], "give the minutes after which to stop"),
    "a shared encoder": (
        ["--initial", "{best}", "--no-shared-encoder"],
        "needs a checkpoint that was trained so",
    ),
    "more 3D than Stage I": (
        ["--stage", "2", "--initial", "{best}", "--fraction-3d", "1"],
        "more 3D than --initial",
    ),
    "no checkpoint": (["--stage", "2", "--initial", "{tmp}"], "is not a checkpoint folder"),
    "no such data set": (["--datasets", "two"], "it has one"),
    "other skeleton": (["--initial", "{best}", "--data", "{kit}"], "was trained on the skeleton"),
    "other text encoder": (["--initial", "{best}", "--data", "{told}"], "understands text through"),
    "Stage I of Stage II": (["--initial", "{second}"], "add --stage 2, or choose a --preset"),
    "no steps": (["--steps", "0"], "steps must be at least 1"),
    "a run there": (["--config", "{config}", "--out", "{run}"], "add --resume or choose another"),
    "no data": (["--data", "{tmp}/none"], "there is no store at"),
    "no JSON": (["--config", "{run}/state.pt"], "is not JSON"),
    "about nothing": (["--config", "{configs}/about.json"], "--config"),
    "half a step": (["--config", "{configs}/steps.json"], "steps must be a whole number, got 3.5"),
    "a seed in words": (
        ["--config", "{configs}/seed.json"],
        "seed must be a whole number, got 'x'",
    ),
    "no camera": (["--config", "{configs}/camera.json"], "quarters must be 1 to 4 cameras, got 0"),
    "a precision": (["--config", "{configs}/precision.json"], "precision must be one of no, bf16"),
    "not a configuration": (["--config", "{run}/best/config.json/x"], "cannot be read"),
}

CONFIGS = {
    "about": {"about": 5},
    "steps": {"train": {"steps": 3.5}},
    "seed": {"train": {"seed": "x"}},
    "camera": {"train": {"camera": {"quarters": 0}}},
    "precision": {"train": {"precision": "fp64"}},
}


@pytest.fixture(scope="module")
def places(store, stage_1, stage_2, config, tmp_path_factory):
    folder = tmp_path_factory.mktemp("places")
    add_data(folder / "kit", "kit", KIT)
    told = [dataclasses.replace(m, embeddings=np.zeros((1, 8), np.float32))
            for m in motions_of("x")]  # fmt: skip
    write_motions(told, folder / "told" / "motions.parquet", "another-encoder")
    for name, values in CONFIGS.items():
        (folder / f"{name}.json").write_text(json.dumps(values))
    return {
        "best": stage_1 / "best", "second": stage_2 / "best", "run": stage_1, "config": config,
        "store": store, "kit": folder / "kit", "told": folder / "told", "configs": folder,
    }  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_what_does_not_go_together_gets_one_sentence(name, places, tmp_path, capsys):
    template, expected = WRONG[name]
    given = [part.format(**places, tmp=tmp_path) for part in template]
    if "--data" not in given:
        given += ["--data", str(places["store"])]
    if "--out" not in given:
        given += ["--out", str(tmp_path / "run")]
    printed = crossdiff(capsys, *given)
    assert expected in printed["error"], printed
    assert not (tmp_path / "run" / "state.pt").exists()
