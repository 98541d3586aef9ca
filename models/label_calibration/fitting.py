"""Fitting a calibration: non-negative least squares for the weights, isotonic for the curve."""

from collections.abc import Sequence

import numpy as np
from scipy.optimize import isotonic_regression, nnls

from models.label_calibration.known_labels import KnownLabel
from models.lifting.label_score import (
    FIGURES,
    JOINT_FIGURES,
    Calibration,
    Term,
    joint_figures,
    motion_figure,
)
from pipeline.arrays import Bool, Float64

FEWEST_LABELS = 60
"""A curve through fewer would show chance."""
KNOTS = 10
"""Most points of the curve: each is the mean of as many labels as the others."""
LABELS_A_KNOT = 14
"""Fewest: means of fewer labels fall by chance, and the curve is then level over a wide stretch, in
which no label is told from another."""
OUTERMOST = (0.01, 0.99)
"""Share of the labels where the curve's ends lie."""
WHOLE_SOURCE = 30
"""Motions or clips from which on a source counts fully: a handful must not outvote hundreds."""
RIDGE = 1.0
"""Pull of the weights towards 0, in variances of the logarithm's columns. Figures go together: the
pull lets them share what one would take alone. Chosen on training clips, of each fourth by the
others: rank correlation 0.78, 0.69 and 0.68 (plain, flip, many) in place of 0.65, 0.66 and 0.50."""
SMALLEST_WEIGHT = 1e-3
"""A figure under it says nothing and is left out."""


def fit_calibration(
    labels: Sequence[KnownLabel],
    checkpoint_id: str,
    figures: Sequence[str],
    joint_figures_used: Sequence[str],
    curve_source: str | None = None,
) -> Calibration:
    """The calibration of labels that were made in one way.

    See `label_weights` for how much each counts.

    Args:
        labels: With truth, all made in one way; all have the figures.
        checkpoint_id: Who lifted them.
        figures: Fields of the evidence that may speak.
        joint_figures_used: Those of the joints.
        curve_source: The source whose errors the curve is fitted to, once it has `WHOLE_SOURCE`
            groups: what is like the labels to come. None, or a smaller source: all.

    Raises:
        ValueError: Too few labels, an unknown figure, or one that a label does not have; or
            evidence that says nothing about the error.
    """
    _check(labels, figures, joint_figures_used)
    share = label_weights(labels)
    error = np.array([label.error_m for label in labels])
    columns = np.array([[motion_figure(each.evidence, f) for f in figures] for each in labels])
    weights, usual = _weights(columns, np.log(error), share)
    kept = [i for i, weight in enumerate(weights) if weight >= SMALLEST_WEIGHT]
    if not kept:
        raise ValueError(
            f"none of {', '.join(figures)} says anything about the error of labels made the way "
            f"'{labels[0].way}': give more labels, or other evidence"
        )
    sums = (columns[:, kept] - usual[kept]) @ weights[kept]
    terms = tuple(Term(figures[i], float(weights[i]), float(usual[i])) for i in kept)
    use = _of_curve(labels, curve_source)
    joint_usual, joint_weights = _fit_joints(labels, joint_figures_used, share)
    joint_terms = tuple(
        Term(name, float(weight), 0.0)
        for name, weight in zip(joint_figures_used, joint_weights, strict=True)
        if weight >= SMALLEST_WEIGHT
    )
    return Calibration(
        checkpoint_id,
        labels[0].way,
        terms,
        rising_curve(*(each[use] for each in (sums, error, share))),
        joint_terms,
        tuple(float(each) for each in joint_usual),
    )


def label_weights(labels: Sequence[KnownLabel]) -> Float64:
    """(N,) with sum N: sources of `WHOLE_SOURCE` groups count alike, and within one its groups."""
    groups = [(label.source, label.group) for label in labels]
    size = {group: groups.count(group) for group in set(groups)}
    sources = [source for source, _ in size]
    share = np.array([1.0 / (max(sources.count(g[0]), WHOLE_SOURCE) * size[g]) for g in groups])
    return np.asarray(share * len(share) / share.sum())


def _of_curve(labels: Sequence[KnownLabel], source: str | None) -> Bool:
    """(N,) which labels the curve is fitted to."""
    own = [label.source == source for label in labels]
    groups = {label.group for label in labels if label.source == source}
    return np.array(own) if len(groups) >= WHOLE_SOURCE else np.ones(len(labels), np.bool_)


