"""The quality figures of a motion as they are shown: names, units, scales."""

from dataclasses import dataclass

from pipeline.plausibility import FIGURES as PHYSICAL
from storage.rows import MotionRow


@dataclass(frozen=True)
class QualityFigure:
    """One quality column of `motions`, for a reader."""

    column: str
    label: str
    unit: str
    meaning: str
    limits: tuple[float, float] | None = None
    """Ends of the scale; None for an open one from 0."""
    higher_is_better: bool = False

    def shown(self, value: float) -> str:
        """A value with its unit; shares in percent."""
        if self.limits == SHARE:
            return f"{value:.0%}"
        return f"{value:.3g} {self.unit}".strip()


SHARE = (0.0, 1.0)


def _physical(column: str, name: str) -> QualityFigure:
    """A figure that is defined where it is computed."""
    label, unit, meaning = PHYSICAL[name]
    return QualityFigure(column, label, unit, meaning)


FIGURES = (
    QualityFigure(
        "label_score",
        "score",
        "",
        "Calibrated trust in the label: 1 / (1 + (expected error / 5 cm)²).",
        SHARE,
        higher_is_better=True,
    ),
    QualityFigure(
        "label_error",
        "expected error",
        "m",
        "Expected distance of a joint from the truth (PA-MPJPE), from all that is known of the "
        "label without truth.",
    ),
    QualityFigure(
        "quality_reprojection_error",
        "reprojection",
        "m",
        "Mean distance between the lifted joints, seen as the camera saw them, and the 2D input.",
    ),
    QualityFigure(
        "quality_coverage",
        "coverage",
        "",
        "Share of the clip's frames in which the person was detected.",
        SHARE,
        higher_is_better=True,
    ),
    QualityFigure(
        "quality_mean_confidence",
        "confidence",
        "",
        "Mean confidence of the detector over the joints that were used.",
        SHARE,
        higher_is_better=True,
    ),
    QualityFigure(
        "quality_mask_share",
        "masked",
        "",
        "Share of joints that were not seen and are masked.",
        SHARE,
    ),
    _physical("quality_foot_skating", "foot_skating"),
    _physical("quality_jitter", "jitter"),
)


def figures_of(motion: MotionRow) -> tuple[tuple[str, str], ...]:
    """(name, value with unit) of every figure that the motion has."""
    known = ((figure, getattr(motion, figure.column)) for figure in FIGURES)
    return tuple(
        (figure.label, figure.shown(value)) for figure, value in known if value is not None
    )
