"""The page of a finetuning's gate: verdict, figures before and after, clips and samples to see."""

from collections.abc import Mapping, Sequence
from typing import Any

from flows.evaluation_page.model import Clip, Column, Scene, Section, Table, Value
from models.evaluation.gate import LOSS_2D, LOSS_3D, MPJPE, PA_MPJPE, Change, Verdict
from models.evaluation.gate_report import GateReport
from models.evaluation.gate_samples import TextSample
from models.evaluation.wild_examples import WildExample
from models.evaluation.wild_report import REPROJECTION, WILD_FIGURES
from pipeline.plausibility import Figure

FIGURES: Mapping[str, Figure] = {
    PA_MPJPE: Figure("PA-MPJPE", "mm", "Error of the lift after the best similarity transform."),
    MPJPE: Figure("MPJPE", "mm", "Error of the lift, root aligned."),
    LOSS_3D: Figure("3D to 3D loss", "", "Mean squared error of normalised features, fixed noise."),
    LOSS_2D: Figure(
        "2D to 2D loss",
        "",
        "Mean squared error of normalised features that were seen, fixed noise.",
    ),
    **WILD_FIGURES,
}
DIGITS = 4
VIDEO_TEXT = (
    "Nobody knows the truth of a video. Reprojection says how well a lift fits the 2D that it was "
    "made from, not that its depth is right."
)


def gate_sections(report: GateReport, begun: Mapping[str, Any], fps: float) -> tuple[Section, ...]:
    """The verdict, what it rests on, and things to look at.

    Args:
        report: What was found.
        begun: What `finetune.json` holds.
        fps: Of the motions.
    """
    shown = (
        _verdict(report.verdict),
        _figures(report),
        _clips(report.clips, fps),
        _samples(report.samples, fps),
        _data(begun),
    )
    return tuple(section for section in shown if section is not None)


def gate_lines(judged: Mapping[str, Any]) -> list[str]:
    """What the terminal shows of `gate.json`."""
    pointer = f"; {judged['models']} stands for it" if judged["promotion"] else ""
    lines = [f"{judged['checkpoint_id']} is {judged['verdict']}{pointer}"]
    lines += [f"  {reason}" for reason in judged["reasons"]]
    return lines + [f"note: {note}" for note in judged["notes"]]


def _verdict(verdict: Verdict) -> Section:
    word = "Passed" if verdict.passed else "Rejected"
    columns = (
        Column("figure"),
        Column("where"),
        Column("demanded"),
        Column("met"),
        Column("found"),
    )
    rows = tuple(
        (
            _label(check.figure),
            check.where,
            check.demand,
            "yes" if check.passed else "no",
            check.told,
        )
        for check in verdict.checks
    )
    tables = (Table("What was demanded", columns, rows),) if rows else ()
    text = () if tables else verdict.reasons
    return Section("verdict", word, text=text, tables=tables)


def _figures(report: GateReport) -> Section | None:
    if not report.mocap:
        return None
    tables = [
        _table("Motion capture, validation split", report.mocap, "motions"),
        _table("Held-out clips", report.wild, "recordings"),
    ]
    classes = _by_action(report.by_action)
    return Section("figures", "Before and after", text=(VIDEO_TEXT,), tables=(*tables, *classes))


def _table(title: str, changes: Mapping[str, Change], units: str) -> Table:
    rows = tuple(
        (_label(name), *_cells(change), FIGURES[name].meaning) for name, change in changes.items()
    )
    note = f"Less is better. The change is paired over {units}; it is sure where it excludes 0."
    return Table(title, (Column("figure"), *_columns(units), Column("meaning")), rows, note)


def _by_action(found: Mapping[str, Mapping[str, Change]]) -> tuple[Table, ...]:
    tables = []
    for name in (REPROJECTION, LOSS_2D):
        rows = tuple(
            (action or "(none)", *_cells(changes[name]))
            for action, changes in found.items()
            if name in changes
        )
        if rows:
            columns = (Column("class"), *_columns("recordings"))
            tables.append(Table(f"{_label(name)} by class", columns, rows))
    return tuple(tables)


def _columns(units: str) -> tuple[Column, ...]:
    return (
        Column(units),
        Column("parent", digits=DIGITS),
        Column("finetuned", digits=DIGITS),
        Column("change", meaning="Finetuned less parent, with its 95 % interval.", digits=DIGITS),
        Column("change of the parent's"),
    )


def _cells(change: Change) -> tuple[Value, ...]:
    share = f"{change.share:+.1%}" if change.before.mean else None
    return (change.change.n, change.before.mean, change.after.mean, change.change, share)


def _label(name: str) -> str:
    figure = FIGURES[name]
    return f"{figure.label}, {figure.unit}" if figure.unit else figure.label


def _clips(examples: Sequence[WildExample], fps: float) -> Section | None:
    if not examples:
        return None
    text = "Held-out clips, lifted by both; from the largest gain to the largest loss."
    return Section("clips", "Clips", text=(text,), scenes=tuple(_clip(e, fps) for e in examples))


def _clip(example: WildExample, fps: float) -> Scene:
    clips = tuple(
        Clip(maker, label.joints, fps, f"off by {label.reprojection_m:.3f} m in the picture")
        for maker, label in example.labels.items()
    )
    return Scene(f"{example.action} ({example.motion_id})", clips)


def _samples(samples: Sequence[TextSample], fps: float) -> Section | None:
    if not samples:
        return None
    text = "Sentences of the classes, drawn by both from the same noise. Nothing is chosen."
    scenes = tuple(
        Scene(
            f"{sample.action}: {sample.caption}",
            tuple(Clip(maker, joints, fps) for maker, joints in sample.joints.items()),
        )
        for sample in samples
    )
    return Section("samples", "Text to motion", text=(text,), scenes=scenes)


def _data(begun: Mapping[str, Any]) -> Section:
    weighed = [name for name, weight in begun["train"].items() if weight]
    rows = [
        ("trained on, with a 3D label", len(weighed)),
        ("trained on, 2D alone", len(set(begun["train"]).difference(weighed))),
        ("counted by reprojection, for want of a score", begun.get("unscored", 0)),
        ("held out", len(begun["held_out"])),
        *((f"left out: {reason}", count) for reason, count in begun["left_out"].items()),
    ]
    table = Table("Motions from video", (Column("part"), Column("motions")), tuple(rows))
    return Section("data", "Data", tables=(table,))
