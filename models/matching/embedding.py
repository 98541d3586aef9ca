"""One body part's matching networks as a measure: motions and captions to embeddings."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from models.matching.body_parts import Part
from models.matching.matching_data import RowScale
from models.matching.matching_validation import embed_captions, embed_rows
from models.matching.networks import UNIT_ROWS, MatchingNetwork
from models.matching.text_inputs import CaptionText, TextReader
from pipeline.arrays import Float32
from pipeline.skeletons import Skeleton


class EvaluatorError(ValueError):
    """An evaluator that cannot be used; the message says why and what to do."""


@dataclass(frozen=True)
class Evaluator:
    """The matching networks of one body part, ready to embed."""

    part: Part
    skeleton: Skeleton
    evaluator_id: str
    """`<part>-<12 hex of weights, statistics and words>`: scores compare where it is equal."""
    text_source: str
    """`glove`, or the id of the sentence encoder whose embeddings are read."""
    network: MatchingNetwork = field(repr=False)
    scale: RowScale = field(repr=False)
    reader: TextReader | None = field(repr=False)
    """None: imported without word vectors, it embeds motions alone."""
    about: dict[str, Any] = field(default_factory=dict, repr=False)
    """Where it comes from: data, training, what was measured."""

    def embed_motions(self, rows: Sequence[Float32]) -> Float32:
        """(N, E) embeddings of motions.

        Args:
            rows: (T, D3) feature rows each, not normalised. A motion counts its first multiple of
                four rows, at most 196. How motions are grouped into calls changes nothing but the
                last bits.

        Raises:
            ValueError: A motion has another width, fewer than 4 rows, or values not finite.
        """
        for number, motion in enumerate(rows):
            _check_rows(motion, number, self.skeleton)
        return embed_rows(self.network, rows, self.scale)

    def embed_texts(self, texts: Sequence[CaptionText]) -> Float32:
        """(N, E) embeddings of captions.

        Raises:
            ValueError: A caption lacks what the text tower reads.
        """
        if self.reader is None:
            raise EvaluatorError(
                f"evaluator {self.evaluator_id} has no word vectors: import it again with --glove "
                "and the folder of GloVe vectors"
            )
        return embed_captions(self.network, texts, self.reader)

    def remarks(self, texts: Sequence[CaptionText]) -> tuple[str, ...]:
        """What limits scores with these captions, a sentence each, for the report."""
        return () if self.reader is None else self.reader.remarks(texts)


def _check_rows(motion: Float32, number: int, skeleton: Skeleton) -> None:
    if motion.ndim != 2 or motion.shape[1] != skeleton.dim3:
        raise ValueError(
            f"motion {number} has rows of shape {motion.shape}, the evaluator takes "
            f"(T, {skeleton.dim3}) of {skeleton.name}"
        )
    if len(motion) < UNIT_ROWS:
        raise ValueError(f"motion {number} has {len(motion)} rows, at least 4 are needed")
    if not np.isfinite(motion).all():
        raise ValueError(f"motion {number} has features that are not finite")
