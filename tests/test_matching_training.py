"""Training of matching networks: its losses, its batches, and that it may be killed."""

import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from synthetic_motion import random_motion
from test_word_vectors import published
from tiny_evaluators import ENCODER, SIZES, TEXT_WIDTH, captioned_motions

from flows.cli import main
from flows.one_at_a_time import one_at_a_time
from models.data.motion import Motion
from models.data.motion_files import write_motions
from models.data.training_data import training_statistics
from models.matching.body_parts import part_features
from models.matching.evaluator_files import load_evaluator
from models.matching.matching_config import PRESETS, MatchingConfig, differing_options
from models.matching.matching_data import (
    Windows,
    matching_set,
    padded_rows,
    random_crop,
    row_scale,
)
from models.matching.matching_losses import contrastive_loss, infonce_loss, movement_loss
from models.matching.networks import MOST_ROWS, MatchingNetwork
from models.matching.text_inputs import CaptionText, SentenceReader
from models.matching.train_matching import data_name, learning_rate
from models.matching.train_part import MatchingData, train_part
from pipeline.canonical import canonicalise
from pipeline.representation3d import field_slices
from pipeline.skeletons import HUMANML3D, KIT

TINY = MatchingConfig(
    sizes=SIZES,
    movement_steps=6,
    movement_batch=4,
    movement_window=8,
    steps=8,
    batch_size=4,
    learning_rate=1e-3,
    cosine_decay=True,
    loss="infonce",
    validate_every=4,
)
LENGTHS = [30, 45, 34, 52, 28, 61]
TRAINING = captioned_motions(LENGTHS)
VALIDATION = captioned_motions(LENGTHS[:4], "val")


@cache
def data() -> MatchingData:
    statistics = training_statistics(TRAINING)
    splits = {"train": TRAINING, "val": VALIDATION}
    return MatchingData(
        {name: matching_set(motions, HUMANML3D) for name, motions in splits.items()},
        statistics.mean3,
        statistics.std3,
        HUMANML3D,
        SentenceReader(ENCODER, TEXT_WIDTH),
        {"data": {"url": "x"}},
    )


def test_matched_pairs_attract_and_mismatched_ones_repel_to_the_margin() -> None:
    texts = torch.tensor([[0.0, 0.0], [3.0, 4.0]])
    same = contrastive_loss(texts, texts, 10.0, 1)
    assert float(same) == pytest.approx(25.0, abs=1e-3)  # mismatches at 5 of 10
    assert float(contrastive_loss(texts, texts, 5.0, 1)) == pytest.approx(0.0, abs=1e-3)
    assert float(contrastive_loss(texts, texts.flip(0), 5.0, 1)) == pytest.approx(50.0, abs=1e-3)
    for shift in (0, 2):
        with pytest.raises(ValueError, match="makes no mismatched pairs"):
            contrastive_loss(texts, texts, 10.0, shift)


def test_infonce_finds_the_own_motion_and_forgives_equal_captions() -> None:
    far = 20.0 * torch.eye(3)
    apart = torch.arange(3)
    assert float(infonce_loss(far, far, apart, 1.0)) < 1e-4
    assert float(infonce_loss(far, far.roll(1, 0), apart, 1.0)) > 10
    assert float(infonce_loss(far, far.roll(1, 0), torch.zeros(3), 1.0)) == pytest.approx(0.0)
    alike = torch.zeros(3, 4, requires_grad=True)
    loss = infonce_loss(alike, alike, apart, 1.0)
    assert float(loss.detach()) == pytest.approx(np.log(3), abs=1e-5)
    loss.backward()
    assert bool(alike.grad.isfinite().all())


def test_the_movement_loss_is_its_three_parts() -> None:
    rows, movements = torch.ones(2, 8, 3), torch.tensor([[[1.0], [-3.0]]]).expand(2, 2, 1)
    assert float(movement_loss(rows, rows, movements, 0.0, 0.0)) == 0.0
    assert float(movement_loss(rows, rows + 0.5, movements, 0.0, 0.0)) == pytest.approx(0.5)
    assert float(movement_loss(rows, rows, movements, 1.0, 0.0)) == pytest.approx(2.0)
    assert float(movement_loss(rows, rows, movements, 0.0, 1.0)) == pytest.approx(4.0)


