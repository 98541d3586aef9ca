"""How good a calibration is: does the true error rise as the score falls, and is it as expected?"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy.stats import spearmanr

from models.label_calibration.known_labels import KnownLabel
from models.lifting.label_score import Calibration, score_label
from models.lifting.lift_metrics import MM_PER_METRE
from pipeline.arrays import Float64, Int64

QUINTILES = 5
RESAMPLES = 1000


@dataclass(frozen=True)
class Part:
    """Labels of similar score; best first."""

    labels: int
    score: float
    """Mean."""
    expected_mm: float
    true_mm: float
    interval_mm: tuple[float, float]
    """95 % of the true mean, by resampling whole groups."""


@dataclass(frozen=True)
class Reliability:
    """One calibration on labels that it was not fitted on."""

    way: str
    labels: int
    groups: int
    """Motions or clips that the labels are of."""
    parts: tuple[Part, ...]
    rank_correlation: float
    """Spearman, of expected and true error over labels."""
    joint_rank_correlation: float
    """The same over the joints of a label, mean over labels."""
    pooled_joint_rank_correlation: float
    """The same over all joints of all labels."""
    mean_off_mm: float
    """Mean distance between expected and true error."""
    reprojection_rank_correlation: float
    """Of the reprojection error alone and the true error: what the score must beat."""

    @property
    def rises(self) -> bool:
        """Whether the mean true error rises from each part to the next."""
        true = [part.true_mm for part in self.parts]
        return all(a < b for a, b in pairwise(true))


def reliability(
    labels: Sequence[KnownLabel], calibration: Calibration, parts: int = QUINTILES
) -> Reliability:
    """Hold scores against the truth.

    Args:
        labels: With truth, made in the calibration's way, none of which it was fitted on.
        calibration: What is judged.
        parts: Into how many parts of equal size the labels are cut.

    Raises:
        ValueError: Fewer labels than parts.
    """
    if len(labels) < parts:
        raise ValueError(f"{parts} parts need as many labels, got {len(labels)}")
    scores = [score_label(label.evidence, calibration) for label in labels]
    expected = np.array([score.error_m for score in scores]) * MM_PER_METRE
    true = np.array([label.error_m for label in labels]) * MM_PER_METRE
    joints = [(s.joint_error_m, each.joint_errors_m)
              for s, each in zip(scores, labels, strict=True)]  # fmt: skip
    groups = np.unique([label.group for label in labels], return_inverse=True)[1]
    order = np.argsort(expected, kind="stable")
    cut = [
        _part(index, np.array([s.score for s in scores]), expected, true, groups)
        for index in np.array_split(order, parts)
    ]
    reprojection = np.array([label.evidence.reprojection_m for label in labels], np.float64)
    pooled = [np.concatenate(side) for side in zip(*joints, strict=True)]
    return Reliability(
        way=calibration.way,
        labels=len(labels),
        groups=len(np.unique(groups)),
        parts=tuple(cut),
        rank_correlation=_rank(expected, true),
        joint_rank_correlation=float(np.mean([_rank(a, b) for a, b in joints])),
        pooled_joint_rank_correlation=_rank(pooled[0], pooled[1]),
        mean_off_mm=float(np.abs(expected - true).mean()),
        reprojection_rank_correlation=_rank(np.nan_to_num(reprojection), true),
    )


def reliability_lines(found: Reliability) -> list[str]:
    """A table for people."""
    verdict = "rises through all parts" if found.rises else "does NOT rise through all parts"
    head = f"{'part':>4} {'labels':>6} {'score':>6} {'expected mm':>11} {'true mm':>8}  95 %"
    rows = [
        f"{i:>4} {p.labels:>6} {p.score:>6.2f} {p.expected_mm:>11.1f} {p.true_mm:>8.1f}  "
        f"{p.interval_mm[0]:.1f} to {p.interval_mm[1]:.1f}"
        for i, p in enumerate(found.parts, start=1)
    ]
    return [
        f"way {found.way}: {found.labels} labels of {found.groups} motions; true error {verdict}",
        head,
        *rows,
        f"rank correlation {found.rank_correlation:.2f} (reprojection alone "
        f"{found.reprojection_rank_correlation:.2f}); over joints "
        f"{found.joint_rank_correlation:.2f} within a label, "
        f"{found.pooled_joint_rank_correlation:.2f} in all; off by {found.mean_off_mm:.1f} mm",
    ]


def _part(index: Int64, score: Float64, expected: Float64, true: Float64, groups: Int64) -> Part:
    return Part(
        labels=len(index),
        score=float(score[index].mean()),
        expected_mm=float(expected[index].mean()),
        true_mm=float(true[index].mean()),
        interval_mm=_interval(true[index], groups[index]),
    )


def _interval(values: Float64, groups: Int64) -> tuple[float, float]:
    """95 % of the mean of values (N,), groups (N,) drawn anew with replacement."""
    rng = np.random.default_rng(1)
    found, place = np.unique(groups, return_inverse=True)
    total, size = np.bincount(place, values), np.bincount(place)
    drawn = rng.integers(len(found), size=(RESAMPLES, len(found)))
    low, high = np.percentile(total[drawn].sum(1) / size[drawn].sum(1), [2.5, 97.5])
    return float(low), float(high)


def _rank(a: Float64, b: Float64) -> float:
    """NaN where one of the two does not vary."""
    if np.ptp(a) == 0.0 or np.ptp(b) == 0.0:
        return float("nan")
    return float(spearmanr(a, b).statistic)
