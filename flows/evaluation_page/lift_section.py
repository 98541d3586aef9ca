"""The page of a lift's evaluation: errors beside the baselines, and what the lifts look like."""

from collections.abc import Mapping, Sequence

from flows.evaluation_page.model import Chart, Clip, Column, Scene, Section, Table
from models.lifting.lift_examples import LiftExample
from models.lifting.lift_intervals import HOW
from models.lifting.lift_report import CROSSDIFF, MEAN_POSE, LiftReport, MethodReport
from models.lifting.lift_tables import Table as LiftTable
from models.lifting.lift_tables import (
    hidden_table,
    interval_table,
    overall_table,
    seen_table,
    whole_tables,
)
from models.lifting.lift_tally import ERROR_FIGURES, Errors

CHARTED = ("mpjpe_mm", "pa_mpjpe_mm")
DIGITS = 1


def lift_sections(
    report: LiftReport, examples: Sequence[LiftExample], fps: float
) -> tuple[Section, ...]:
    """Errors overall; by azimuth, joint and action; motions beside their lifts.

    Args:
        report: What was found.
        examples: Motions to look at.
        fps: Of the motions.
    """
    first = (
        overall_table(report),
        interval_table(report),
        seen_table(report),
        hidden_table(report),
    )
    return (
        Section(
            "errors",
            "Errors",
            text=(
                "The network sees one projected view of each motion; the baselines are fitted on "
                "the training split's views in the same state. The view is an azimuth in degrees: "
                "0 front, 90 left, 180 back, 270 right. Of all errors less is better.",
            ),
            tables=tuple(_page_table(table) for table in first if table is not None),
            charts=_overall_charts(report),
        ),
        Section(
            "groups",
            "By azimuth, action and joint",
            tables=tuple(_page_table(table) for table in whole_tables(report)),
            charts=_group_charts(report),
        ),
        Section(
            "motions",
            "Truth and lift",
            text=("At even distances from the worst lifted motion to the best, from the front.",),
            scenes=tuple(_scene(example, fps) for example in examples),
        ),
    )


def _page_table(table: LiftTable) -> Table:
    """Nothing is ranked: rows hold other views, joints or actions, not rivals on one task."""
    columns = tuple(
        Column(head, digits=DIGITS)
        if isinstance(head, str)
        else Column(head.label, head.unit, "", head.meaning, DIGITS)
        for head in table.head
    )
    return Table(table.title, columns, table.rows)


def _overall_charts(report: LiftReport) -> tuple[Chart, ...]:
    """Every method in every condition; the mean pose, which never changes, once."""
    methods = {
        f"{name}, {condition}": method.overall
        for condition, found in report.conditions.items()
        for name, method in found.items()
        if name != MEAN_POSE or found is report.methods
    }
    return tuple(_chart(name, "", methods) for name in ERROR_FIGURES)


def _group_charts(report: LiftReport) -> tuple[Chart, ...]:
    out: list[Chart] = []
    for condition, found in report.conditions.items():
        method: MethodReport = found[CROSSDIFF]
        for name in CHARTED:
            turned = {f"{azimuth}°": errors for azimuth, errors in method.by_azimuth.items()}
            if turned:
                out.append(_chart(name, f"by azimuth, {condition}", turned))
            out.append(_chart(name, f"by joint, {condition}", method.by_joint))
    return tuple(out)


def _chart(name: str, title: str, groups: Mapping[str, Errors]) -> Chart:
    figure = ERROR_FIGURES[name]
    points = tuple((group, getattr(errors, name)) for group, errors in groups.items())
    return Chart(f"{figure.label} {title}".strip(), figure.unit, points, note=figure.meaning)


def _scene(example: LiftExample, fps: float) -> Scene:
    clips = [Clip("truth", example.truth, fps)]
    for condition, lifted in example.lifted.items():
        hidden = f", {lifted.hidden} hidden" if lifted.hidden else ""
        note = f"PA-MPJPE {lifted.pa_mpjpe_mm:.0f} mm{hidden}"
        clips.append(Clip(f"lifted, {condition}", lifted.joints, fps, note))
    named = f"{example.action} ({example.motion_id})" if example.action else example.motion_id
    return Scene(f"{named}: {example.pa_mpjpe_mm:.0f} mm over all views", tuple(clips))


def known_facts(report: LiftReport) -> list[tuple[str, str]]:
    """What the report itself says about how its errors were made."""
    views = ", ".join(f"{view:g}" for view in report.views_deg)
    facts = [
        ("motions", f"n = {report.motions}, mirrored ones left out"),
        ("frames", f"{report.frames}, each seen once per view"),
        ("views", f"{views} degrees"),
        ("intervals", HOW),
    ]
    if report.noise is not None:
        noise = report.noise
        facts.append(
            (
                "noise",
                f"Gaussian of {noise.jitter:.0%} of body height on every joint in every frame, "
                f"{noise.missing:.0%} of joints missing, seed {noise.seed}; noise_cleaned: after "
                "ingestion's gap filling and smoothing",
            )
        )
    if report.occlusion is not None:
        hidden = report.occlusion
        facts.append(
            (
                "masked",
                "an arm, a leg from the knee down, or both legs hidden in every view: "
                f"{hidden.whole_share:.0%} over the whole clip, else over a stretch of "
                f"{hidden.shortest:.0%} to {hidden.longest:.0%} of it; seed {hidden.seed}",
            )
        )
    return facts