def test_crops_are_whole_units_from_anywhere_and_sometimes_one_shorter() -> None:
    rng = np.random.default_rng(0)
    rows = np.arange(50.0)[:, None].astype(np.float32)
    crops = [random_crop(rows, rng) for _ in range(300)]
    assert {len(crop) for crop in crops} == {44, 48}
    assert 0.2 < np.mean([len(crop) == 44 for crop in crops]) < 0.45
    assert {int(crop[0, 0]) for crop in crops if len(crop) == 48} == {0, 1, 2}
    long = np.zeros((400, 1), np.float32)
    assert {len(random_crop(long, rng)) for _ in range(50)} == {MOST_ROWS, MOST_ROWS - 4}
    assert len(random_crop(rows[:5], rng)) == 4


def test_every_window_is_as_likely_and_inside_its_motion() -> None:
    motions = matching_set(TRAINING, HUMANML3D)
    windows = Windows.of(motions, 24)
    counts = np.maximum(motions.lengths - 23, 0)
    assert windows.ends[-1] == counts.sum()
    drawn = windows.draw(2000, np.random.default_rng(0))
    assert {window.shape for window in drawn} == {(24, 263)}
    owners = np.asarray(
        [next(i for i, r in enumerate(motions.rows) if np.shares_memory(r, w)) for w in drawn]
    )
    shares = np.bincount(owners, minlength=len(motions)) / len(drawn)
    np.testing.assert_allclose(shares, counts / counts.sum(), atol=0.05)
    with pytest.raises(ValueError, match="no motion has 100 rows"):
        Windows.of(motions, 100)


