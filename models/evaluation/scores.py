"""The scores of one replication, from embeddings that are made once for each set of motions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from models.evaluation.frechet import Gaussian, frechet_between, gaussian
from models.evaluation.items import Items
from models.evaluation.metrics import diversity, multimodality, r_precision
from models.evaluation.plan import EvaluationPlan, Replication
from models.matching.body_parts import Part
from models.matching.evaluator import Evaluator
from models.matching.text_inputs import CaptionText
from pipeline.arrays import Float32, Int64


@dataclass(frozen=True)
class Score:
    """What a score is called, and what it says."""

    label: str
    better: Literal["higher", "lower", ""]
    """Which way is good; Diversity is good near the ground truth's."""
    meaning: str


def _precision(k: int) -> Score:
    near = "the nearest of" if k == 1 else f"among the {k} nearest of"
    return Score(f"R@{k}", "higher", f"Share of captions whose own motion is {near} its pool.")


def _fid(suffix: str, whose: str) -> Score:
    return Score(
        f"FID{suffix}",
        "lower",
        f"Frechet distance between the embeddings of drawn and of true motions, {whose}.",
    )


SCORES: Mapping[str, Score] = {
    **{f"r_precision_{k}": _precision(k) for k in (1, 2, 3)},
    "fid": _fid("", "by networks that see the whole body"),
    "fid_upper": _fid("-U", "by networks that see the upper body alone"),
    "fid_lower": _fid("-L", "by networks that see the lower body alone"),
    "mm_dist": Score(
        "MM Dist", "lower", "Mean distance between the embeddings of a caption and its motion."
    ),
    "diversity": Score(
        "Diversity",
        "",
        "Mean distance between motions drawn at random; good where it is the ground truth's.",
    ),
    "multimodality": Score(
        "MultiModality", "", "Mean distance between motions drawn from one caption."
    ),
}
"""By the name they have in metrics.json."""
FID_OF: Mapping[Part, str] = {"all": "fid", "upper": "fid_upper", "lower": "fid_lower"}


@dataclass(frozen=True)
class Embedded:
    """A set of motions, one for every item, as the matching networks see them."""

    motions: Mapping[Part, Float32]
    """(N, E) of each part's evaluator."""
    again: Float32 | None = None
    """(M, S, E) of the whole body's: S motions of each of M captions."""

    @cached_property
    def gaussians(self) -> Mapping[Part, Gaussian]:
        """Of each part, found once."""
        return {part: gaussian(vectors) for part, vectors in self.motions.items()}


@dataclass(frozen=True)
class Reference:
    """What every set is compared with; nothing here is computed a second time."""

    truth: Embedded
    captions: Float32
    """(all captions, E)."""
    starts: Int64
    """(N,) where each motion's captions begin."""
    originals: Int64
    """(N,) equal numbers for a motion and its mirror image."""


def embed_motions(
    rows: Sequence[Float32], evaluators: Mapping[Part, Evaluator]
) -> dict[Part, Float32]:
    """(N, E) of each part."""
    return {part: evaluator.embed_motions(rows) for part, evaluator in evaluators.items()}


def reference(
    items: Items, texts: Sequence[CaptionText], evaluators: Mapping[Part, Evaluator]
) -> Reference:
    """Embeddings of the ground truth and of all its captions.

    Args:
        items: The motions.
        texts: All captions of the items in their order, as the evaluators read them.
        evaluators: By part of the body.

    Raises:
        ValueError: An embedding is not finite.
    """
    truth = Embedded(embed_motions([item.rows for item in items.items], evaluators))
    captions = evaluators["all"].embed_texts(texts)
    for what, vectors in [("captions", captions), *truth.motions.items()]:
        if not np.isfinite(vectors).all():
            raise ValueError(
                f"the evaluators give numbers that are not finite for the ground truth ({what}): "
                "choose other evaluators"
            )
    return Reference(truth, captions, items.starts, items.originals)


def scores_of(
    found: Embedded, known: Reference, drawn: Replication, plan: EvaluationPlan
) -> dict[str, float]:
    """All scores of a set of motions in one replication, by the names of `SCORES`.

    Args:
        found: The set; the ground truth's own gives its row.
        known: Ground truth and captions.
        drawn: The replication.
        plan: The pools' size.
    """
    motions = found.motions["all"]
    texts = known.captions[known.starts + drawn.captions]
    matched = r_precision(texts[drawn.order], motions[drawn.order], plan.pool)
    out = {f"r_precision_{k}": share for k, share in enumerate(matched.top, start=1)}
    for part, theirs in found.gaussians.items():
        # The distance of a set from itself is 0 by definition, not by the grace of rounding.
        same = found is known.truth
        ours = known.truth.gaussians[part]
        out[FID_OF[part]] = 0.0 if same else max(0.0, frechet_between(ours, theirs))
    out["mm_dist"] = matched.mm_dist
    out["diversity"] = diversity(motions, drawn.pairs)
    if found.again is not None:
        out["multimodality"] = multimodality(found.again, drawn.sample_pairs)
    return {name: out[name] for name in SCORES if name in out}


def halves(known: Reference, drawn: Replication) -> dict[str, float]:
    """Frechet distance of one half of the ground truth from the other.

    The mean of a distance between chance draws of one distribution falls about as 1 / n: two
    halves of n / 2 are about twice as far apart as two sets of n. A motion and its mirror image,
    which are no chance draws, stay in one half.

    Returns:
        By the scores' names; empty where there are too few motions for two covariances.
    """
    parts = _halves(known.originals[drawn.order])
    if any(len(part) < 2 for part in parts):
        return {}
    first, second = (drawn.order[part] for part in parts)
    return {
        FID_OF[part]: frechet_between(gaussian(vectors[first]), gaussian(vectors[second]))
        for part, vectors in known.truth.motions.items()
    }


def _halves(groups: Int64) -> tuple[Int64, Int64]:
    """Places of the first groups that hold half of all, and of the others."""
    _, first, group = np.unique(groups, return_index=True, return_inverse=True)
    came = first[group]  # where each place's group was met first
    order = np.argsort(came, kind="stable")
    ends = np.flatnonzero(np.diff(came[order])) + 1  # where a group ends
    if not len(ends):
        return order, order[:0]
    cut = ends[np.abs(2 * ends - len(order)).argmin()]
    return order[:cut], order[cut:]
