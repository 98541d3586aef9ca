"""What an evaluation in the wild found: rows of means over videos, with intervals."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from models.evaluation.intervals import Interval
from pipeline.body_scale import BODY_HEIGHT_M
from pipeline.person_frames import PersonFrames
from pipeline.plausibility import FIGURES, Figure

REPROJECTION, REPROJECTION_SHARE = "reprojection_m", "reprojection_share"
WILD_FIGURES: Mapping[str, Figure] = {
    REPROJECTION: Figure(
        "reprojection",
        "m",
        "Mean distance between the label's joints, turned to the azimuth that fits best and seen "
        "without perspective, and the 2D input; root aligned, seen joints only.",
    ),
    REPROJECTION_SHARE: Figure(
        "reprojection",
        "% of body height",
        f"The same in percent of {BODY_HEIGHT_M} m, the height of the body that views are scaled "
        "to.",
    ),
    **FIGURES,
}
"""What is known of a label, by name. For all of them, lower is better."""

Figures = Mapping[str, float]
"""One motion's figures, by the names of `WILD_FIGURES`; without those that cannot be told."""


@dataclass(frozen=True)
class LabelRow:
    """One maker's labels of one group.

    Means over videos, each counting once with the mean of its motions.
    """

    group: str
    """A class; empty: everything."""
    maker: str
    motions: int
    scores: Mapping[str, Interval]
    """By the names of `WILD_FIGURES`. The intervals are Student's over videos: none of one."""
    videos: int = 0
    """That the motions come from."""


@dataclass(frozen=True)
class InputRow:
    """What the 2D input of one group was like, and how much of it was labelled."""

    group: str
    """A class; empty: everything."""
    videos: int
    failed: int
    """Videos without a motion."""
    frames: PersonFrames
    motions: int
    confidence: float | None
    """Mean over motions of the 2D estimator's mean confidence; None when not known."""
    masked_share: float | None
    """Mean over motions of the share of joints that were not seen; None without a motion."""


@dataclass(frozen=True)
class WildReport:
    """Labels of several makers on the same motions, and what they were made from."""

    makers: tuple[str, ...]
    labels: tuple[LabelRow, ...]
    """Everything first, then by class; in each group one row a maker."""
    changes: tuple[LabelRow, ...]
    """Over everything: each other maker's figures minus the first's, motion by motion."""
    inputs: tuple[InputRow, ...]
    """Everything first, then by class."""
    failures: Mapping[str, int]
    """Videos by reason code, most frequent first."""
    warnings: tuple[str, ...]
    figures: Mapping[str, Mapping[str, Figures]] = field(repr=False)
    """By maker and motion id: what the rows are means of."""

    def to_json(self) -> dict[str, Any]:
        """Plain values; of an interval mean, half width and n, which counts videos."""
        return {
            "makers": list(self.makers),
            "labels": [_plain_row(row) for row in self.labels],
            "changes": [_plain_row(row) for row in self.changes],
            "inputs": [_plain_input(row) for row in self.inputs],
            "failures": dict(self.failures),
        }


def _plain_row(row: LabelRow) -> dict[str, Any]:
    scores = {
        name: {"mean": score.mean, "ci95": score.half_width, "n": score.n}
        for name, score in row.scores.items()
    }
    counts = {"motions": row.motions, "videos": row.videos}
    return {"group": row.group, "maker": row.maker, **counts, **scores}


def _plain_input(row: InputRow) -> dict[str, Any]:
    shares = {
        "coverage": row.frames.coverage,
        "coverage_of_chosen": row.frames.coverage_of_chosen,
    }
    return {**asdict(row), **shares}
