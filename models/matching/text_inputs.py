"""What the text towers read of a caption: its words as published, or its sentence embedding."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from models.data.motion import Motion
from pipeline.arrays import Float32


@dataclass(frozen=True)
class CaptionText:
    """A caption with what was computed of it."""

    caption: str
    tokens: tuple[str, ...] = ()
    """`word/POS` each; empty when unknown."""
    embedding: Float32 | None = None
    """(text_dim,) of a sentence encoder; None when unknown."""


def captions_of(motion: Motion) -> tuple[CaptionText, ...]:
    """A motion's captions with their tokens and embeddings, where it has them.

    Embeddings count where every caption has one.
    """
    tokens = motion.tokens or ((),) * len(motion.captions)
    known = len(motion.embeddings) == len(motion.captions)
    return tuple(
        CaptionText(caption, tokens[i], motion.embeddings[i] if known else None)
        for i, caption in enumerate(motion.captions)
    )


class TextReader(Protocol):
    """Turns captions into the inputs of one kind of text tower."""

    @property
    def source(self) -> str:
        """`glove`, or the id of the sentence encoder whose embeddings are read."""
        ...

    def read(self, texts: Sequence[CaptionText]) -> tuple[Tensor, ...]:
        """The tower's inputs, each (B, ...).

        Raises:
            ValueError: A caption lacks what the tower reads.
        """
        ...

    def remarks(self, texts: Sequence[CaptionText]) -> tuple[str, ...]:
        """What limits the scores of these captions, a sentence each."""
        ...


@dataclass(frozen=True)
class SentenceReader:
    """Reads the stored embeddings of one sentence encoder."""

    source: str
    width: int

    def read(self, texts: Sequence[CaptionText]) -> tuple[Tensor, ...]:
        """((B, width),) embeddings.

        Raises:
            ValueError: A caption has none, or one of another width.
        """
        without = [t.caption for t in texts if t.embedding is None]
        if without:
            raise ValueError(
                f"{len(without)} of {len(texts)} captions have no embedding of {self.source} "
                f"('{without[0]}' first): prepare the data with that text encoder"
            )
        rows = [np.asarray(t.embedding, np.float32) for t in texts]
        wrong = next((row.shape for row in rows if row.shape != (self.width,)), None)
        if wrong is not None:
            raise ValueError(
                f"caption embeddings are {wrong}, those of {self.source} are ({self.width},): "
                "prepare the data with that text encoder"
            )
        return (torch.from_numpy(np.stack(rows) if rows else np.zeros((0, self.width), "f4")),)

    def remarks(self, texts: Sequence[CaptionText]) -> tuple[str, ...]:
        """One that says whose scores these are."""
        del texts
        return (
            f"text is read through {self.source}, not through GloVe as published: these scores "
            "compare with each other, not with those of papers",
        )
