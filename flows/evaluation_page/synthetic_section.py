"""The page of a comparison on rendered clips, and its lines for a terminal."""

from collections.abc import Mapping, Sequence
from typing import Literal

from flows.evaluation_page.model import Chart, Column, Section, Table, Value
from models.evaluation.synthetic_measures import (
    LABEL_FIGURES,
    SAME_FRAMES,
    SAME_FRAMES_BODY,
    VIEW_FIGURES,
)
from models.evaluation.synthetic_report import COVERAGE, SyntheticReport, SyntheticRow
from pipeline.plausibility import Figure

CHARTED = ("body_pa_12", "pa_12", "mpjpe_22", "root_path")
NAMES = (Column("2D by"), Column("labels"))
COUNTS = (
    Column("clips"),
    Column("failed", meaning="Clips without a label: they are in no mean but the coverage's."),
    Column("ghosts", meaning="Motions of somebody who is not there."),
)
COVERED = Column(COVERAGE, meaning="Share of the frames that have a label.", digits=3)
OVER_CLIPS = "Means over clips, each with the mean of its frames; 95 %: Student's t over clips."
PAIRED = (
    "Clip by clip, on the clips that both labelled: below 0 is better, and sure where the interval "
    "excludes 0."
)
SAME_COLUMNS = (
    Column("label", "mm", "lower", digits=1),
    Column("backend's own 3D", "mm", digits=1),
    Column("difference", "mm", digits=1, meaning="Clip by clip: below 0 the label is nearer."),
    Column("gain", meaning="Share by which the label's mean error is lower.", digits=3),
)


def synthetic_sections(report: SyntheticReport) -> tuple[Section, ...]:
    """Labels overall, against the backend's own 3D, by group, and the 2D they rest on."""
    return (
        Section(
            "labels",
            "Labels",
            text=(
                "Rendered clips, from pixels to metres: the truth is the rendered body's own "
                "joints.",
            ),
            tables=(_labels(report), _changes(report)),
            charts=_charts(report),
        ),
        Section(
            "alternative",
            "Against the backend's own 3D",
            text=(
                "PA-MPJPE of twelve limb joints on the frames that both have. A label has the "
                "joints of its training skeleton, the backend those of its own model: the second "
                "table brings both to the rendered body's by weights fitted on training clips.",
            ),
            tables=_against(report),
        ),
        Section("groups", "By camera, azimuth and action", tables=(_groups(report),)),
        Section("input", "The 2D input", tables=(_views(report), *_failures(report))),
    )


def synthetic_lines(report: SyntheticReport) -> list[str]:
    """What the terminal shows: one line a way to label."""
    lines = [f"{report.clips} clips; means over clips, 95 % intervals over clips"]
    for row in report.labels:
        lines += ["", f"{row.backend}, {row.maker}: {row.failed} failed, {row.ghosts} ghosts"]
        lines.append(f"  {COVERAGE:24} {row.scores[COVERAGE]}")
        for name, figure in LABEL_FIGURES.items():
            if name in row.scores:
                lines.append(f"  {_heading(figure):24} {row.scores[name]}")
    for title, names, gains in _comparisons(report):
        lines += ["", f"PA-MPJPE 12 on the same frames as the backend's own 3D, {title}"]
        lines += [_compared(row, names, gains) for row in report.against if names[0] in row.scores]
    return [*lines, *(f"note: {warning}" for warning in report.warnings)]


def _comparisons(
    report: SyntheticReport,
) -> tuple[tuple[str, tuple[str, str, str], Mapping[str, float]], ...]:
    return (
        ("joints as they are", SAME_FRAMES, report.gains),
        ("both brought to the body's joints", SAME_FRAMES_BODY, report.body_gains),
    )


def _compared(row: SyntheticRow, names: Sequence[str], gains: Mapping[str, float]) -> str:
    label, other, change = (row.scores[name] for name in names)
    gain = gains[f"{row.backend}, {row.maker}"]
    figures = f"{label.mean:.1f} against {other.mean:.1f} mm (gain {gain:.0%})"
    return f"  {row.maker:22} {figures}, difference {change}"


