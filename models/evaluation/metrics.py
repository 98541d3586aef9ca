"""The field's scores of text to motion, from embeddings of texts and motions (Guo et al. 2022)."""

from dataclasses import dataclass

import numpy as np
from scipy.spatial.distance import cdist

from pipeline.arrays import AnyFloat, Int64

POOL = 32
"""Descriptions among which a motion's own has to be found."""
TOP = 3
DIVERSITY_PAIRS = 300
MULTIMODALITY_TEXTS = 100
MULTIMODALITY_SAMPLES = 30
"""Motions of one text."""
MULTIMODALITY_PAIRS = 10

Pairs = tuple[Int64, Int64]
"""Indices of the first and of the second ones, (P,) each."""


@dataclass(frozen=True)
class Retrieval:
    """How well motions and their texts find each other."""

    top: tuple[float, ...]
    """R-Precision 1, 2, ...: share of texts whose motion is among the nearest 1, 2, ..."""
    mm_dist: float
    """Mean distance between a text and its motion, over the pools."""
    pools: int
    """Full pools."""
    left_over: int
    """Pairs of the last, partial pool: neither R-Precision nor MM Dist counts them."""


def r_precision(text: AnyFloat, motion: AnyFloat, pool: int = POOL, top: int = TOP) -> Retrieval:
    """R-Precision and MM Dist in consecutive pools; the last, partial one is left out.

    Each text ranks its pool's motions by Euclidean distance. Equal distances rank in their order,
    so that embeddings that are all alike score as chance does.

    Args:
        text: (N, E) embeddings of the texts.
        motion: (N, E) of the motions, each at its text's place.
        pool: Pairs in a pool.
        top: The longest list that counts.

    Raises:
        ValueError: Shapes that do not fit, no full pool, or values that are not finite.
    """
    if text.ndim != 2 or text.shape != motion.shape:
        raise ValueError(f"embeddings must be (N, E) twice, got {text.shape} and {motion.shape}")
    if not 2 <= pool <= len(text):
        raise ValueError(f"R-Precision in pools of {pool} needs as many pairs, not {len(text)}")
    if not (np.isfinite(text).all() and np.isfinite(motion).all()):
        raise ValueError("R-Precision needs finite embeddings")
    pools = len(text) // pool
    ranks, own = [], []
    for first in range(0, pools * pool, pool):
        part = slice(first, first + pool)
        distances = cdist(text[part].astype(np.float64), motion[part].astype(np.float64))
        nearest = np.argsort(distances, axis=1, kind="stable")
        ranks.append((nearest == np.arange(pool)[:, None]).argmax(axis=1))
        own.append(np.diagonal(distances))
    rank = np.concatenate(ranks)
    shares = tuple(float((rank < k).mean()) for k in range(1, top + 1))
    return Retrieval(shares, float(np.concatenate(own).mean()), pools, len(text) - pools * pool)


def draw_pairs(n: int, pairs: int, rng: np.random.Generator) -> Pairs:
    """Pairs of n things as published: first and second ones drawn apart, each without replacement.

    Raises:
        ValueError: More pairs than things.
    """
    if not 1 <= pairs <= n:
        raise ValueError(f"{pairs} pairs without replacement need as many vectors, not {n}")
    first, second = (rng.permutation(n)[:pairs] for _ in range(2))
    return first, second


def diversity(vectors: AnyFloat, pairs: Pairs) -> float:
    """Mean distance between motions drawn from all.

    Args:
        vectors: (N, E) embeddings of motions.
        pairs: See `draw_pairs`.
    """
    first, second = (vectors[which].astype(np.float64) for which in pairs)
    return float(np.linalg.norm(first - second, axis=1).mean())


def multimodality(vectors: AnyFloat, pairs: Pairs) -> float:
    """Mean distance between motions drawn from the same text.

    Args:
        vectors: (texts, samples, E) embeddings of motions.
        pairs: Of a text's samples, the same for all texts, see `draw_pairs`.

    Raises:
        ValueError: Another shape.
    """
    if vectors.ndim != 3:
        raise ValueError(f"embeddings must be (texts, samples, E), got {vectors.shape}")
    first, second = (vectors[:, which].astype(np.float64) for which in pairs)
    return float(np.linalg.norm(first - second, axis=2).mean())