def test_rows_are_scaled_as_published_and_zero_beyond_the_end() -> None:
    statistics = training_statistics(TRAINING)
    scale = row_scale(statistics.mean3, statistics.std3, HUMANML3D, "lower", 5.0)
    fields, ratio = field_slices(HUMANML3D), statistics.std3 / scale.std
    for name, place in fields.items():
        biased = name in ("yaw", "root_xz", "height", "contacts")
        np.testing.assert_allclose(ratio[place], 5.0 if biased else 1.0, rtol=1e-5)
    rows = matching_set(TRAINING, HUMANML3D).rows
    padded, lengths = padded_rows(rows, scale)
    assert lengths.tolist() == [len(r) // 4 * 4 for r in rows]
    assert padded.shape == (6, 64, len(part_features(HUMANML3D, "lower")))
    for i, length in enumerate(lengths):
        wanted = ((rows[i] - scale.mean) / scale.std)[:length][:, scale.columns]
        np.testing.assert_allclose(padded[i, :length], wanted, atol=1e-5)
        assert not padded[i, length:].any()


def test_equal_captions_make_one_group_and_motions_without_any_are_left_out() -> None:
    silent = replace(TRAINING[2], captions=(), tokens=(), embeddings=np.zeros((0, 0), "f4"))
    short = replace(TRAINING[3], joints=TRAINING[3].joints[:8])
    found = matching_set([*TRAINING[:2], silent, short, TRAINING[4]], HUMANML3D)
    assert (len(found), found.left_out) == (3, 2)
    assert found.groups[0] == found.groups[1] != found.groups[2]
    with pytest.raises(ValueError, match="nothing to match"):
        matching_set([silent], HUMANML3D)
    broken = replace(TRAINING[0], features=np.full((29, 263), np.nan, np.float32))
    with pytest.raises(ValueError, match="train0 has features that are not finite"):
        matching_set([broken], HUMANML3D)


@pytest.mark.parametrize("part", ["all", "lower"])
@pytest.mark.parametrize("loss", ["infonce", "contrastive"])
def test_training_writes_an_evaluator_that_says_how_it_was_made(tmp_path, part, loss) -> None:
    lines: list[str] = []
    config = replace(TINY, loss=loss)
    told = train_part(config, part, data(), tmp_path, resume=False, say=lines.append)
    found = load_evaluator(tmp_path)
    assert (found.part, found.evaluator_id) == (part, told["evaluator_id"])
    assert found.about["train"] == json.loads(json.dumps(config.to_json()))
    assert found.about["measured"]["val"]["r_precision"] == told["r_precision_val"]
    assert found.about["step"] in (4, 8)
    assert json.loads((tmp_path / "training.json").read_text())["part"] == part
    assert any("R@3" in line for line in lines)
    assert any("movements: step" in line for line in lines)
    torch.manual_seed(config.seed)
    fresh = MatchingNetwork(SIZES, len(found.scale.columns), TEXT_WIDTH).state_dict()
    trained = found.network.state_dict()
    assert all(not torch.equal(trained[n], fresh[n]) for n in trained if "weight" in n)


def test_a_frozen_movement_encoder_keeps_what_the_autoencoder_learnt(tmp_path: Path) -> None:
    """As published; a named option trains it on."""
    for frozen in (True, False):
        out = tmp_path / str(frozen)
        config = replace(TINY, train_movement=not frozen, steps=4, validate_every=2)
        train_part(config, "all", data(), out, resume=False, say=list)
        weights = [
            torch.load(out / "state.pt", weights_only=True)["network"],
            train_movements_alone(config, tmp_path / f"alone{frozen}"),
        ]
        same = [torch.equal(*(w[n] for w in weights)) for n in weights[0] if "movement" in n]
        assert all(same) == frozen


def train_movements_alone(config: MatchingConfig, out: Path) -> dict[str, torch.Tensor]:
    """The networks right after the first part of a training."""

    class StopError(Exception):
        pass

    def stop(line: str) -> None:
        if "matching: step" in line:
            raise StopError

    import models.matching.train_matching as module

    quiet, module.QUIET_SECONDS = module.QUIET_SECONDS, -1.0
    saves, module.SAVE_SECONDS = module.SAVE_SECONDS, -1.0
    try:
        with pytest.raises(StopError):
            train_part(config, "all", data(), out, resume=False, say=stop)
    finally:
        module.QUIET_SECONDS, module.SAVE_SECONDS = quiet, saves
    return torch.load(out / "state.pt", weights_only=True)["network"]


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("unbroken")
    train_part(TINY, "all", data(), out, resume=False, say=list)
    return out


KILLED = """
import os, signal, sys
import test_matching_training as tests, models.matching.train_matching as module
module.QUIET_SECONDS = module.SAVE_SECONDS = -1.0
def say(line):
    if sys.argv[2] in line:
        os.kill(os.getpid(), signal.SIGKILL)
tests.train_part(tests.TINY, "all", tests.data(), tests.Path(sys.argv[1]), resume=False, say=say)
"""


@pytest.mark.parametrize("when", ["movements: step 4/", "matching: step 6/"])
def test_a_killed_training_resumes_to_the_unbroken_ones_weights(unbroken, tmp_path, when) -> None:
    root = Path(__file__).parent
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path / "killed"), when],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(root), str(root.parent)])},
        capture_output=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    state = torch.load(tmp_path / "killed" / "state.pt", weights_only=True)
    assert 0 < state["movement_step"] + state["step"] < 14
    lines: list[str] = []
    told = train_part(TINY, "all", data(), tmp_path / "killed", resume=True, say=lines.append)
    assert "resuming" in lines[0]
    unbroken = train_part(TINY, "all", data(), tmp_path / "whole", resume=False, say=list)
    first, second = (
        load_evaluator(tmp_path / name).network.state_dict() for name in ("killed", "whole")
    )
    assert max(float((first[n] - second[n]).abs().max()) for n in first) < 1e-6
    assert told["r_precision_val"] == unbroken["r_precision_val"]


