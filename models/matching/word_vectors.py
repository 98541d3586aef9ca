"""GloVe vectors of a vocabulary, from the files that users have, and the tower's inputs of them."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.numpy import load_file, save
from torch import Tensor

from models.matching.text_inputs import CaptionText
from models.matching.tokens import OTHER, TAGS, UNKNOWN, framed, split_token, tag_place
from models.matching.whole_file import write_whole
from pipeline.array_files import read_npy
from pipeline.arrays import Float32
from pipeline.plain_pickle import read_plain_pickle

GLOVE = "glove"
WORD_WIDTH = 300
PUBLISHED = ("our_vab_data.npy", "our_vab_words.pkl", "our_vab_idx.pkl")
"""Vectors, words, and each word's row, in the folder `glove` that goes with Guo et al.'s code."""
MOST_WORDS = 40_000
"""Of a plain GloVe file, whose words are sorted by frequency: 48 MB; all would be 480 MB."""
HASH_DIGITS = 12


@dataclass(frozen=True)
class Vocabulary:
    """Words with their vectors."""

    words: tuple[str, ...]
    vectors: Float32
    """(V, 300)"""
    rows: dict[str, int] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if self.vectors.shape != (len(self.words), WORD_WIDTH):
            raise ValueError(
                f"{len(self.words)} words have vectors {self.vectors.shape}, expected "
                f"({len(self.words)}, {WORD_WIDTH})"
            )
        if not np.isfinite(self.vectors).all():
            raise ValueError("word vectors are not finite")
        object.__setattr__(self, "rows", {word: k for k, word in enumerate(self.words)})
        if UNKNOWN not in self.rows:
            raise ValueError(f"the word vectors lack '{UNKNOWN}', which stands for unknown words")

    @property
    def digest(self) -> str:
        """12 hex digits that name the vectors."""
        content = "\n".join(self.words).encode() + np.ascontiguousarray(self.vectors).tobytes()
        return hashlib.sha256(content).hexdigest()[:HASH_DIGITS]


def read_glove(path: Path) -> Vocabulary:
    """Vectors from the published folder, or from a plain `glove.*.300d.txt`.

    Args:
        path: The folder with `our_vab_data.npy`, or one with such a text file, or that file.

    Raises:
        ValueError: Neither is there, or a file is damaged; the sentence says which.
    """
    if path.is_dir() and (path / PUBLISHED[0]).is_file():
        return _read_published(path)
    files = sorted(path.glob("glove*300d*.txt")) if path.is_dir() else [path]
    if not files or not files[0].is_file():
        raise ValueError(
            f"no GloVe vectors in {path}: give the folder with {', '.join(PUBLISHED)}, or a "
            "glove.*.300d.txt"
        )
    return _read_text(files[0])


def _read_published(folder: Path) -> Vocabulary:
    missing = [name for name in PUBLISHED if not (folder / name).is_file()]
    if missing:
        raise ValueError(f"{folder} lacks {', '.join(missing)}, which go with {PUBLISHED[0]}")
    vectors = read_npy(folder / PUBLISHED[0])
    words = read_plain_pickle(folder / PUBLISHED[1])
    rows = read_plain_pickle(folder / PUBLISHED[2])
    try:
        known = [str(word) for word in words]
        return Vocabulary(tuple(known), vectors[[int(rows[w]) for w in known]].astype(np.float32))
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise ValueError(
            f"{folder}: vectors {vectors.shape} and words do not belong together ({error})"
        ) from error


def _read_text(file: Path) -> Vocabulary:
    try:
        found = dict(_lines(file))
        return Vocabulary(tuple(found), np.stack(list(found.values())))
    except ValueError as error:
        raise ValueError(f"{file} is no file of GloVe vectors: {error}") from error


def _lines(file: Path) -> Iterator[tuple[str, Float32]]:
    """The first words, and the word for unknown ones wherever it is."""
    with file.open(encoding="utf-8", errors="replace") as lines:
        for number, line in enumerate(lines):
            word, _, rest = line.rstrip("\n").partition(" ")
            if number >= MOST_WORDS and word != UNKNOWN:
                continue
            numbers = rest.split()
            if len(numbers) != WORD_WIDTH:
                raise ValueError(
                    f"line {number + 1} has {len(numbers)} numbers after the word, not "
                    f"{WORD_WIDTH}; give a glove.*.300d.txt"
                )
            yield word, np.asarray(numbers, np.float32)


def save_vocabulary(vocabulary: Vocabulary, path: Path) -> None:
    """Write words and vectors as one safetensors file, whole or not at all."""
    packed = np.frombuffer("\n".join(vocabulary.words).encode(), np.uint8)
    write_whole(path, save({"vectors": vocabulary.vectors, "words": packed}))


def load_vocabulary(path: Path) -> Vocabulary:
    """The inverse of `save_vocabulary`.

    Raises:
        ValueError: The file is damaged.
    """
    try:
        arrays = load_file(path)
        return Vocabulary(tuple(arrays["words"].tobytes().decode().split("\n")), arrays["vectors"])
    except (OSError, SafetensorError, KeyError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is damaged: import or train the evaluator again") from error


@dataclass(frozen=True)
class WordReader:
    """Reads captions' words and parts of speech, as published."""

    vocabulary: Vocabulary
    source: str = GLOVE

    def read(self, texts: Sequence[CaptionText]) -> tuple[Tensor, ...]:
        """(B, L, 300) vectors, (B, L, 15) tags, (B,) words that count.

        Raises:
            ValueError: A caption has no tokens.
        """
        without = [text.caption for text in texts if not text.tokens]
        if without:
            raise ValueError(
                f"{len(without)} of {len(texts)} captions have no words with parts of speech "
                f"('{without[0]}' first): prepare the data from HumanML3D's text files, or take "
                "an evaluator that reads sentence embeddings"
            )
        framed_texts = [framed(text.tokens) for text in texts]
        lengths = [len(words) for words in framed_texts]
        vectors = np.zeros((len(texts), max(lengths, default=1), WORD_WIDTH), np.float32)
        tags = np.zeros((*vectors.shape[:2], len(TAGS)), np.float32)
        for i, words in enumerate(framed_texts):
            for k, (word, tag) in enumerate(words):
                row = self.vocabulary.rows.get(word)
                place = self.vocabulary.rows[UNKNOWN] if row is None else row
                vectors[i, k] = self.vocabulary.vectors[place]
                tags[i, k, tag_place(word, tag, known=row is not None)] = 1.0
        return torch.from_numpy(vectors), torch.from_numpy(tags), torch.tensor(lengths)

    def remarks(self, texts: Sequence[CaptionText]) -> tuple[str, ...]:
        """Words without a vector, and captions whose parts of speech nobody knows."""
        pairs = [split_token(token) for text in texts for token in text.tokens]
        unknown = sum(word not in self.vocabulary.rows for word, _ in pairs)
        untagged = sum(
            bool(text.tokens) and all(split_token(t)[1] == OTHER for t in text.tokens)
            for text in texts
        )
        out = []
        if unknown:
            out.append(f"{unknown} of {len(pairs)} words of the captions have no GloVe vector")
        if untagged:
            out.append(
                f"{untagged} of {len(texts)} captions have no parts of speech: their scores are "
                "not as published, which tags every word"
            )
        return tuple(out)
