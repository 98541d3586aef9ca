"""Published matching networks become an evaluator that gives the published outputs."""

import json
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from test_word_vectors import WORDS, published
from test_word_vectors import vectors as word_vectors

from flows.cli import main
from models.matching.body_parts import part_features
from models.matching.evaluator import CaptionText, load_evaluators
from models.matching.evaluator_files import load_evaluator
from models.matching.networks import MatchingNetwork, MatchingSizes
from pipeline.skeletons import HUMANML3D, KIT

SIZES = MatchingSizes(12, 10, 16, 14, 8)
KEYS = ("movement_encoder", "motion_encoder", "text_encoder")


def as_published(state: dict[str, torch.Tensor], path: Path) -> Path:
    """A `finest.tar` as the published training writes it: nested, with optimizers and counters."""
    nested = {
        key: {n.removeprefix(f"{key}."): v for n, v in state.items() if n.startswith(f"{key}.")}
        for key in KEYS
    }
    optimizer = torch.optim.Adam([torch.nn.Parameter(torch.zeros(2))])
    path.parent.mkdir(parents=True, exist_ok=True)
    extra = {"opt_text_encoder": optimizer.state_dict(), "epoch": 3, "iter": 40}
    torch.save({**nested, **extra}, path)
    return path


def statistics(folder: Path, dim: int = 263, contact_std: float = 0.1) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    mean, std = np.zeros(dim), np.ones(dim)
    mean[-4:], std[-4:] = 0.5, contact_std
    np.save(folder / "mean.npy", mean)
    np.save(folder / "std.npy", std)
    return folder


def tiny_weights(path: Path, part: str = "all", skeleton=HUMANML3D) -> Path:
    torch.manual_seed(0)
    network = MatchingNetwork(SIZES, len(part_features(skeleton, part)))
    return as_published(network.state_dict(), path)


@pytest.mark.shared
def test_the_import_gives_the_published_outputs(shared: Path, tmp_path: Path) -> None:
    reference = shared / "reference"
    state = load_file(reference / "evaluator_tiny_weights.safetensors")
    file = as_published(state, tmp_path / "t2m/text_mot_match/model/finest.tar")
    statistics(tmp_path / "t2m/Comp_v6_KLD01/meta")
    glove = published(tmp_path / "glove")
    out = tmp_path / "evaluators"
    assert main(["evaluator", "import", str(file), "--out", str(out), "--glove", str(glove)]) == 0
    evaluator = load_evaluators(out)["all"]
    assert (evaluator.text_source, evaluator.skeleton) == ("glove", HUMANML3D)
    given = np.load(reference / "evaluator_tiny_io.npz")
    # The shorter motions of the reference are not zero beyond their ends; the longest has no end.
    found = evaluator.embed_motions([given["motions"][0]])
    np.testing.assert_allclose(found, given["motion_embedding"][:1], atol=1e-5)
    texts = evaluator.embed_texts([CaptionText("walk", ("a/DET", "person/NOUN", "walk/VERB"))])
    network = evaluator.network.text_encoder
    places = [WORDS.index(w) for w in ("sos", "a", "person", "walk", "eos")]
    tags = torch.eye(15)[[14, 2, 1, 12, 14]]
    with torch.inference_mode():
        words = torch.from_numpy(word_vectors()[places])
        wanted = network(words[None], tags[None], torch.tensor([5]))
    np.testing.assert_allclose(texts, wanted, atol=1e-5)
    assert "opt_text_encoder" in evaluator.about["left_out"]


@pytest.mark.parametrize("skeleton", [HUMANML3D, KIT], ids=lambda s: s.name)
@pytest.mark.parametrize("part", ["all", "upper", "lower"])
def test_the_width_tells_skeleton_and_part(tmp_path: Path, capsys, skeleton, part) -> None:
    file = tiny_weights(tmp_path / "model/finest.tar", part, skeleton)
    statistics(tmp_path / "meta", skeleton.dim3)
    asked = ["evaluator", "import", str(file), "--out", str(tmp_path / "out"), "--json"]
    assert main(asked) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["part"], told["skeleton"]) == (part, skeleton.name)
    assert told["statistics"] == str(tmp_path / "meta")  # the nearest
    assert told["evaluator_id"] == load_evaluator(tmp_path / "out" / part).evaluator_id
    assert "no word vectors" in told["warning"]
    assert main(asked) == 2
    assert "already holds an evaluator" in capsys.readouterr().err


