"""The lift report as tables: aligned text for the terminal, Markdown for a model card."""

from collections.abc import Sequence
from dataclasses import dataclass

from models.lifting.lift_report import CLEAN, CROSSDIFF, LINEAR, MEAN_POSE, LiftReport, MethodReport
from models.lifting.lift_tally import Errors

WORST_SHOWN, BEST_SHOWN = 10, 5
"""Actions that the short table shows from each end."""
ERROR_HEAD = ("MPJPE", "in body frame", "PA-MPJPE")


@dataclass(frozen=True)
class Table:
    """Cells as text; the first `labels` columns are words, the rest numbers."""

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    labels: int = 1


def as_text(table: Table) -> list[str]:
    """The title and lines with aligned columns."""
    everything = (table.head, *table.rows)
    widths = [max(map(len, column)) for column in zip(*everything, strict=True)]
    lines = []
    for cells in everything:
        padded = [
            cell.ljust(width) if i < table.labels else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(cells, widths, strict=True))
        ]
        lines.append("  ".join(padded).rstrip())
    return [table.title, *lines]


def as_markdown(table: Table) -> list[str]:
    """A bold title and a table in Markdown; a bar in a name does not end its cell."""
    rule = ["---" if i < table.labels else "---:" for i in range(len(table.head))]
    body = [[_escaped(cell) for cell in cells] for cells in (table.head, *table.rows)]
    lines = ["| " + " | ".join(cells) + " |" for cells in (body[0], rule, *body[1:])]
    return [f"**{table.title}**", "", *lines, ""]


def _escaped(cell: str) -> str:
    safe = cell.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;")
    return " ".join(safe.split())


def overall_table(report: LiftReport) -> Table:
    """Every method in every condition: all views together, then each."""
    rows = [
        (condition, name, view, *_figures(errors))
        for condition, methods in report.conditions.items()
        for name, method in methods.items()
        for view, errors in {"all": method.overall, **method.by_view}.items()
        if name != MEAN_POSE or view == "all"  # it is the same from everywhere
    ]
    title = f"{report.motions} motions, {report.frames} frames, root aligned, millimetres"
    return Table(title, ("2D", "method", "view", *ERROR_HEAD), tuple(rows), labels=3)


def azimuth_table(report: LiftReport) -> Table | None:
    """A row per azimuth of the sweep: CrossDiff in every condition, and what is linear; or None."""
    shown = _with_conditions(report)
    azimuths = next(iter(shown.values())).by_azimuth
    if not azimuths:
        return None
    linear = {c: methods[LINEAR].by_azimuth for c, methods in report.conditions.items()}
    rows = [
        (
            azimuth,
            *_pairs([method.by_azimuth[azimuth] for method in shown.values()]),
            *(f"{by_azimuth[azimuth].pa_mpjpe_mm:.1f}" for by_azimuth in linear.values()),
        )
        for azimuth in azimuths
    ]
    head = ("azimuth", *_pair_head(shown), *(f"{LINEAR} {c} PA" for c in linear))
    views = ", ".join(f"{v:g}" for v in report.views_deg)
    title = f"By azimuth, millimetres (linear: fitted on {views})"
    return Table(title, head, tuple(rows), labels=0)


def action_table(report: LiftReport, *, short: bool) -> Table:
    """CrossDiff by action, worst PA-MPJPE first; `short` leaves the middle out."""
    shown = _with_conditions(report)
    first = shown[f"{CROSSDIFF} {CLEAN}"].by_action
    names = sorted(first, key=lambda name: -first[name].pa_mpjpe_mm)
    left_out = len(names) - WORST_SHOWN - BEST_SHOWN
    title = "By action, worst first, millimetres"
    if short and left_out > 0:
        names = names[:WORST_SHOWN] + names[-BEST_SHOWN:]
        title += f" ({WORST_SHOWN} worst and {BEST_SHOWN} best; {left_out} between not shown)"
    rows = [
        (
            name,
            str(report.actions[name].motions),
            str(report.actions[name].frames),
            *_pairs([m.by_action[name] for m in shown.values()]),
        )
        for name in names
    ]
    return Table(title, ("action", "motions", "frames", *_pair_head(shown)), tuple(rows))


def joint_table(report: LiftReport) -> Table:
    """CrossDiff by joint, in joint order."""
    shown = _with_conditions(report)
    joints = next(iter(shown.values())).by_joint
    rows = [(joint, *_pairs([m.by_joint[joint] for m in shown.values()])) for joint in joints]
    return Table("By joint, millimetres", ("joint", *_pair_head(shown)), tuple(rows))


def report_text(report: LiftReport, *, by_action: bool, by_joint: bool) -> list[str]:
    """What the terminal shows."""
    swept = azimuth_table(report)
    tables = [overall_table(report), *([swept] if swept else [])]
    tables += [action_table(report, short=True)] if by_action else []
    tables += [joint_table(report)] if by_joint else []
    return "\n\n".join("\n".join(as_text(table)) for table in tables).split("\n")


def report_markdown(report: LiftReport, about: Sequence[str]) -> str:
    """Everything, for a model card.

    Args:
        report: What was found.
        about: Lines on what was measured, on which data.
    """
    swept = azimuth_table(report)
    tables = [
        overall_table(report),
        *([swept] if swept else []),
        action_table(report, short=False),
        joint_table(report),
    ]
    lines = [*(f"- {_escaped(line)}" for line in about), ""]
    for table in tables:
        lines += as_markdown(table)
    return "\n".join(lines)


def _with_conditions(report: LiftReport) -> dict[str, MethodReport]:
    """CrossDiff and its variants in every condition, by `method condition`."""
    return {
        f"{name} {condition}": method
        for condition, methods in report.conditions.items()
        for name, method in methods.items()
        if name.startswith(CROSSDIFF)
    }


def _figures(errors: Errors) -> tuple[str, ...]:
    return tuple(
        f"{value:.1f}" for value in (errors.mpjpe_mm, errors.body_mpjpe_mm, errors.pa_mpjpe_mm)
    )


def _pairs(errors: Sequence[Errors]) -> list[str]:
    return [f"{value:.1f}" for e in errors for value in (e.mpjpe_mm, e.pa_mpjpe_mm)]


def _pair_head(shown: dict[str, MethodReport]) -> list[str]:
    """Column heads; the usual method on clean 2D needs no name."""
    names = ["" if n == f"{CROSSDIFF} {CLEAN}" else n.removeprefix(f"{CROSSDIFF} ") for n in shown]
    return [f"{name} {what}".strip() for name in names for what in ("MPJPE", "PA")]
