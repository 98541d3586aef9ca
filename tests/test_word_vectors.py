"""Words as the published text encoder reads them, from files that may hold anything."""

import pickle
from pathlib import Path

import numpy as np
import pytest

from models.matching.text_inputs import CaptionText
from models.matching.tokens import MOST_TOKENS, OTHER, TAGS, framed, tag_place
from models.matching.word_vectors import (
    PUBLISHED,
    Vocabulary,
    WordReader,
    load_vocabulary,
    read_glove,
    save_vocabulary,
)
from pipeline.plain_pickle import read_plain_pickle

WORDS = ["unk", "sos", "eos", "a", "person", "walk", "slowly"]


def vectors(n: int = len(WORDS)) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(n, 300)).astype(np.float32)


def published(folder: Path, protocol: int = 4) -> Path:
    """A folder like Guo et al.'s: rows in another order than the words."""
    folder.mkdir()
    rows = {word: len(WORDS) - 1 - k for k, word in enumerate(WORDS)}
    np.save(folder / PUBLISHED[0], vectors().astype(np.float64)[::-1])
    (folder / PUBLISHED[1]).write_bytes(pickle.dumps(WORDS, protocol=protocol))
    (folder / PUBLISHED[2]).write_bytes(pickle.dumps(rows, protocol=protocol))
    return folder


@pytest.fixture
def vocabulary() -> Vocabulary:
    return Vocabulary(tuple(WORDS), vectors())


@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
def test_the_published_folder_gives_each_word_its_vector(tmp_path: Path, protocol: int) -> None:
    found = read_glove(published(tmp_path / "glove", protocol))
    assert list(found.words) == WORDS
    np.testing.assert_array_equal(found.vectors, vectors())


def test_a_plain_file_gives_the_same_and_keeps_the_unknown_word(
    tmp_path: Path, vocabulary: Vocabulary, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "glove.6B.300d.txt"
    order = [*WORDS[1:], WORDS[0]]
    lines = [f"{w} {' '.join(repr(float(v)) for v in vectors()[WORDS.index(w)])}" for w in order]
    file.write_text("\n".join(lines) + "\n")
    for place in (file, tmp_path):
        found = read_glove(place)
        assert list(found.words) == order
        np.testing.assert_array_equal(found.vectors[-1], vocabulary.vectors[0])
    monkeypatch.setattr("models.matching.word_vectors.MOST_WORDS", 3)
    assert list(read_glove(file).words) == [*order[:3], "unk"]


class Bomb:
    def __reduce__(self):
        return (Path("exploded").touch, ())


@pytest.mark.parametrize("protocol", [0, 2, 4])
@pytest.mark.parametrize("hidden", [Bomb(), [Bomb()], {"a": Bomb()}, {"a": 1.5}, {1, 2}])
def test_a_pickle_with_anything_else_is_refused_and_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, protocol: int, hidden: object
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("words.pkl").write_bytes(pickle.dumps(hidden, protocol=protocol))
    with pytest.raises(ValueError, match=r"can run code|no list"):
        read_plain_pickle(Path("words.pkl"))
    assert not Path("exploded").exists()


@pytest.mark.parametrize("protocol", range(6))
def test_plain_pickles_read_as_unpickled(tmp_path: Path, protocol: int) -> None:
    for value in (WORDS, {w: 70_000 * k for k, w in enumerate(WORDS)}, [], {}, ["ü", "ü", -3]):
        file = tmp_path / "plain.pkl"
        file.write_bytes(pickle.dumps(value, protocol=protocol))
        assert read_plain_pickle(file) == value


@pytest.mark.parametrize("content", [b"", b"no pickle", b"]q\x00", pickle.dumps(WORDS)[:-20]])
def test_damaged_pickles_are_named(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "words.pkl"
    file.write_bytes(content)
    with pytest.raises(ValueError, match=r"words\.pkl"):
        read_plain_pickle(file)


def test_what_is_wrong_with_a_folder_is_told(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no GloVe vectors"):
        read_glove(tmp_path)
    folder = published(tmp_path / "glove")
    np.save(folder / PUBLISHED[0], vectors(3))
    with pytest.raises(ValueError, match="do not belong together"):
        read_glove(folder)
    (folder / PUBLISHED[2]).unlink()
    with pytest.raises(ValueError, match="lacks our_vab_idx"):
        read_glove(folder)
    short = tmp_path / "glove.300d.txt"
    short.write_text("unk 1 2 3\n")
    with pytest.raises(ValueError, match="line 1 has 3 numbers"):
        read_glove(short)
    with pytest.raises(ValueError, match="lack 'unk'"):
        Vocabulary(("a",), vectors(1))


def test_words_are_read_as_published(vocabulary: Vocabulary) -> None:
    reader = WordReader(vocabulary)
    short = CaptionText("walks slowly", ("walk/VERB", "slowly/ADV", "yonder/ADV"))
    long = CaptionText("long", ("person/NOUN",) * 30)
    words, tags, lengths = reader.read([short, long])
    assert words.shape == (2, MOST_TOKENS + 2, 300)
    assert lengths.tolist() == [5, MOST_TOKENS + 2]
    row = vocabulary.rows
    for k, word in enumerate(["sos", "walk", "slowly", "unk", "eos"]):
        np.testing.assert_array_equal(words[0, k], vocabulary.vectors[row[word]])
    places = tags.argmax(-1)[0, :5].tolist()
    assert [TAGS[p] for p in places] == [OTHER, "Act_VIP", "Desc_VIP", OTHER, OTHER]
    assert TAGS[int(tags[1, 1].argmax())] == "NOUN"
    assert tags.sum(-1)[0, :5].tolist() == [1.0] * 5
    assert len(TAGS) == 15


def test_tags_follow_the_lists_then_the_part_of_speech_then_other() -> None:
    assert TAGS[tag_place("left", "NOUN", known=True)] == "Loc_VIP"
    assert TAGS[tag_place("left", "NOUN", known=False)] == OTHER
    assert TAGS[tag_place("person", "NOUN", known=True)] == "NOUN"
    assert TAGS[tag_place("person", "PROPN", known=True)] == OTHER
    assert framed(["and/or/CCONJ"])[1] == ("and/or", "CCONJ")
    assert framed(["bare"])[1] == ("bare", OTHER)


def test_what_limits_the_scores_is_counted(vocabulary: Vocabulary) -> None:
    reader = WordReader(vocabulary)
    tagged, untagged = CaptionText("t", ("walk/VERB",)), CaptionText("u", ("a/OTHER", "zzz/OTHER"))
    assert reader.remarks([tagged]) == ()
    unknown, without = reader.remarks([tagged, untagged])
    assert unknown.startswith("1 of 3 words")
    assert without.startswith("1 of 2 captions have no parts of speech")
    with pytest.raises(ValueError, match="1 of 2 captions have no words"):
        reader.read([tagged, CaptionText("bare")])


def test_a_vocabulary_comes_back_from_its_file(tmp_path: Path, vocabulary: Vocabulary) -> None:
    file = tmp_path / "words.safetensors"
    save_vocabulary(vocabulary, file)
    found = load_vocabulary(file)
    assert found.words == vocabulary.words
    assert found.digest == vocabulary.digest
    np.testing.assert_array_equal(found.vectors, vocabulary.vectors)
    file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(ValueError, match="damaged"):
        load_vocabulary(file)