def test_what_a_training_was_begun_with_is_kept(tmp_path: Path) -> None:
    train_part(TINY, "all", data(), tmp_path, resume=False, say=list)
    with pytest.raises(ValueError, match="already holds an evaluator"):
        train_part(TINY, "all", data(), tmp_path, resume=False, say=list)
    with pytest.raises(ValueError, match=r"begun with margin 10\.0, not 3\.0"):
        train_part(replace(TINY, margin=3.0), "all", data(), tmp_path, resume=True, say=list)
    training = data().splits["train"]
    less = replace(training, rows=training.rows[1:], captions=training.captions[1:])
    fewer = replace(data(), splits={**data().splits, "train": less})
    with pytest.raises(ValueError, match="begun on other motions"):
        train_part(TINY, "all", fewer, tmp_path, resume=True, say=list)
    changed = [*training.rows]
    changed[-1] = changed[-1].copy()
    changed[-1][-1, 7] += 0.01
    assert data_name(replace(training, rows=changed)) != data_name(training), "any row"
    (tmp_path / "state.pt").write_bytes(b"x")
    with pytest.raises(ValueError, match="damaged"):
        train_part(TINY, "all", data(), tmp_path, resume=True, say=list)


def test_presets_and_configurations_go_through_json() -> None:
    for config in PRESETS.values():
        assert MatchingConfig.from_json(json.loads(json.dumps(config.to_json()))) == config
    with pytest.raises(ValueError, match="configuration of matching"):
        MatchingConfig.from_json({"speed": 1})
    for wrong in (
        {"steps": 0},
        {"seed": -1},
        {"batch_size": 1},
        {"loss": "x"},
        {"movement_window": 6},
        {"margin": 0.0},
    ):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            replace(TINY, **wrong)
    paper = PRESETS["paper"]
    assert (paper.loss, paper.margin, paper.sizes.embedding) == ("contrastive", 10.0, 512)
    assert differing_options(paper, replace(paper, steps=1)) == []
    assert differing_options(TINY, replace(TINY, steps=9)) == ["steps 8, not 9"]
    rates = [learning_rate(TINY, step) for step in range(9)]
    assert rates[0] == TINY.learning_rate
    assert rates[8] == pytest.approx(0.01 * TINY.learning_rate)
    assert np.all(np.diff(rates) < 0)
    assert learning_rate(paper, 10**6) == paper.learning_rate


def kit_motion(seed: int, captions: tuple[str, ...]) -> Motion:
    joints = canonicalise(random_motion(seed, 30, KIT), KIT).astype(np.float32)
    vectors = np.random.default_rng(seed).normal(size=(len(captions), TEXT_WIDTH)).astype("f4")
    return Motion(f"k{seed}", "train", joints, captions, vectors, joint_set=KIT.name, fps=12.5)


def test_kit_motions_are_trained_on_by_their_own_features(tmp_path: Path) -> None:
    found = matching_set([kit_motion(k, (f"thing {k}",)) for k in range(3)], KIT)
    kit = replace(
        data(),
        splits={"train": found, "val": found},
        mean=np.zeros(251, np.float32),
        std=np.ones(251, np.float32),
        skeleton=KIT,
    )
    lines: list[str] = []
    train_part(replace(TINY, steps=2), "upper", kit, tmp_path, resume=False, say=lines.append)
    assert load_evaluator(tmp_path).embed_motions(found.rows).shape == (3, SIZES.embedding)
    assert "3 motions" in lines[0]
    alone = replace(found, rows=found.rows[:1], captions=found.captions[:1])
    with pytest.raises(ValueError, match="at least two"):
        train_part(
            TINY,
            "all",
            replace(kit, splits={"train": alone}),
            tmp_path / "x",
            resume=False,
            say=list,
        )


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("matching") / "set"
    folder.mkdir()
    write_motions([*TRAINING, *VALIDATION], folder / "motions.parquet", ENCODER)
    return folder


SHORT = ["--steps", "2", "--movement-steps", "2", "--validate-every", "1", "--batch-size", "4"]


