"""Whether a finetuned checkpoint may take its parent's place: figures in, a verdict out.

On motion capture it must not be worse than a tolerance, on held-out clips it must be better. Every
figure is one of which less is better.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from models.evaluation.intervals import Interval
from models.evaluation.seeds import over_seeds
from models.evaluation.wild_report import REPROJECTION

Figures = Mapping[str, Mapping[str, float]]
"""By figure and clip."""

MPJPE, PA_MPJPE, LOSS_3D = "mpjpe_mm", "pa_mpjpe_mm", "loss 3d->3d"
LOSS_2D = "loss 2d->2d"
MOCAP_FIGURES = (PA_MPJPE, MPJPE, LOSS_3D)
"""Must not get worse on motion capture."""
WILD_FIGURES = (REPROJECTION, LOSS_2D)
"""On held-out clips: the first must get better, the second must not get worse."""
TOLERANCE = 0.02


@dataclass(frozen=True)
class GateRules:
    """What is demanded."""

    tolerance: float = TOLERANCE
    """By what share of the parent's a figure on motion capture may grow."""
    certain: bool = False
    """Whether an improvement counts only when its 95 % interval excludes 0. Off: a lower mean
    suffices, and the verdict says that it is undecided. Held-out clips are few at first."""

    def __post_init__(self) -> None:
        if not 0.0 <= self.tolerance < 1.0:
            raise ValueError(f"the tolerance is a share, e.g. {TOLERANCE}, not {self.tolerance}")


@dataclass(frozen=True)
class Change:
    """One figure of the parent and of the candidate on the same clips."""

    before: Interval
    after: Interval
    change: Interval
    """Candidate less parent, paired by recording: below 0 is better."""

    @property
    def share(self) -> float:
        """The change relative to the parent's figure."""
        return self.change.mean / self.before.mean if self.before.mean else math.inf

    @property
    def decided(self) -> bool:
        """Whether the change's interval is known and excludes 0."""
        low, high = self.change.ends
        return self.change.half_width is not None and not low <= 0.0 <= high

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        parts = {"before": self.before, "after": self.after, "change": self.change}
        told: dict[str, Any] = {
            name: {"mean": p.mean, "ci95": p.half_width, "n": p.n} for name, p in parts.items()
        }
        return {**told, "share": self.share if math.isfinite(self.share) else None}


@dataclass(frozen=True)
class Check:
    """One demand and whether it is met."""

    figure: str
    where: str
    demand: str
    passed: bool
    told: str
    """What was found, in words."""


@dataclass(frozen=True)
class Verdict:
    """The gate's answer."""

    passed: bool
    reasons: tuple[str, ...]
    """Why it is rejected, or what speaks for it."""
    notes: tuple[str, ...]
    """What limits the verdict."""
    checks: tuple[Check, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {**asdict(self), "verdict": "passed" if self.passed else "rejected"}


def paired(
    before: Mapping[str, float], after: Mapping[str, float], recordings: Mapping[str, str]
) -> Change:
    """A figure's change over recordings, each with the mean of its clips.

    Clips of one recording show one person before one camera: they are no independent measurements.

    Args:
        before: The parent's, by clip.
        after: The candidate's, of the same clips.
        recordings: By clip; a clip that is not named is a recording of its own.

    Raises:
        ValueError: No clip, other clips, or a figure that is not finite; it is named.
    """
    missing = sorted(set(before).symmetric_difference(after))
    if missing or not before:
        raise ValueError(f"clip {missing[0]} was not measured" if missing else "no clip measured")
    broken = sorted(name for name in after if not math.isfinite(after[name]))
    if broken:
        raise ValueError(f"{len(broken)} of {len(after)} clips are not finite, {broken[0]} first")
    groups: dict[str, list[str]] = {}
    for name in sorted(before):
        groups.setdefault(recordings.get(name, name), []).append(name)
    means = [
        [float(np.mean([part[name] for name in names])) for names in groups.values()]
        for part in (before, after)
    ]
    changes = [new - old for old, new in zip(*means, strict=True)]
    return Change(over_seeds(means[0]), over_seeds(means[1]), over_seeds(changes))


def changes_of(before: Figures, after: Figures, recordings: Mapping[str, str]) -> dict[str, Change]:
    """Every figure's change.

    Raises:
        ValueError: The candidate lacks a figure or a clip, or has one that is not finite.
    """
    found = {}
    for name, known in before.items():
        new = {clip: value for clip, value in after.get(name, {}).items() if clip in known}
        try:
            found[name] = paired(known, new, recordings)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from error
    return found


def judge(mocap: Mapping[str, Change], wild: Mapping[str, Change], rules: GateRules) -> Verdict:
    """Hold the changes against the rules.

    Args:
        mocap: `MOCAP_FIGURES` on motion capture.
        wild: `WILD_FIGURES` on held-out clips.
        rules: What is demanded.
    """
    checks = [_not_worse(name, mocap[name], rules.tolerance) for name in MOCAP_FIGURES]
    checks.append(_better(wild[REPROJECTION], rules))
    checks.append(_no_larger(wild[LOSS_2D]))
    failed = [check for check in checks if not check.passed]
    told = tuple(f"{check.where}: {check.told}; it {check.demand}" for check in failed or checks)
    return Verdict(not failed, told, _limits(wild[REPROJECTION]), tuple(checks))


def rejected(reason: str) -> Verdict:
    """The verdict on a candidate that could not be measured or may not be promoted."""
    return Verdict(False, (reason,), (), ())


def _not_worse(name: str, change: Change, tolerance: float) -> Check:
    demand = f"may be at most {tolerance:.1%} worse"
    # Of a figure that is 0 already, nothing may be added.
    fine = change.share <= tolerance if change.before.mean else change.change.mean <= 0.0
    return Check(name, "motion capture", demand, fine, _words(name, change))


def _better(change: Change, rules: GateRules) -> Check:
    fine = change.change.mean < 0.0 and (change.decided or not rules.certain)
    demand = "must be lower, and surely so" if rules.certain else "must be lower"
    return Check(REPROJECTION, "held-out clips", demand, fine, _words(REPROJECTION, change))


def _no_larger(change: Change) -> Check:
    fine = change.change.mean <= 0.0
    return Check(LOSS_2D, "held-out clips", "must not be larger", fine, _words(LOSS_2D, change))


def _limits(change: Change) -> tuple[str, ...]:
    if change.decided:
        return ()
    over = f"over {change.change.n} held-out recordings"
    if change.change.half_width is None:
        return (f"the change of the reprojection error {over} has no interval: it is undecided",)
    return (f"the change of the reprojection error {over} is undecided: its 95 % interval holds 0",)


def _words(name: str, change: Change) -> str:
    half = change.change.half_width
    spread = "" if half is None else f" ± {half:.3g}"
    return (
        f"{name} {change.before.mean:.4g} to {change.after.mean:.4g} "
        f"({change.change.mean:+.3g}{spread}, {change.share:+.1%})"
    )
