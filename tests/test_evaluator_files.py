"""Evaluators embed alike however they are called, come back from disk, and never mix."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_evaluators import ENCODER, TEXT_WIDTH, captioned_motions, tiny_evaluator

from models.data.training_data import features_of
from models.matching.evaluator import CaptionText, EvaluatorError, load_evaluators
from models.matching.evaluator_files import load_evaluator, save_evaluator
from models.matching.text_inputs import SentenceReader, captions_of
from models.matching.whole_file import write_whole
from models.matching.word_vectors import Vocabulary, WordReader
from pipeline.skeletons import HUMANML3D, KIT

MOTIONS = captioned_motions([30, 61, 44, 198])
ROWS = [features_of(motion, HUMANML3D) for motion in MOTIONS]
TEXTS = [text for motion in MOTIONS for text in captions_of(motion)]


def test_files_appear_whole_under_a_name_of_their_own(tmp_path, monkeypatch) -> None:
    names = []
    whole = Path.replace
    monkeypatch.setattr(Path, "replace", lambda self, to: (names.append(self), whole(self, to)))
    for content in (b"one", b"two"):
        write_whole(tmp_path / "x.json", content)
        assert (tmp_path / "x.json").read_bytes() == content
    assert len(set(names)) == 2
    full = OSError(28, "No space left on device")
    monkeypatch.setattr(Path, "write_bytes", lambda *_: (_ for _ in ()).throw(full))
    with pytest.raises(OSError, match="No space"):
        write_whole(tmp_path / "x.json", b"three")
    assert [(f.name, f.read_bytes()) for f in tmp_path.iterdir()] == [("x.json", b"two")]


def test_captions_without_an_embedding_each_have_none() -> None:
    motion = MOTIONS[0]
    for embeddings in (np.zeros((0, 0), "f4"), np.zeros((len(motion.captions) + 1, 8), "f4")):
        found = captions_of(replace(motion, embeddings=embeddings, tokens=()))
        assert [text.caption for text in found] == list(motion.captions)
        assert {(text.tokens, text.embedding) for text in found} == {((), None)}


def glove_reader() -> WordReader:
    words = ("unk", "sos", "eos", "a", "person", "does")
    vectors = np.random.default_rng(0).normal(size=(len(words), 300)).astype(np.float32)
    return WordReader(Vocabulary(words, vectors))


def save_all(folder: Path, **changed) -> Path:
    for part in ("all", "upper", "lower"):
        save_evaluator(changed.get(part) or tiny_evaluator(part), folder / part)
    return folder


def test_how_motions_are_grouped_changes_nothing() -> None:
    evaluator = tiny_evaluator()
    together = evaluator.embed_motions(ROWS)
    assert together.shape == (4, 8)
    alone = np.concatenate([evaluator.embed_motions([rows]) for rows in ROWS])
    np.testing.assert_allclose(together, alone, atol=1e-6)
    many = evaluator.embed_motions((ROWS * 40)[::-1])
    np.testing.assert_allclose(many[::-1][:4], together, atol=1e-6)
    texts = evaluator.embed_texts(TEXTS)
    np.testing.assert_allclose(texts[3:4], evaluator.embed_texts(TEXTS[3:4]), atol=1e-6)


def test_a_motion_counts_its_first_whole_units_at_most_196_rows() -> None:
    evaluator = tiny_evaluator("lower")
    for rows, counted in ((ROWS[0], 28), (ROWS[3], 196)):
        found = evaluator.embed_motions([rows, rows[:counted], rows[: counted - 4]])
        np.testing.assert_allclose(found[0], found[1], atol=1e-6)
        assert np.abs(found[0] - found[2]).max() > 1e-4


@pytest.mark.parametrize(("part", "other"), [("upper", "lower"), ("lower", "upper")])
def test_a_part_does_not_see_the_other(part, other) -> None:
    evaluator, columns = tiny_evaluator(part), tiny_evaluator(other).scale.columns
    changed = ROWS[1].copy()
    changed[:, columns] += 1.0
    changed[:, -4:] += 1.0
    seen, unseen = tiny_evaluator("all"), evaluator
    assert np.abs(np.diff(seen.embed_motions([ROWS[1], changed]), axis=0)).max() > 1e-3
    assert np.abs(np.diff(unseen.embed_motions([ROWS[1], changed]), axis=0)).max() < 1e-6


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda rows: rows[:, :251], r"takes \(T, 263\)"),
        (lambda rows: rows[:3], "at least 4"),
        (lambda rows: np.where(rows > 0, np.nan, rows), "not finite"),
    ],
)
def test_a_motion_that_cannot_be_embedded_is_named(spoil, says) -> None:
    with pytest.raises(ValueError, match=f"motion 1 .*{says}"):
        tiny_evaluator().embed_motions([ROWS[0], spoil(ROWS[1])])


def test_captions_without_what_the_tower_reads_are_refused() -> None:
    evaluator = tiny_evaluator()
    bare = CaptionText("a person waves", ("a/DET",))
    with pytest.raises(ValueError, match="1 of 2 captions have no embedding of hashed-1"):
        evaluator.embed_texts([TEXTS[0], bare])
    wide = CaptionText("wide", (), np.zeros(9, np.float32))
    with pytest.raises(ValueError, match=r"captions? embeddings are \(9,\)"):
        evaluator.embed_texts([wide])
    assert "compare with each other, not with those of papers" in evaluator.remarks(TEXTS)[0]
    words = tiny_evaluator(reader=glove_reader())
    assert words.embed_texts(TEXTS).shape == (8, 8)
    assert "8 of 8 captions have no parts of speech" in words.remarks(TEXTS)[1]


@pytest.mark.parametrize("reader", [SentenceReader(ENCODER, TEXT_WIDTH), glove_reader()])
def test_an_evaluator_comes_back_from_its_folder(tmp_path: Path, reader) -> None:
    evaluator = tiny_evaluator(reader=reader)
    name = save_evaluator(evaluator, tmp_path / "all")
    found = load_evaluator(tmp_path / "all")
    assert found.evaluator_id == name
    assert (found.part, found.text_source, found.about) == ("all", reader.source, {"step": 0})
    assert not found.network.training
    np.testing.assert_array_equal(found.embed_motions(ROWS), evaluator.embed_motions(ROWS))
    np.testing.assert_array_equal(found.embed_texts(TEXTS), evaluator.embed_texts(TEXTS))
    assert not list((tmp_path / "all").glob("*partial*"))
    assert name in (tmp_path / "all" / "README.md").read_text()


def test_the_id_follows_weights_statistics_and_words(tmp_path: Path) -> None:
    first, other = (
        tiny_evaluator(reader=glove_reader()),
        tiny_evaluator(reader=glove_reader(), seed=1),
    )
    words = replace(glove_reader().vocabulary, vectors=glove_reader().vocabulary.vectors + 1)
    rescaled = replace(first, scale=replace(first.scale, std=first.scale.std * 2))
    kinds = [first, other, rescaled, replace(first, reader=WordReader(words))]
    names = [save_evaluator(e, tmp_path / str(k)) for k, e in enumerate(kinds)]
    assert len(set(names)) == 4
    assert save_evaluator(first, tmp_path / "again") == names[0]


def test_the_three_parts_load_together(tmp_path: Path) -> None:
    found = load_evaluators(save_all(tmp_path))
    assert list(found) == ["all", "upper", "lower"]
    (tmp_path / "upper" / "config.json").unlink()
    assert list(load_evaluators(tmp_path)) == ["all", "lower"]
    (tmp_path / "all" / "config.json").unlink()
    with pytest.raises(EvaluatorError, match="no evaluator in"):
        load_evaluators(tmp_path)


@pytest.mark.parametrize(
    ("other", "says"),
    [
        (tiny_evaluator("upper", KIT), "is for kitml21"),
        (tiny_evaluator("upper", reader=glove_reader()), "reads text through glove"),
        (tiny_evaluator("upper", reader=SentenceReader("x", TEXT_WIDTH)), "scores never mix"),
        (tiny_evaluator("lower"), "holds the evaluator of 'lower'"),
    ],
)
def test_evaluators_that_do_not_belong_together_are_refused(tmp_path: Path, other, says) -> None:
    with pytest.raises(EvaluatorError, match=says):
        load_evaluators(save_all(tmp_path, upper=other))


def test_networks_without_word_vectors_embed_motions_alone(tmp_path: Path) -> None:
    whole = tiny_evaluator(reader=glove_reader())
    save_evaluator(replace(whole, reader=None), tmp_path / "all")
    found = load_evaluator(tmp_path / "all")
    assert found.embed_motions(ROWS).shape == (4, 8)
    with pytest.raises(EvaluatorError, match="import it again with --glove"):
        found.embed_texts(TEXTS)
    with pytest.raises(EvaluatorError, match="has no word vectors"):
        load_evaluators(tmp_path)


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-40])


def set_config(key: str, value: object):
    def change(file: Path) -> None:
        config = json.loads(file.read_text())
        config[key] = value
        file.write_text(json.dumps(config))

    return change


@pytest.mark.parametrize(
    ("name", "spoil", "says"),
    [
        ("model.safetensors", cut, "cannot be loaded"),
        ("stats.safetensors", cut, "cannot be loaded"),
        ("config.json", cut, "cannot be loaded"),
        ("config.json", set_config("format", 9), "has format 9"),
        ("config.json", set_config("part", "head"), "unknown part"),
        ("config.json", set_config("skeleton", "kitml21"), "do not fit kitml21"),
        ("config.json", set_config("sizes", {"movement": 11}), "cannot be loaded"),
        ("model.safetensors", Path.unlink, "model.safetensors missing"),
    ],
)
def test_a_damaged_folder_is_refused_in_one_sentence(tmp_path: Path, name, spoil, says) -> None:
    save_evaluator(tiny_evaluator(), tmp_path)
    spoil(tmp_path / name)
    with pytest.raises(EvaluatorError, match=says) as caught:
        load_evaluator(tmp_path)
    assert "\n" not in str(caught.value)


def test_weights_that_are_not_finite_are_never_written(tmp_path: Path) -> None:
    evaluator = tiny_evaluator()
    with torch.no_grad():
        evaluator.network.motion_encoder.hidden[0] = torch.nan
    with pytest.raises(EvaluatorError, match=r"motion_encoder\.hidden"):
        save_evaluator(evaluator, tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_card_that_a_person_wrote_stays_and_text_cannot_break_the_tables(tmp_path: Path) -> None:
    hostile = replace(tiny_evaluator(), about={"imported_from": "a|b <script>\nc"})
    save_evaluator(hostile, tmp_path)
    card = tmp_path / "README.md"
    assert "| imported from | a\\|b &lt;script> c |" in card.read_text()
    card.write_text("mine")
    save_evaluator(hostile, tmp_path)
    assert card.read_text() == "mine"
