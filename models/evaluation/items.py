"""What an evaluation scores: the motions of a split that can be scored, and their captions."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from models.data.motion import Motion
from models.data.training_data import features_of
from models.evaluation.plan import EvaluationPlan, chosen_subset
from models.matching.networks import MOST_ROWS, UNIT_ROWS
from models.matching.text_inputs import CaptionText, captions_of
from pipeline.arrays import Float32, Int64
from pipeline.motion_folder import MIRROR_PREFIX
from pipeline.skeletons import Skeleton

NAMED = 3
"""Motions that a warning names; it counts the others."""


@dataclass(frozen=True)
class Item:
    """A motion of ground truth with the captions that it can be drawn from."""

    motion_id: str
    rows: Float32
    """(T, D3), not normalised; T is a multiple of 4, at most 196."""
    captions: tuple[CaptionText, ...]


@dataclass(frozen=True)
class Items:
    """The motions that are scored, in the order of their ids."""

    items: tuple[Item, ...]
    skeleton: Skeleton
    in_split: int
    """Motions of the split."""
    split: str
    """Its name."""
    warnings: tuple[str, ...]
    """What was left out, and why."""

    def __len__(self) -> int:
        return len(self.items)

    @property
    def captions_of_each(self) -> list[int]:
        """Number of captions of every motion."""
        return [len(item.captions) for item in self.items]

    @property
    def starts(self) -> Int64:
        """(N,) where each motion's captions begin in `captions`."""
        counts = np.asarray(self.captions_of_each, np.int64)
        return np.cumsum(counts) - counts

    @property
    def originals(self) -> Int64:
        """(N,) equal numbers for a motion and its mirror image."""
        names = [item.motion_id.removeprefix(MIRROR_PREFIX) for item in self.items]
        return np.unique(names, return_inverse=True)[1].astype(np.int64)

    @property
    def captions(self) -> list[CaptionText]:
        """All captions, motion by motion."""
        return [caption for item in self.items for caption in item.captions]

    @property
    def distinct_captions(self) -> int:
        """Different sentences among the captions."""
        return len({caption.caption for caption in self.captions})


def choose_items(
    motions: Sequence[Motion],
    skeleton: Skeleton,
    plan: EvaluationPlan,
    *,
    longest: int = MOST_ROWS,
    split: str = "test",
) -> Items:
    """The motions of a split that can be scored; what cannot is left out with a warning.

    Args:
        motions: All motions of the split.
        skeleton: Theirs.
        plan: Names the size of the subset, and its seed.
        longest: Rows that every checkpoint can draw; at most 196 count.
        split: Its name, for messages.

    Raises:
        ValueError: Nothing to score, too few motions for one pool, or widths that do not fit.
    """
    if not motions:
        raise ValueError(
            f"the split {split} has no motion: choose another with --split train, val or test"
        )
    limit = min(longest, MOST_ROWS) // UNIT_ROWS * UNIT_ROWS
    reasons: dict[str, list[str]] = {}
    kept = []
    for index in range(len(motions)):
        motion = motions[index]
        whole = _whole(motion, skeleton)
        reason = _unfit(motion, whole) or _unpublished(len(whole), skeleton, plan)
        if reason:
            reasons.setdefault(reason, []).append(motion.motion_id)
        else:
            rows = whole[: min(limit, len(whole) // UNIT_ROWS * UNIT_ROWS)]
            kept.append(Item(motion.motion_id, rows, captions_of(motion)))
    _refuse(kept, reasons, split, plan)
    left_out = [
        f"{len(ids)} of {len(motions)} motions are left out, {reason}: {_named(ids)}"
        for reason, ids in reasons.items()
    ]
    chosen = tuple(kept[i] for i in chosen_subset(len(kept), plan))
    cut = _cut_warning(motions, chosen, limit)
    return Items(chosen, skeleton, len(motions), split, (*left_out, *cut))


def _whole(motion: Motion, skeleton: Skeleton) -> Float32:
    known = motion.has_3d and motion.view is None
    return features_of(motion, skeleton) if known else np.zeros((0, skeleton.dim3), np.float32)


def _unpublished(rows: int, skeleton: Skeleton, plan: EvaluationPlan) -> str:
    """Why the data set's published loader leaves a motion out; empty where it does not."""
    shortest, longest = skeleton.clip_rows
    if plan.all_lengths or shortest <= rows <= longest:
        return ""
    than = f"shorter than {shortest}" if rows < shortest else f"longer than {longest}"
    return f"they are {than} rows, as published (--all-lengths keeps them)"


def _unfit(motion: Motion, rows: Float32) -> str:
    """Why a motion cannot be scored; empty where it can."""
    if not motion.has_3d or motion.view is not None:
        return "their 3D is not measured (labelled video)"
    if not motion.captions:
        return "they have no caption"
    if len(rows) < UNIT_ROWS:
        return f"they are shorter than {UNIT_ROWS} rows"
    if not np.isfinite(rows).all():
        return "their features are not finite"
    return ""


def _refuse(
    kept: Sequence[Item], reasons: Mapping[str, list[str]], split: str, plan: EvaluationPlan
) -> None:
    if not kept:
        why = "; ".join(f"{len(ids)} because {reason}" for reason, ids in reasons.items())
        raise ValueError(
            f"no motion of the split {split} can be scored: {why}; choose another split or data "
            "set, or prepare the data with captions"
        )
    if len(kept) < plan.pool:
        raise ValueError(
            f"R-Precision in pools of {plan.pool} needs {plan.pool} motions, the split {split} "
            f"has {len(kept)} that can be scored: choose a larger split, or --pool {len(kept)} "
            "(scores of different pools do not compare)"
        )


def _named(ids: Sequence[str]) -> str:
    rest = len(ids) - NAMED
    return ", ".join(ids[:NAMED]) + (f" and {rest} more" if rest > 0 else "")


def _cut_warning(motions: Sequence[Motion], chosen: Sequence[Item], limit: int) -> tuple[str, ...]:
    """Only a network's own limit is worth a word: 196 rows are the protocol's."""
    at_limit = sum(len(item.rows) == limit for item in chosen)
    if limit == MOST_ROWS or not at_limit:
        return ()
    return (
        f"motions are cut to {limit} rows, the longest that a checkpoint draws (published: "
        f"{MOST_ROWS}); {at_limit} have that length",
    )


def with_embeddings(
    captions: Sequence[CaptionText], encode: Callable[[Sequence[str]], Float32]
) -> list[CaptionText]:
    """The captions with another encoder's embeddings, each sentence encoded once."""
    sentences = sorted({caption.caption for caption in captions})
    vectors = dict(zip(sentences, encode(sentences), strict=True))
    return [CaptionText(c.caption, c.tokens, vectors[c.caption]) for c in captions]
