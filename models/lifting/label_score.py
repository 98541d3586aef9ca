"""A label's score: from its evidence the error to expect, by a calibration that was measured.

The model is a short sum that can be read: the logarithm of the expected error rises with each
figure of the evidence (no weight is negative), and a rising curve, fitted on labels with known
truth, turns the sum into metres. `models.label_calibration` fits it; here it is only used.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from pipeline.arrays import Float64
from pipeline.label_evidence import LabelEvidence

HALF_SCORE_M = 0.05
"""Expected error at which the score is a half: score = 1 / (1 + (error / HALF_SCORE_M)^2)."""


class Figure(NamedTuple):
    """How a figure of the evidence enters the sum; larger is worse, for all of them."""

    words: str
    floor: float | None
    """Added before the logarithm is taken, in the figure's unit; None: enters as it is."""
    turned: bool = False
    """Enters as 1 minus itself: larger is better."""


FIGURES = {
    "reprojection_m": Figure("distance from what was seen", 0.01),
    "confidence": Figure("uncertain detector", None, turned=True),
    "unseen_share": Figure("joints not seen", None),
    "jitter": Figure("shaking lift", 5.0),
    "shake": Figure("shaking 2D", 20.0),
    "skating_ratio": Figure("skating feet", 5.0),
    "bone_variation": Figure("bones that change length", 1.0),
    "bone_error": Figure("another body's proportions", 0.01),
    "speed_m_s": Figure("fast motion", 0.1),
    "foreshortening": Figure("limbs towards the camera", None),
    "lean": Figure("trunk not upright", None),
    "spread_m": Figure("disagreement of the ensemble", 0.005),
    "perspective_error_m": Figure("close camera", 0.01),
}
"""By field of `LabelEvidence`."""
JOINT_FIGURES = {
    "joint_reprojection_m": Figure("distance from what was seen", 0.01),
    "joint_confidence": Figure("uncertain detector", None, turned=True),
    "joint_unseen_share": Figure("not seen", None),
    "joint_foreshortening": Figure("towards the camera", None),
    "joint_spread_m": Figure("disagreement of the ensemble", 0.005),
}


@dataclass(frozen=True)
class Term:
    """One figure's part in the sum."""

    figure: str
    """A field of `LabelEvidence`, see `FIGURES`."""
    weight: float
    """At least 0."""
    usual: float
    """Mean over the labels it was fitted on, as it enters the sum."""


@dataclass(frozen=True)
class Calibration:
    """From evidence to expected error, for the labels of one checkpoint made in one way."""

    checkpoint_id: str
    way: str
    """How the labels were made, see `models.lifting.calibration_file`."""
    terms: tuple[Term, ...]
    curve: tuple[tuple[float, float], ...]
    """(sum, expected error in metres), rising; straight between, level beyond its ends."""
    joint_terms: tuple[Term, ...]
    joint_usual: tuple[float, ...]
    """(J,) logarithm of a joint's usual error over the motion's."""

    def __post_init__(self) -> None:
        sums, errors = (np.array(side) for side in zip(*self.curve, strict=True))
        rising = (np.diff(sums) > 0).all() and (np.diff(errors) >= 0).all() and errors[0] > 0
        if not rising:
            raise ValueError("a calibration's curve must rise, from an error above 0")
        for term in (*self.terms, *self.joint_terms):
            if not term.weight >= 0.0:
                raise ValueError(
                    f"{term.figure} has the weight {term.weight}: give one of 0 or more"
                )


@dataclass(frozen=True)
class LabelScore:
    """How far a label can be trusted."""

    error_m: float
    """Expected PA-MPJPE, metres."""
    score: float
    """1 for a perfect label, 0 for a useless one; falls with `error_m` alone."""
    joint_error_m: Float64
    """(J,) expected error of each joint, metres; their mean is `error_m`."""
    why: str
    """Which figure speaks against the label most, in words; empty: none is worse than usual."""


def score_of(error_m: float) -> float:
    """1 / (1 + (error / 5 cm)^2): 0.86 at 2 cm, 0.5 at 5 cm, 0.2 at 10 cm."""
    return 1.0 / (1.0 + (error_m / HALF_SCORE_M) ** 2)


def missing_evidence(evidence: LabelEvidence, calibration: Calibration) -> list[str]:
    """Figures that the calibration rests on and the label does not have."""
    names = [term.figure for term in (*calibration.terms, *calibration.joint_terms)]
    return [name for name in names if getattr(evidence, name) is None]


def score_label(evidence: LabelEvidence, calibration: Calibration) -> LabelScore:
    """What to expect of a label.

    Args:
        evidence: Of the label.
        calibration: Of the checkpoint that made it, in the way it was made.

    Raises:
        ValueError: A figure that the calibration rests on is not known.
    """
    missing = missing_evidence(evidence, calibration)
    if missing:
        raise ValueError(
            f"the label has no {', '.join(missing)}, which its calibration '{calibration.way}' "
            "rests on: give the label no score"
        )
    parts = [t.weight * (motion_figure(evidence, t.figure) - t.usual) for t in calibration.terms]
    sums, errors = zip(*calibration.curve, strict=True)
    error = float(np.interp(sum(parts), sums, errors))
    shares = _joint_shares(evidence, calibration)
    worst = int(np.argmax(parts)) if parts else 0
    says = bool(parts) and parts[worst] > 0.0
    why = FIGURES[calibration.terms[worst].figure].words if says else ""
    return LabelScore(error, score_of(error), error * shares, why)


def motion_figure(evidence: LabelEvidence, name: str) -> float:
    """A figure of the whole motion as it enters the sum; it must be known."""
    return float(_entering(np.float64(getattr(evidence, name)), FIGURES[name]))


def joint_figure(evidence: LabelEvidence, name: str) -> Float64:
    """(J,) a figure of the joints as it enters the sum.

    Where a joint was never seen its distance is not known: the mean of the others stands in, and
    that it was not seen is a figure of its own.
    """
    values = np.asarray(getattr(evidence, name), np.float64)
    usual = np.nanmean(values) if np.isfinite(values).any() else 0.0
    return _entering(np.where(np.isfinite(values), values, usual), JOINT_FIGURES[name])


def joint_figures(evidence: LabelEvidence, names: Sequence[str]) -> Float64:
    """(J, figures) less their mean over the joints: the sum is about what sets joints apart."""
    if not names:
        return np.zeros((len(evidence.joint_confidence), 0))
    columns = np.stack([joint_figure(evidence, name) for name in names], axis=-1)
    return np.asarray(columns - columns.mean(axis=0))


def _entering(value: Float64 | np.float64, figure: Figure) -> Float64:
    out = 1.0 - value if figure.turned else value
    return np.asarray(out if figure.floor is None else np.log(out + figure.floor))


def _joint_shares(evidence: LabelEvidence, calibration: Calibration) -> Float64:
    """(J,) each joint's error over the motion's; their mean is 1."""
    columns = joint_figures(evidence, [term.figure for term in calibration.joint_terms])
    weights = np.array([term.weight for term in calibration.joint_terms])
    share = np.exp(np.asarray(calibration.joint_usual) + columns @ weights)
    return np.asarray(share / share.mean())
