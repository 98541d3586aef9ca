"""What a comparison on rendered clips found: means over clips, with intervals."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from models.evaluation.intervals import Interval
from models.evaluation.seeds import over_seeds
from models.evaluation.synthetic_measures import SAME_FRAMES, SAME_FRAMES_BODY, ClipMeasures
from models.evaluation.synthetic_truth import TruthClip

COVERAGE = "coverage"


@dataclass(frozen=True)
class SyntheticRow:
    """One maker's labels of one group of clips."""

    group: str
    """`all`, or what the clips share: `camera: pan`."""
    backend: str
    maker: str
    """A variant's name, or the backend's own 3D."""
    clips: int
    failed: int
    """Clips without a label: in no mean but that of the coverage."""
    ghosts: int
    """Motions of somebody who is not there."""
    scores: Mapping[str, Interval]


@dataclass(frozen=True)
class SyntheticReport:
    """Errors where the truth is known."""

    clips: int
    labels: tuple[SyntheticRow, ...]
    """Over all clips: every backend's variants, then its own 3D."""
    changes: tuple[SyntheticRow, ...]
    """Each variant less the faithful one, on the clips that both have."""
    against: tuple[SyntheticRow, ...]
    """Each variant and the backend's own 3D on the same frames, see `SAME_FRAMES`."""
    groups: tuple[SyntheticRow, ...]
    """The same as `labels` by camera, azimuth and action."""
    views: tuple[SyntheticRow, ...]
    """Errors of the 2D input: all clips, then groups."""
    failures: Mapping[str, Mapping[str, int]]
    """By backend and maker: clips by reason."""
    figures: Mapping[str, Mapping[str, Mapping[str, float]]] = field(repr=False)
    """By `backend, maker` and clip: what the rows are means of."""

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        tables = ("labels", "changes", "against", "groups", "views")
        return {
            "clips": self.clips,
            **{name: [_plain(row) for row in getattr(self, name)] for name in tables},
            "failures": {name: dict(found) for name, found in self.failures.items()},
            "figures": {name: dict(found) for name, found in self.figures.items()},
        }

    @property
    def gains(self) -> dict[str, float]:
        """By `backend, maker`: by which share the label's error is below the backend's own 3D."""
        return self._gains(SAME_FRAMES)

    @property
    def body_gains(self) -> dict[str, float]:
        """The same with both sides' joints brought to the body's definition."""
        return self._gains(SAME_FRAMES_BODY)

    def _gains(self, names: Sequence[str]) -> dict[str, float]:
        label, other, _ = names
        return {
            f"{row.backend}, {row.maker}": 1 - row.scores[label].mean / row.scores[other].mean
            for row in self.against
            if label in row.scores
        }

    @property
    def warnings(self) -> tuple[str, ...]:
        """Whose means leave clips out."""
        return tuple(
            f"{row.failed} of {row.clips} clips have no label of {row.maker} ({row.backend}): its "
            "means are of the others"
            for row in self.labels
            if row.failed
        )


def summarise(
    clips: Sequence[TruthClip],
    found: Mapping[tuple[str, str], Mapping[str, ClipMeasures]],
    views: Mapping[tuple[str, str], Mapping[str, Mapping[str, float]]],
    faithful: str,
) -> SyntheticReport:
    """Means over clips.

    Args:
        clips: All clips.
        found: By (backend, maker) and clip.
        views: 2D errors by (backend, who is followed) and clip.
        faithful: The maker that the others are compared with.
    """
    sets = _groups(clips)
    labels = tuple(_row("all", key, _members(clips, made)) for key, made in found.items())
    groups = tuple(
        _row(group, key, _members(members, made))
        for group, members in sets.items()
        for key, made in found.items()
    )
    return SyntheticReport(
        clips=len(clips),
        labels=labels,
        changes=_changes(found, faithful),
        against=tuple(row for row in labels if SAME_FRAMES[0] in row.scores),
        groups=groups,
        views=tuple(_view_rows(clips, sets, views)),
        failures={
            ", ".join(key): dict(Counter(m.reason for m in made.values() if m.reason))
            for key, made in found.items()
        },
        figures={
            ", ".join(key): {name: {COVERAGE: m.coverage, **m.figures} for name, m in made.items()}
            for key, made in found.items()
        },
    )


