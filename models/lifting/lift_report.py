"""What an evaluation of the lift found: every method's errors in every condition."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

from models.lifting.hidden_parts import Occlusion
from models.lifting.lift_intervals import interval_over_motions
from models.lifting.lift_tally import (
    Errors,
    Tally,
    best_shape,
    errors,
    joined,
    joint_errors,
    seen_and_unseen,
)
from models.lifting.noisy_view import NoiseLevel
from pipeline.skeletons import Skeleton

CLEAN = "clean"
NO_ACTION = "(none)"
FEW_MOTIONS = 30
"""Fewer are said: a percentile bootstrap over them is too narrow."""
CROSSDIFF, MEAN_POSE, LINEAR = "crossdiff", "mean_pose", "linear"


class Cell(NamedTuple):
    """What errors are summed by while measuring."""

    azimuth_deg: float
    action: str
    hidden: str
    """The body part that the view hides; empty: none."""


@dataclass(frozen=True)
class PartErrors:
    """Errors where one body part was hidden."""

    views: int
    """Motions times azimuths."""
    overall: Errors
    unseen: Errors


@dataclass(frozen=True)
class MethodReport:
    """One method's errors in one condition; all but `by_azimuth` over the report's views."""

    overall: Errors
    by_view: Mapping[str, Errors]
    """Keyed by azimuth in degrees."""
    by_action: Mapping[str, Errors]
    by_joint: Mapping[str, Errors]
    by_azimuth: Mapping[str, Errors] = field(default_factory=dict)
    """Keyed by azimuth in degrees, over the sweep; empty when none was asked for."""
    seen: Errors | None = None
    """Over the joints that the input showed; None where it showed all."""
    unseen: Errors | None = None
    """Over the joints that it did not show."""
    by_hidden: Mapping[str, PartErrors] = field(default_factory=dict)
    """Keyed by the hidden body part; empty where none was hidden."""
    interval: tuple[Errors, Errors] | None = None
    """Ends of the overall errors' 95 % interval over motions; None for one motion."""

    def to_json(self) -> dict[str, Any]:
        """Plain values: the errors overall and their intervals, then every table."""
        tables = {name: getattr(self, name) for name in ("by_view", "by_action", "by_joint")}
        optional = {"by_azimuth": self.by_azimuth, "by_hidden": self.by_hidden}
        tables |= {name: table for name, table in optional.items() if table}
        plain = {name: {k: asdict(e) for k, e in t.items()} for name, t in tables.items()}
        apart = {"seen": self.seen, "unseen": self.unseen}
        told = {name: asdict(part) for name, part in apart.items() if part is not None}
        return {**asdict(self.overall), "ci95": self._plain_interval(), **told, **plain}

    def _plain_interval(self) -> dict[str, list[float]] | None:
        if self.interval is None:
            return None
        low, high = map(asdict, self.interval)
        return {name: [low[name], high[name]] for name in low}


@dataclass(frozen=True)
class Count:
    """How much of the measured split something makes up."""

    motions: int
    frames: int
    """Of the motions; every frame is seen once per view."""


@dataclass(frozen=True)
class LiftReport:
    """Errors of all methods on the same frames, condition by condition."""

    motions: int
    frames: int
    """Of the motions; every frame is seen once per view."""
    views_deg: tuple[float, ...]
    actions: Mapping[str, Count]
    conditions: Mapping[str, Mapping[str, MethodReport]]
    """Keyed `clean` and, when asked for, `noise` and what is done about it, and `masked`; then by
    method: `crossdiff` and its variants, `mean_pose`, `linear`."""
    noise: NoiseLevel | None = None
    occlusion: Occlusion | None = None
    by_motion: Mapping[str, Errors] = field(default_factory=dict, repr=False)
    """The first way to lift on clean 2D, by motion id, over the views."""

    @property
    def methods(self) -> Mapping[str, MethodReport]:
        """The methods on clean 2D."""
        return self.conditions[CLEAN]

    def to_json(self) -> dict[str, Any]:
        """Plain values: counts; the methods on clean 2D; each other condition under its name."""
        out: dict[str, Any] = {
            "motions": self.motions,
            "frames": self.frames,
            "views_deg": list(self.views_deg),
            "actions": {name: asdict(count) for name, count in self.actions.items()},
        }
        if self.noise is not None:
            out["noise_level"] = asdict(self.noise)
        if self.occlusion is not None:
            out["occlusion"] = asdict(self.occlusion)
        plain = {
            condition: {name: method.to_json() for name, method in methods.items()}
            for condition, methods in self.conditions.items()
        }
        return {**out, **plain.pop(CLEAN), **plain}


def method_report(
    cells: Mapping[Cell, tuple[int, Tally]],
    motions: Sequence[Tally],
    views: Sequence[float],
    sweep: Sequence[float],
    skeleton: Skeleton,
) -> MethodReport:
    """Means over the cells of one method in one condition.

    Args:
        cells: How many views of a motion each cell holds, and the sums of their errors.
        motions: The sums of each motion over the views.
        views: Azimuths, degrees, that the overall figures are of.
        sweep: Azimuths, degrees, of the sweep; may be empty.
        skeleton: Names the joints.
    """
    inside = {cell: part for cell, part in cells.items() if cell.azimuth_deg in views}
    total = joined(part for _, part in inside.values())
    best = best_shape(total)
    apart = seen_and_unseen(total, best)

    def mean_of(parts: Iterable[tuple[Cell, tuple[int, Tally]]]) -> Errors:
        return errors(joined(part for _, (_, part) in parts), best)

    def at(azimuth: float) -> Errors:
        return mean_of(item for item in cells.items() if item[0].azimuth_deg == azimuth)

    actions = sorted({cell.action for cell in inside})
    return MethodReport(
        overall=errors(total, best),
        by_view={f"{view:g}": at(view) for view in views},
        by_action={
            name: mean_of(item for item in inside.items() if item[0].action == name)
            for name in actions
        },
        by_joint=dict(zip(skeleton.joint_names, joint_errors(total, best), strict=True)),
        by_azimuth={f"{azimuth:g}": at(azimuth) for azimuth in sweep},
        seen=apart[0] if apart else None,
        unseen=apart[1] if apart else None,
        by_hidden=_by_hidden(inside, best),
        interval=interval_over_motions(motions, best),
    )


def limits_told(report: LiftReport, *, on_training: bool) -> tuple[str, ...]:
    """What limits a report's errors, in sentences.

    Args:
        report: What was found.
        on_training: Whether it was measured on the split that networks and baselines are fitted on.
    """
    said = []
    if on_training:
        said.append(
            "measured on the training split, on which the baselines were fitted, and maybe the "
            "network too: these errors say nothing of new motions, choose --split test"
        )
    if report.motions < FEW_MOTIONS:
        said.append(
            f"only {report.motions} motions: under {FEW_MOTIONS}, the mean errors and their "
            "intervals are rough"
        )
    if len(report.actions) == 1 and NO_ACTION not in report.actions:
        (name,) = report.actions
        said.append(f"all motions are of one action, {name}: the errors of others may be different")
    return tuple(said)


def _by_hidden(cells: Mapping[Cell, tuple[int, Tally]], shape: int) -> dict[str, PartErrors]:
    out = {}
    for part in sorted({cell.hidden for cell in cells if cell.hidden}):
        here = [found for cell, found in cells.items() if cell.hidden == part]
        total = joined(each for _, each in here)
        apart = seen_and_unseen(total, shape)
        if apart is not None:
            views = sum(count for count, _ in here)
            out[part] = PartErrors(views, errors(total, shape), apart[1])
    return out
