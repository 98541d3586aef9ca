"""What limits an evaluation's scores, in numbers and sentences; known before anything is drawn."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from models.evaluation.items import Items
from models.evaluation.metrics import POOL
from models.evaluation.plan import ALWAYS_DIFFERS, EvaluationPlan, Replication, departures
from models.evaluation.provenance import networks_differ
from models.evaluation.scores import FID_OF, SCORES, Embedded, Reference
from models.matching.body_parts import PARTS, Part
from models.matching.evaluator import Evaluator
from models.matching.text_inputs import CaptionText
from pipeline.arrays import Float32

MANY_REPEATS = 0.05
"""Share of captions that another motion of the pool has too, from which it is worth a warning."""
ENOUGH_FOR_FID = 10
"""Motions to each number of an embedding, below which FID's bias is worth a warning."""


@dataclass(frozen=True)
class Limits:
    """What a reader must know of the numbers."""

    motions: int
    in_split: int
    captions: int
    distinct_captions: int
    pools: int
    left_over: int
    """Motions of the last, partial pool."""
    repeated_in_pool: float
    """Mean share of a pool's captions that another motion of the pool has too."""
    departures: tuple[str, ...]
    """In what the settings are not the published ones."""
    differs: tuple[str, ...]
    """In what else the evaluation is not the published one."""
    warnings: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain values, without the warnings."""
        return {name: value for name, value in vars(self).items() if name != "warnings"}


def limits_of(
    items: Items,
    texts: Sequence[CaptionText],
    evaluators: Mapping[Part, Evaluator],
    known: Reference,
    draws: Sequence[Replication],
    plan: EvaluationPlan,
    *,
    bf16: bool = False,
) -> Limits:
    """Look at everything that scores depend on.

    Args:
        items: The motions.
        texts: All captions, as the evaluators read them.
        evaluators: By part.
        known: Embeddings of the ground truth.
        draws: One a replication.
        plan: The evaluation.
        bf16: Whether motions are drawn in bfloat16.
    """
    found = departures(plan, items.split, bf16=bf16)
    differs = (*ALWAYS_DIFFERS, networks_differ(evaluators))
    pools = len(items) // plan.pool
    repeated = float(np.mean([_repeated(items, draw, plan.pool) for draw in draws]))
    warnings = (
        *items.warnings,
        _protocol(found, differs),
        *_networks(evaluators),
        *evaluators["all"].remarks(texts),
        *_too_few(len(items), plan),
        *_biased(known.truth),
        *_repeats(repeated, items, plan.pool),
    )
    return Limits(
        motions=len(items),
        in_split=items.in_split,
        captions=len(texts),
        distinct_captions=items.distinct_captions,
        pools=pools,
        left_over=len(items) - pools * plan.pool,
        repeated_in_pool=repeated,
        departures=tuple(found),
        differs=differs,
        warnings=warnings,
    )


def _protocol(found: Sequence[str], differs: Sequence[str]) -> str:
    settings = "not the published protocol" if found else "published settings"
    return f"{settings}; differs in: {'; '.join((*found, *differs))}"


def _networks(evaluators: Mapping[Part, Evaluator]) -> list[str]:
    missing = [SCORES[FID_OF[part]].label for part in PARTS if part not in evaluators]
    if not missing:
        return []
    return [f"no {' and no '.join(missing)}: there are no evaluators for that part of the body"]


def _too_few(n: int, plan: EvaluationPlan) -> list[str]:
    out = []
    if n < plan.diversity_pairs:
        out.append(
            f"Diversity is the mean of {n} pairs instead of {plan.diversity_pairs}: pairs are "
            f"drawn without replacement, and there are {n} motions"
        )
    if n < plan.multimodality_texts:
        out.append(
            f"MultiModality is of {n} texts instead of {plan.multimodality_texts}: there are no "
            "more motions"
        )
    if plan.pool != POOL:
        out.append(f"R-Precision in pools of {plan.pool} does not compare with pools of {POOL}")
    return out


def _biased(truth: Embedded) -> list[str]:
    """FID of few motions is mostly their number; one sentence for all parts that are alike."""
    shapes = {part: (_rank(v), *v.shape) for part, v in truth.motions.items()}
    out = []
    for rank, n, width in dict.fromkeys(shapes.values()):
        if n >= ENOUGH_FOR_FID * width and rank == width:
            continue
        alike = [part for part, shape in shapes.items() if shape == (rank, n, width)]
        names = ", ".join(SCORES[FID_OF[part]].label for part in alike)
        singular = f" with singular covariances (rank {rank})" if rank < width else ""
        out.append(
            f"{names}: biased upwards, with n = {n} motions for {width} numbers of an embedding"
            f"{singular}; below {ENOUGH_FOR_FID} motions a number it is mostly their number that "
            "FID shows: compare only with as many motions of the same split"
        )
    return out


def _rank(vectors: Float32) -> int:
    """Of the covariance of (N, E) vectors."""
    exact = vectors.astype(np.float64)
    return int(np.linalg.matrix_rank(exact - exact.mean(axis=0)))


def _repeated(items: Items, draw: Replication, pool: int) -> float:
    """Share of the captions in full pools that another motion of the pool has too."""
    said = [items.items[i].captions[draw.captions[i]].caption for i in draw.order]
    pools = [said[first : first + pool] for first in range(0, len(said) - pool + 1, pool)]
    twice = [sum(n for n in Counter(part).values() if n > 1) for part in pools]
    return float(np.mean(twice)) / pool


def _repeats(share: float, items: Items, pool: int) -> list[str]:
    if share < MANY_REPEATS:
        return []
    return [
        f"{share:.0%} of the captions in a pool of {pool} belong to another motion of it too "
        f"({items.distinct_captions} different ones in all), and only a caption's own motion "
        "counts: R-Precision cannot come near 1; hold it against the ground truth's"
    ]
