"""What a text-to-motion evaluation found."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from models.evaluation.intervals import Interval
from models.evaluation.limits import Limits
from models.evaluation.plan import EvaluationPlan
from pipeline.arrays import Float32


@dataclass(frozen=True)
class Row:
    """The scores of the ground truth, or of one checkpoint."""

    label: str
    checkpoint_id: str
    """Empty for the ground truth."""
    scores: Mapping[str, Interval]
    """By the names of `scores.SCORES`; MultiModality is no score of the ground truth."""
    physical: Mapping[str, Interval]
    """By the names of `pipeline.plausibility.FIGURES`; without one that is known of no motion."""
    unstanding: Interval | None = None
    """Motions in which no foot stands: the mean skating is not over them."""

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        unstanding = None if self.unstanding is None else self.unstanding.to_json()
        return {
            "label": self.label,
            "checkpoint_id": self.checkpoint_id or None,
            "scores": {name: value.to_json() for name, value in self.scores.items()},
            "physical": {name: value.to_json() for name, value in self.physical.items()},
            "motions_without_standing_foot": unstanding,
        }


@dataclass(frozen=True)
class SampleScene:
    """A caption, and what each row made of it."""

    caption: str
    motion_id: str
    motions: tuple[tuple[str, Float32], ...]
    """Label and (T, J, 3) joints in metres, in the order of the rows."""


@dataclass(frozen=True)
class TextToMotionReport:
    """Scores with all that they depend on."""

    plan: EvaluationPlan
    rows: tuple[Row, ...]
    """Ground truth first, then the checkpoints as they were given."""
    chance: Mapping[str, Interval]
    """FID of one half of the ground truth against the other; empty for very few motions. Halves of
    n / 2 motions overstate what chance gives at n, about twofold."""
    limits: Limits
    evaluator_ids: Mapping[str, str]
    """By part of the body."""
    text_source: str
    """`glove`, or the sentence encoder through which the evaluators read captions."""
    imported_networks: Mapping[str, str]
    """File and SHA-256 by part, where the evaluators may be those that the field's papers score
    with: imported, of the published sizes, not verified; else empty."""
    skeleton: str
    """Its name."""
    seconds: Mapping[str, float]
    """By stage; motions that an earlier run drew count with the seconds they took then."""
    shards: Mapping[str, int]
    """Files of motions: drawn, read, damaged."""
    scenes: tuple[SampleScene, ...] = field(repr=False, default=())

    @property
    def warnings(self) -> tuple[str, ...]:
        """What limits the scores."""
        return self.limits.warnings

    def to_json(self) -> dict[str, Any]:
        """Plain values, without the scenes."""
        return {
            "rows": [row.to_json() for row in self.rows],
            "fid_of_ground_truth_halves": {n: v.to_json() for n, v in self.chance.items()},
            "protocol": self.plan.to_json(),
            "limits": self.limits.to_json(),
            "evaluators": dict(self.evaluator_ids),
            "text_source": self.text_source,
            "imported_networks": dict(self.imported_networks),
            "skeleton": self.skeleton,
            "warnings": list(self.warnings),
            "seconds_by_stage": dict(self.seconds),
            "files_of_motions": dict(self.shards),
        }