def two_statistics(folder: Path) -> None:
    statistics(folder / "first/meta")
    statistics(folder / "other/meta", contact_std=0.11)


def own_statistics(folder: Path) -> None:
    statistics(folder / "meta", contact_std=0.5)


@pytest.mark.parametrize(
    ("place", "extra", "says"),
    [
        (lambda folder: None, [], r"no mean\.npy and std\.npy beside"),
        (lambda folder: None, ["--stats", "none"], r"no mean\.npy and std\.npy in none"),
        (two_statistics, [], "different statistics"),
        (own_statistics, ["--stats", "{}/meta"], "a data set's own statistics"),
        (lambda f: statistics(f / "meta", 251), ["--stats", "{}/meta"], "has 263"),
        (lambda f: statistics(f / "meta"), ["--stats", "{}", "--part", "upper"], "not 'upper'"),
        (lambda f: statistics(f / "meta"), ["--stats", "{}", "--glove", "{}"], "no GloVe vectors"),
    ],
)
def test_what_is_missing_is_told_in_one_sentence(tmp_path, capsys, place, extra, says) -> None:
    file = tiny_weights(tmp_path / "text_mot_match/model/finest.tar")
    place(tmp_path)
    given = [word.replace("{}", str(tmp_path)) for word in extra]
    assert main(["evaluator", "import", str(file), "--out", str(tmp_path / "out"), *given]) == 2
    told = capsys.readouterr().err
    assert len(told.splitlines()) == 1
    import re

    assert re.search(says, told), told
    assert not (tmp_path / "out").exists()


def explosive(folder: Path) -> Path:
    class Bomb:
        def __reduce__(self):
            return (Path("exploded").touch, ())

    file = folder / "finest.tar"
    file.write_bytes(pickle.dumps(Bomb()))
    return file


def other_width(folder: Path) -> Path:
    state = MatchingNetwork(SIZES, 200).state_dict()
    return as_published(state, folder / "finest.tar")


def without_a_tensor(folder: Path) -> Path:
    state = MatchingNetwork(SIZES, 259).state_dict()
    state["text_encoder.extra"] = state.pop("text_encoder.hidden")
    return as_published(state, folder / "finest.tar")


def cut(folder: Path) -> Path:
    file = tiny_weights(folder / "finest.tar")
    file.write_bytes(file.read_bytes()[:2000])
    return file


def decomp(folder: Path) -> Path:
    torch.save({"movement_enc": {"a": torch.zeros(1)}}, folder / "finest.tar")
    return folder / "finest.tar"


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (explosive, "can run code"),
        (
            other_width,
            "200 numbers a frame; known are 259, 156, 103 (humanml3d22) and 247, 120, 127 (kit",
        ),
        (without_a_tensor, "1 missing: text_encoder.hidden; 1 unknown: text_encoder.extra"),
        (cut, "damaged"),
        (decomp, "lacks movement_encoder, motion_encoder, text_encoder; it holds movement_enc"),
    ],
)
def test_other_files_are_refused_and_not_run(tmp_path, capsys, monkeypatch, make, says) -> None:
    monkeypatch.chdir(tmp_path)
    file = make(tmp_path)
    assert main(["evaluator", "import", str(file), "--out", str(tmp_path / "out")]) == 2
    assert says in capsys.readouterr().err
    assert not (tmp_path / "exploded").exists()


def test_a_stray_copy_of_the_same_statistics_does_no_harm(tmp_path: Path) -> None:
    file = tiny_weights(tmp_path / "text_mot_match/model/finest.tar")
    shutil.copytree(statistics(tmp_path / "a/meta"), tmp_path / "b/meta")
    assert main(["evaluator", "import", str(file), "--out", str(tmp_path / "out")]) == 0