def rising_curve(sums: Float64, errors: Float64, share: Float64) -> tuple[tuple[float, float], ...]:
    """Isotonic regression of errors on sums, at the middles of up to `KNOTS` parts of equal weight.

    The mean of what is expected is kept: a step function would jump, and a line between the
    labels themselves would follow the noise. Beyond the outer middles the curve goes on as the sum
    does, of which the logarithm of the error was fitted, up to `OUTERMOST`.
    """
    order = np.argsort(sums, kind="stable")
    place = (np.cumsum(share[order]) - 0.5 * share[order]) / share.sum()
    knots = int(np.clip(len(sums) // LABELS_A_KNOT, 2, KNOTS))
    part = np.minimum((place * knots).astype(int), knots - 1)
    weight = np.bincount(part, share[order], knots)
    x = np.bincount(part, share[order] * sums[order], knots) / weight
    y = np.bincount(part, share[order] * errors[order], knots) / weight
    smooth = isotonic_regression(y, weights=weight).x
    first, last = (float(end) for end in np.interp(OUTERMOST, place, sums[order]))
    before = [(first, smooth[0] * np.exp(first - x[0]))] if first < x[0] else []
    after = [(last, smooth[-1] * np.exp(last - x[-1]))] if last > x[-1] else []
    curve = [*before, *zip(x, smooth, strict=True), *after]
    return tuple((float(a), float(b)) for a, b in curve)


def _check(
    labels: Sequence[KnownLabel], figures: Sequence[str], joint_figures_used: Sequence[str]
) -> None:
    if len(labels) < FEWEST_LABELS:
        raise ValueError(
            f"a calibration needs {FEWEST_LABELS} labels with truth or more, got {len(labels)}: "
            "give more motions"
        )
    ways = {label.way for label in labels}
    if len(ways) > 1:
        raise ValueError(f"a calibration is of one way of labelling, not of {', '.join(ways)}")
    for name in (*figures, *joint_figures_used):
        if name not in FIGURES and name not in JOINT_FIGURES:
            raise ValueError(f"no figure of the evidence is called '{name}'")
        lacking = sum(getattr(label.evidence, name) is None for label in labels)
        if lacking:
            raise ValueError(f"{lacking} of {len(labels)} labels have no {name}: leave it out")


def _weights(columns: Float64, target: Float64, share: Float64) -> tuple[Float64, Float64]:
    """Non-negative weights of columns that are held about their mean, and these means.

    After the ridge one factor brings the sum back to the target's size.
    """
    part = share / share.sum()
    usual, held_target = part @ columns, target - part @ target
    spread = np.sqrt(part @ (columns - usual) ** 2)
    spread[spread == 0.0] = np.inf  # what never varies says nothing
    held, root = (columns - usual) / spread, np.sqrt(part)
    pulled = np.concatenate([held * root[:, None], np.sqrt(RIDGE) * np.eye(held.shape[1])])
    weights, _ = nnls(pulled, np.concatenate([held_target * root, np.zeros(held.shape[1])]))
    sums = held @ weights
    size = part @ sums**2
    factor = max(float(part @ (sums * held_target) / size), 0.0) if size > 0.0 else 0.0
    return weights * factor / spread, usual


def _fit_joints(
    labels: Sequence[KnownLabel], names: Sequence[str], share: Float64
) -> tuple[Float64, Float64]:
    """(J,) usual logarithms of a joint's share of the error, and the weights of the figures."""
    errors = np.array([label.joint_errors_m for label in labels])
    target = np.log(np.maximum(errors, 1e-4) / errors.mean(axis=1, keepdims=True))
    columns = np.array([joint_figures(label.evidence, names) for label in labels])
    part = (share / share.sum())[:, None]
    usual, means = (part * target).sum(axis=0), (part[..., None] * columns).sum(axis=0)
    root = np.sqrt(np.broadcast_to(part, target.shape)).ravel()
    if not names:
        return usual, np.zeros(0)
    held = (columns - means).reshape(-1, len(names)) * root[:, None]
    weights, _ = nnls(held, (target - usual).ravel() * root)
    return usual - means @ weights, weights