def _heading(figure: Figure) -> str:
    return f"{figure.label}, {figure.unit}"


def _columns(figures: Mapping[str, Figure], *, ranked: bool) -> tuple[Column, ...]:
    return tuple(
        Column(f.label, f.unit, _better(name) if ranked else "", f.meaning, 1)
        for name, f in figures.items()
    )


def _better(name: str) -> Literal["higher", "lower"]:
    return "higher" if name.startswith("pck") else "lower"


def _cells(row: SyntheticRow, names: Sequence[str]) -> tuple[Value, ...]:
    return tuple(row.scores.get(name) for name in names)


def _labels(report: SyntheticReport) -> Table:
    rows = tuple(
        (f"{r.backend}: {r.maker}", r.clips, r.failed, r.ghosts, r.scores[COVERAGE],
         *_cells(r, tuple(LABEL_FIGURES)))
        for r in report.labels
    )  # fmt: skip
    columns = (Column("labels"), *COUNTS, COVERED, *_columns(LABEL_FIGURES, ranked=True))
    return Table("All clips", columns, rows, OVER_CLIPS)


def _changes(report: SyntheticReport) -> Table:
    rows = tuple(
        (f"{r.backend}: {r.maker}", r.clips, *_cells(r, tuple(LABEL_FIGURES)))
        for r in report.changes
    )
    columns = (Column("labels"), COUNTS[0], *_columns(LABEL_FIGURES, ranked=False))
    return Table("Change against the published method", columns, rows, PAIRED)


def _charts(report: SyntheticReport) -> tuple[Chart, ...]:
    return tuple(
        Chart(
            LABEL_FIGURES[name].label,
            LABEL_FIGURES[name].unit,
            tuple((f"{r.backend}: {r.maker}", r.scores[name]) for r in report.labels
                  if name in r.scores),
            note=LABEL_FIGURES[name].meaning,
        )
        for name in CHARTED
    )  # fmt: skip


def _against(report: SyntheticReport) -> tuple[Table, ...]:
    columns = (Column("labels"), COUNTS[0], *SAME_COLUMNS)
    return tuple(
        Table(f"On the same frames, {title}", columns, _against_rows(report, names, gains))
        for title, names, gains in _comparisons(report)
    )


def _against_rows(
    report: SyntheticReport, names: Sequence[str], gains: Mapping[str, float]
) -> tuple[tuple[Value, ...], ...]:
    return tuple(
        (f"{r.backend}: {r.maker}", r.clips, *_cells(r, names), gains[f"{r.backend}, {r.maker}"])
        for r in report.against
        if names[0] in r.scores
    )


def _groups(report: SyntheticReport) -> Table:
    rows = tuple(
        (r.group, f"{r.backend}: {r.maker}", r.clips, r.failed, r.scores[COVERAGE],
         *_cells(r, tuple(LABEL_FIGURES)))
        for r in report.groups
    )  # fmt: skip
    columns = (Column("group"), NAMES[1], *COUNTS[:2], COVERED)
    return Table("Groups", (*columns, *_columns(LABEL_FIGURES, ranked=False)), rows, OVER_CLIPS)


def _views(report: SyntheticReport) -> Table:
    rows = tuple(
        (r.group, r.backend, r.maker, r.clips, r.failed, *_cells(r, tuple(VIEW_FIGURES)))
        for r in report.views
    )
    follows = Column("follows", meaning="One person, or everybody.")
    columns = (Column("group"), NAMES[0], follows, *COUNTS[:2])
    return Table("2D against the truth", (*columns, *_columns(VIEW_FIGURES, ranked=False)), rows)


def _failures(report: SyntheticReport) -> tuple[Table, ...]:
    rows = tuple(
        (maker, reason, count)
        for maker, found in report.failures.items()
        for reason, count in found.items()
    )
    if not rows:
        return ()
    return (Table("Clips without a label", (NAMES[1], Column("reason"), COUNTS[0]), rows),)
