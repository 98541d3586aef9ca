"""Motions and captions to train matching networks on, and the random batches of them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from models.data.motion import Motion
from models.data.training_data import features_of
from models.matching.body_parts import Part, part_features
from models.matching.networks import MOST_ROWS, UNIT_ROWS
from models.matching.text_inputs import CaptionText, captions_of
from pipeline.arrays import Float32, Int64
from pipeline.representation3d import field_slices
from pipeline.skeletons import Skeleton

SHORTER_SHARE = 1.0 / 3.0
"""How often a training crop is one unit shorter than it could be, as published."""


@dataclass(frozen=True)
class RowScale:
    """What turns feature rows into what a part's networks see."""

    mean: Float32
    """(D3,)"""
    std: Float32
    """(D3,) positive."""
    columns: Int64
    """(W,) features that the part sees."""

    def normalise(self, rows: Float32) -> Float32:
        """(..., D3) to (..., W)."""
        wanted = rows[..., self.columns] - self.mean[self.columns]
        return np.asarray(wanted / self.std[self.columns], np.float32)


def row_scale(
    mean: Float32, std: Float32, skeleton: Skeleton, part: Part, feature_bias: float
) -> RowScale:
    """The published scale: deviations of the root's fields and of contacts divided by the bias.

    Args:
        mean: (D3,) of the training split.
        std: (D3,) of the training split, one value a group of features.
        skeleton: Whose rows.
        part: Which features are seen.
        feature_bias: How many times more the root's fields weigh.
    """
    fields, scaled = field_slices(skeleton), std.copy()
    for name in ("yaw", "root_xz", "height", "contacts"):
        scaled[fields[name]] /= feature_bias
    return RowScale(mean, scaled, part_features(skeleton, part))


@dataclass(frozen=True)
class MatchingSet:
    """Motions with captions, as matching networks are trained on them."""

    rows: list[Float32]
    """(T, D3) each, not normalised; may be read-only views."""
    captions: list[list[CaptionText]]
    """Of each motion, at least one."""
    groups: Int64
    """(N,) equal where two motions have the same captions: they are no mismatch."""
    left_out: int = 0
    """Motions without a caption or too short."""

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def lengths(self) -> Int64:
        """(N,) rows of each motion."""
        return np.asarray([len(r) for r in self.rows])


def matching_set(motions: Sequence[Motion], skeleton: Skeleton) -> MatchingSet:
    """Motions that have a caption and at least two units of rows.

    Raises:
        ValueError: None does, or one has features that are not finite.
    """
    rows, captions, names, left_out = [], [], [], 0
    for motion in motions:
        features = features_of(motion, skeleton)
        texts = captions_of(motion)
        if not texts or len(features) < 2 * UNIT_ROWS:
            left_out += 1
            continue
        if not np.isfinite(features).all():
            raise ValueError(
                f"{motion.motion_id} has features that are not finite: prepare its data again"
            )
        rows.append(features)
        captions.append(list(texts))
        names.append("\n".join(sorted(motion.captions)))
    if not rows:
        raise ValueError("no motion has a caption and at least 8 rows: nothing to match")
    _, groups = np.unique(np.asarray(names), return_inverse=True)
    return MatchingSet(rows, captions, groups.astype(np.int64), left_out)


def padded_rows(rows: Sequence[Float32], scale: RowScale) -> tuple[Tensor, Tensor]:
    """Normalised rows as one batch, and how many of each count.

    A motion counts its first multiple of 4 rows, at most 196. Beyond its end rows are zero, one
    unit more than the longest where 196 leave room: what the published padding to 196 gives.

    Args:
        rows: (T, D3) each, T >= 4.
        scale: Normalisation and features.

    Returns:
        (B, P, W) rows and (B,) lengths.
    """
    kept = [min(len(r) // UNIT_ROWS * UNIT_ROWS, MOST_ROWS) for r in rows]
    padded = min(max(kept, default=UNIT_ROWS) + UNIT_ROWS, MOST_ROWS)
    out = np.zeros((len(rows), padded, len(scale.columns)), np.float32)
    for i, (motion, length) in enumerate(zip(rows, kept, strict=True)):
        out[i, :length] = scale.normalise(motion[:length])
    return torch.from_numpy(out), torch.tensor(kept)


def random_crop(rows: Float32, rng: np.random.Generator) -> Float32:
    """A crop as published: as many units as fit, a third of the times one less, from anywhere."""
    units = min(len(rows), MOST_ROWS) // UNIT_ROWS
    if units > 1 and rng.random() < SHORTER_SHARE:
        units -= 1
    start = int(rng.integers(0, len(rows) - units * UNIT_ROWS + 1))
    return rows[start : start + units * UNIT_ROWS]


def random_pairs(
    data: MatchingSet, chosen: Int64, rng: np.random.Generator
) -> tuple[list[Float32], list[CaptionText]]:
    """A random crop and a random caption of each chosen motion."""
    crops = [random_crop(data.rows[i], rng) for i in chosen]
    texts = [data.captions[i][int(rng.integers(len(data.captions[i])))] for i in chosen]
    return crops, texts


@dataclass(frozen=True)
class Windows:
    """All windows of a length that the motions of a set have, each as likely."""

    data: MatchingSet
    length: int
    ends: Int64
    """(N,) number of windows up to and including each motion's."""

    @staticmethod
    def of(data: MatchingSet, length: int) -> "Windows":
        """The windows of a set.

        Raises:
            ValueError: No motion is as long as a window.
        """
        ends = np.cumsum(np.maximum(data.lengths - length + 1, 0))
        if not ends[-1]:
            raise ValueError(f"no motion has {length} rows, a window of the movement training")
        return Windows(data, length, ends)

    def draw(self, count: int, rng: np.random.Generator) -> list[Float32]:
        """Some windows at random, (length, D3) each."""
        numbers = rng.integers(0, self.ends[-1], count)
        motions = np.searchsorted(self.ends, numbers, side="right")
        starts = self.ends[motions] - 1 - numbers
        return [
            self.data.rows[m][s : s + self.length] for m, s in zip(motions, starts, strict=True)
        ]