def _groups(clips: Sequence[TruthClip]) -> dict[str, list[TruthClip]]:
    """By camera, then azimuth, then action."""
    out: dict[str, list[TruthClip]] = {}
    for what, names in (
        ("camera", [clip.camera for clip in clips]),
        ("azimuth", [clip.quarter for clip in clips]),
        ("action", [clip.action for clip in clips]),
    ):
        for name in sorted(set(names)):
            members = [clip for clip, own in zip(clips, names, strict=True) if own == name]
            out[f"{what}: {name}"] = members
    return out


def _members(
    clips: Sequence[TruthClip], made: Mapping[str, ClipMeasures]
) -> dict[str, ClipMeasures]:
    return {clip.name: made[clip.name] for clip in clips}


def _row(group: str, key: tuple[str, str], made: Mapping[str, ClipMeasures]) -> SyntheticRow:
    columns: dict[str, list[float]] = {COVERAGE: [m.coverage for m in made.values()]}
    for each in made.values():
        for name, value in each.figures.items():
            columns.setdefault(name, []).append(value)
    return SyntheticRow(
        group=group,
        backend=key[0],
        maker=key[1],
        clips=len(made),
        failed=sum(bool(m.reason) for m in made.values()),
        ghosts=sum(m.ghosts for m in made.values()),
        scores={name: over_seeds(values) for name, values in columns.items()},
    )


def _changes(
    found: Mapping[tuple[str, str], Mapping[str, ClipMeasures]], faithful: str
) -> tuple[SyntheticRow, ...]:
    rows = []
    for (backend, maker), made in found.items():
        before = found[backend, faithful]
        if maker == faithful:
            continue
        pairs = {name: (m, before[name]) for name, m in made.items() if not m.reason}
        both = {n: (m, b) for n, (m, b) in pairs.items() if not b.reason}
        columns: dict[str, list[float]] = {}
        for after, other in both.values():
            for name in after.figures.keys() & other.figures.keys() - {
                *SAME_FRAMES,
                *SAME_FRAMES_BODY,
            }:
                columns.setdefault(name, []).append(after.figures[name] - other.figures[name])
        scores = {name: over_seeds(values) for name, values in sorted(columns.items())}
        rows.append(SyntheticRow("all", backend, maker, len(both), 0, 0, scores))
    return tuple(rows)


def _view_rows(
    clips: Sequence[TruthClip],
    sets: Mapping[str, Sequence[TruthClip]],
    views: Mapping[tuple[str, str], Mapping[str, Mapping[str, float]]],
) -> list[SyntheticRow]:
    rows = []
    for group, members in {"all": clips, **sets}.items():
        for (backend, who), made in views.items():
            here = [made[clip.name] for clip in members]
            columns: dict[str, list[float]] = {}
            for each in here:
                for name, value in each.items():
                    columns.setdefault(name, []).append(value)
            scores = {name: over_seeds(values) for name, values in columns.items()}
            failed = sum(not each for each in here)
            rows.append(SyntheticRow(group, backend, who, len(here), failed, 0, scores))
    return rows


def _plain(row: SyntheticRow) -> dict[str, Any]:
    counts = {"clips": row.clips, "failed": row.failed, "ghosts": row.ghosts}
    scores = {
        name: {"mean": score.mean, "ci95": score.half_width, "n": score.n}
        for name, score in row.scores.items()
    }
    return {"group": row.group, "backend": row.backend, "maker": row.maker, **counts, **scores}
