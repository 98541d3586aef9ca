"""What an evaluation of the lift found: every method's errors in every condition."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from models.lifting.lift_tally import Errors, Tally, best_shape, errors, joined, joint_errors
from models.lifting.noisy_view import NoiseLevel
from pipeline.skeletons import Skeleton

CLEAN = "clean"
CROSSDIFF, MEAN_POSE, LINEAR = "crossdiff", "mean_pose", "linear"
Cell = tuple[float, str]
"""Azimuth in degrees and action: what errors are summed by while measuring."""


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

    def to_json(self) -> dict[str, Any]:
        """Plain values: the errors overall, then every table."""
        tables = {name: getattr(self, name) for name in ("by_view", "by_action", "by_joint")}
        if self.by_azimuth:
            tables["by_azimuth"] = self.by_azimuth
        plain = {name: {k: asdict(e) for k, e in t.items()} for name, t in tables.items()}
        return {**asdict(self.overall), **plain}


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
    """Keyed `clean` and, when asked for, `noise` and what is done about it; then by method:
    `crossdiff` and its variants, `mean_pose`, `linear`."""
    noise: NoiseLevel | None = None

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
        plain = {
            condition: {name: method.to_json() for name, method in methods.items()}
            for condition, methods in self.conditions.items()
        }
        return {**out, **plain.pop(CLEAN), **plain}


def method_report(
    cells: Mapping[Cell, Tally],
    views: Sequence[float],
    sweep: Sequence[float],
    skeleton: Skeleton,
) -> MethodReport:
    """Means over the cells of one method in one condition.

    Args:
        cells: Sums of errors.
        views: Azimuths, degrees, that the overall figures are of.
        sweep: Azimuths, degrees, of the sweep; may be empty.
        skeleton: Names the joints.
    """
    seen = {cell: part for cell, part in cells.items() if cell[0] in views}
    total = joined(seen.values())
    best = best_shape(total)
    actions = sorted({action for _, action in seen})
    joints = joint_errors(total, best)
    return MethodReport(
        overall=errors(total, best),
        by_view={f"{v:g}": _mean_at(cells, v, best) for v in views},
        by_action={
            name: errors(joined(p for (_, a), p in seen.items() if a == name), best)
            for name in actions
        },
        by_joint=dict(zip(skeleton.joint_names, joints, strict=True)),
        by_azimuth={f"{v:g}": _mean_at(cells, v, best) for v in sweep},
    )


def _mean_at(cells: Mapping[Cell, Tally], azimuth: float, shape: int) -> Errors:
    return errors(joined(p for (a, _), p in cells.items() if a == azimuth), shape)