def test_the_command_trains_the_asked_parts_and_goes_on(snapshot, tmp_path, capsys) -> None:
    out = tmp_path / "evaluators"
    asked = ["evaluator", "train", "--data", str(snapshot), "--out", str(out), "--json"]
    assert main([*asked, "--part", "lower", "all", *SHORT]) == 0
    told = json.loads(capsys.readouterr().out)
    assert list(told["parts"]) == ["lower", "all"]
    assert "not with those of papers" in told["remarks"][0]
    for part, found in told["parts"].items():
        evaluator = load_evaluator(out / part)
        assert evaluator.evaluator_id == found["evaluator_id"]
        assert evaluator.text_source == ENCODER
        assert evaluator.about["data"]["motions"] == {"train": 6, "val": 4, "test": 0}
    assert main([*asked, "--part", "all", *SHORT]) == 2
    assert "add --resume" in capsys.readouterr().out
    assert (
        main(["evaluator", "train", "--out", str(out), "--part", "all", "--resume", "--json"]) == 0
    )
    again = json.loads(capsys.readouterr().out)["parts"]["all"]
    assert again["evaluator_id"] == told["parts"]["all"]["evaluator_id"]


def test_two_trainings_at_once_in_one_folder_are_refused(snapshot, tmp_path, capsys) -> None:
    out = tmp_path / "evaluators"
    asked = ["evaluator", "train", "--data", str(snapshot), "--out", str(out), *SHORT]
    with one_at_a_time(out, "a training of evaluators"):
        assert main(asked) == 2
    told = capsys.readouterr().err.splitlines()
    assert told[-1].endswith(f"a training of evaluators is running in {out}: wait for it, or "
                             "choose another --out")  # fmt: skip
    assert [file.name for file in out.iterdir()] == [".lock"]


@pytest.mark.parametrize(
    "wrong",
    ["{}", "[]", "{", '{"data": {}}', '{"data": {"url": "x", "datasets": 3}, "train": {}}'],
)
def test_a_damaged_record_of_a_training_is_told_in_one_sentence(tmp_path, capsys, wrong) -> None:
    (tmp_path / "all").mkdir()
    file = tmp_path / "all" / "training.json"
    file.write_text(wrong)
    assert main(["evaluator", "train", "--out", str(tmp_path), "--resume"]) == 2
    assert f"{file} is damaged: train into another --out" in capsys.readouterr().err


def test_words_are_read_where_glove_is_given_and_kept_for_later(snapshot, tmp_path, capsys) -> None:
    glove, out = published(tmp_path / "glove"), tmp_path / "evaluators"
    asked = ["evaluator", "train", "--out", str(out), "--part", "all", "--json"]
    assert main([*asked, "--data", str(snapshot), "--glove", str(glove), *SHORT]) == 0
    remarks = json.loads(capsys.readouterr().out)["remarks"]
    assert "words of the captions have no GloVe vector" in remarks[0]
    assert "8 of 8 captions have no parts of speech" in remarks[1]
    shutil.rmtree(glove)
    assert main([*asked, "--resume"]) == 0
    found = load_evaluator(out / "all")
    assert found.text_source == "glove"
    told = found.embed_texts([CaptionText("a person", ("a/DET", "person/NOUN"))])
    assert told.shape == (1, PRESETS["small"].sizes.embedding)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "--data is missing"),
        (["--data", "{}", "--glove", "{}"], "no GloVe vectors in"),
        (["--data", "{}", "--seed", "-1"], "seed must be at least 0, got -1"),
        (["--data", "{}", "--steps", "0"], "steps must be at least 1"),
        (["--data", "{}", "--datasets", "cmu"], "it has no data sets to choose"),
    ],
)
def test_the_command_refuses_in_one_sentence(
    snapshot, tmp_path, capsys, arguments, sentence
) -> None:
    given = [word.replace("{}", str(snapshot)) for word in arguments]
    assert main(["evaluator", "train", "--out", str(tmp_path / "out"), *given]) == 2
    told = capsys.readouterr().err.splitlines()
    assert sentence in told[-1]
    assert not (tmp_path / "out").exists()
