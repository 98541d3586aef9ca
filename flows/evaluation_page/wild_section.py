"""The page of an evaluation in the wild: labels held against what was seen."""

from collections.abc import Sequence
from typing import Literal

from flows.evaluation_page.model import Chart, Clip, Column, Scene, Section, Table, Value
from models.evaluation.wild_examples import WildExample
from models.evaluation.wild_report import REPROJECTION, WILD_FIGURES, LabelRow, WildReport
from pipeline.plausibility import Figure

ALL = "all"
DIGITS = {REPROJECTION: 4, "foot_skating": 3, "bone_variation": 2}
"""Behind the point; one for the others."""
COUNTS = (Column("motions"), Column("videos", meaning="That the motions come from."))
FLOATING = "floating"
"""Not ranked: jumps float too, and a label that forgets them is no better."""
CHARTED = (REPROJECTION, "foot_skating", "jitter")
OVER_VIDEOS = (
    "Means over videos, each counting once with the mean of its motions: clips of one video are no "
    "independent measurements. 95 %: Student's t over videos; of one video there is no interval."
)


def wild_sections(
    report: WildReport, examples: Sequence[WildExample], fps: float
) -> tuple[Section, ...]:
    """Labels overall and by class, the 2D they rest on, and motions to look at.

    Args:
        report: What was found.
        examples: Motions with the labels of every maker.
        fps: Of the motions.
    """
    return (
        Section(
            "labels",
            "Labels",
            text=(
                "Nobody knows the truth here. Reprojection says how well a label fits the 2D it "
                "was made from, not that its depth is right. Less is better, but jumps float too.",
            ),
            tables=(_overall(report), *_changes(report), _by_class(report)),
            charts=_charts(report),
        ),
        Section("input", "Coverage", tables=(_inputs(report), *_failures(report))),
        Section(
            "motions",
            "Motions",
            text=("At even distances from the largest reprojection error to the smallest.",),
            scenes=tuple(_scene(example, fps) for example in examples),
        ),
    )


def wild_lines(report: WildReport) -> list[str]:
    """What the terminal shows: everything, by maker."""
    everything = report.inputs[0]
    coverage, chosen = everything.frames.coverage, everything.frames.coverage_of_chosen
    lines = [
        f"{everything.videos} videos, {everything.failed} without a motion; "
        f"{everything.motions} motions",
        f"person-frames: {everything.frames.seen} seen, {everything.frames.labelled} labelled "
        f"({_percent(coverage)}; of the chosen persons' {_percent(chosen)})",
    ]
    for row in (*(r for r in report.labels if not r.group), *report.changes):
        lines += ["", f"{row.maker}, {row.motions} motions of {row.videos} videos"]
        for name, score in row.scores.items():
            figure = WILD_FIGURES[name]
            lines.append(f"  {_heading(figure):32} {score}")
    return [*lines, *(f"note: {warning}" for warning in report.warnings)]


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.1%}"


def _heading(figure: Figure) -> str:
    return f"{figure.label}, {figure.unit}"


def _figure_columns(*, ranked: bool) -> tuple[Column, ...]:
    """Columns of all figures; ranked where every row holds the same motions."""
    better: Literal["lower", ""] = "lower" if ranked else ""
    return tuple(
        Column(f.label, f.unit, "" if name == FLOATING else better, f.meaning, DIGITS.get(name, 1))
        for name, f in WILD_FIGURES.items()
    )


def _overall(report: WildReport) -> Table:
    rows = [row for row in report.labels if not row.group]
    return Table(
        "All motions",
        (Column("labels"), *COUNTS, *_figure_columns(ranked=True)),
        tuple((row.maker, row.motions, row.videos, *_scores(row)) for row in rows),
        note=OVER_VIDEOS,
    )


def _changes(report: WildReport) -> tuple[Table, ...]:
    if not report.changes:
        return ()
    rows = tuple((row.maker, row.motions, row.videos, *_scores(row)) for row in report.changes)
    columns = (Column("difference"), *COUNTS, *_figure_columns(ranked=False))
    note = (
        "Motion by motion, then means over videos: below 0 is better, and sure where the interval "
        "excludes 0."
    )
    return (Table("Change against the stored labels", columns, rows, note),)


def _by_class(report: WildReport) -> Table:
    rows = tuple(
        (row.group, row.maker, row.motions, row.videos, *_scores(row))
        for row in report.labels
        if row.group
    )
    columns = (Column("class"), Column("labels"), *COUNTS)
    return Table("By class", (*columns, *_figure_columns(ranked=False)), rows, OVER_VIDEOS)


def _scores(row: LabelRow) -> tuple[Value, ...]:
    return tuple(row.scores.get(name) for name in WILD_FIGURES)


def _charts(report: WildReport) -> tuple[Chart, ...]:
    rows = [row for row in report.labels if not row.group]
    return tuple(
        Chart(
            WILD_FIGURES[name].label,
            WILD_FIGURES[name].unit,
            tuple((row.maker, row.scores[name]) for row in rows if name in row.scores),
            note=WILD_FIGURES[name].meaning,
        )
        for name in CHARTED
    )


def _inputs(report: WildReport) -> Table:
    columns = (
        Column("class"),
        Column("videos", meaning="Files that were read, of every split."),
        Column("without motion", meaning="Files that gave no motion, for whatever reason."),
        Column(
            "seen",
            "person-frames",
            meaning="Frames, at most 20 a second, in which the 2D estimator found a person; "
            "everybody counts, in failed files too.",
        ),
        Column("labelled", "person-frames", meaning="Those of them that lie in a motion."),
        Column("coverage", meaning="Labelled share of what was seen."),
        Column(
            "coverage of chosen",
            meaning="The same for the one person of each file that was kept.",
        ),
        Column("motions", meaning="Of the chosen splits."),
        Column("confidence", meaning="The 2D estimator's own, mean over motions."),
        Column("masked", meaning="Share of joints that were not seen, mean over motions."),
    )
    rows = tuple(
        (
            row.group or ALL,
            row.videos,
            row.failed,
            row.frames.seen,
            row.frames.labelled,
            row.frames.coverage,
            row.frames.coverage_of_chosen,
            row.motions,
            row.confidence,
            row.masked_share,
        )
        for row in report.inputs
    )
    return Table("What was seen, and what became of it", columns, rows)


def _failures(report: WildReport) -> tuple[Table, ...]:
    if not report.failures:
        return ()
    rows = tuple(report.failures.items())
    return (Table("Why files gave no motion", (Column("reason"), Column("videos")), rows),)


def _scene(example: WildExample, fps: float) -> Scene:
    clips = tuple(
        Clip(maker, label.joints, fps, f"off by {label.reprojection_m:.3f} m in the picture")
        for maker, label in example.labels.items()
    )
    named = f"{example.action} ({example.motion_id})" if example.action else example.motion_id
    return Scene(named, clips)
