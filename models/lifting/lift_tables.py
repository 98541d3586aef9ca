"""The lift report as tables: aligned text for the terminal, Markdown for a model card."""

from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass

from models.lifting.lift_intervals import HOW
from models.lifting.lift_report import CLEAN, CROSSDIFF, LINEAR, MEAN_POSE, LiftReport, MethodReport
from models.lifting.lift_tally import ERROR_FIGURES, Errors
from pipeline.plausibility import Figure

WORST_SHOWN, BEST_SHOWN = 10, 5
"""Actions that the short table shows from each end."""
SHORT = ("mpjpe_mm", "pa_mpjpe_mm")
"""The errors of the tables that hold several conditions side by side."""
POSITION_ERRORS = 4
"""The first of `Errors`: those that seen and unseen joints have each."""
UNKNOWN = "-"

Cell = str | int | float | None


@dataclass(frozen=True)
class Table:
    """Rows of values; the first `labels` columns name them."""

    title: str
    head: tuple[str | Figure, ...]
    """A figure where the column holds errors."""
    rows: tuple[tuple[Cell, ...], ...]
    labels: int = 1


def as_text(table: Table) -> list[str]:
    """The title and lines with aligned columns."""
    everything = _in_words(table)
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
    body = [[_escaped(cell) for cell in cells] for cells in _in_words(table)]
    lines = ["| " + " | ".join(cells) + " |" for cells in (body[0], rule, *body[1:])]
    return [f"**{table.title}**", "", *lines, ""]


def overall_table(report: LiftReport) -> Table:
    """Every method in every condition: all views together, then each."""
    rows = [
        (condition, name, view, *astuple(errors))
        for condition, methods in report.conditions.items()
        for name, method in methods.items()
        for view, errors in {"all": method.overall, **method.by_view}.items()
        if name != MEAN_POSE or view == "all"  # it is the same from everywhere
    ]
    title = f"{report.motions} motions, {report.frames} frames"
    return Table(title, ("2D", "method", "view", *ERROR_FIGURES.values()), tuple(rows), labels=3)


def interval_table(report: LiftReport) -> Table | None:
    """The 95 % intervals over motions of every method's overall errors; or None."""
    rows = [
        (condition, name, *(f"{a:.1f} to {b:.1f}" for a, b in zip(*ends, strict=True)))
        for condition, methods in report.conditions.items()
        for name, method in methods.items()
        if method.interval is not None
        for ends in [tuple(map(astuple, method.interval))]
    ]
    head: tuple[str | Figure, ...] = ("2D", "method", *ERROR_FIGURES.values())
    return Table(f"Intervals, all views ({HOW})", head, tuple(rows), labels=2) if rows else None


def seen_table(report: LiftReport) -> Table | None:
    """Joints that the input showed and joints it did not, apart; or None."""
    rows = [
        (condition, name, joints, *astuple(errors)[:POSITION_ERRORS])
        for condition, methods in report.conditions.items()
        for name, method in methods.items()
        for joints, errors in (("seen", method.seen), ("unseen", method.unseen))
        if errors is not None
    ]
    figures = list(ERROR_FIGURES.values())[:POSITION_ERRORS]
    title = "By whether the joint was seen"
    return (
        Table(title, ("2D", "method", "joints", *figures), tuple(rows), labels=3) if rows else None
    )


def hidden_table(report: LiftReport) -> Table | None:
    """A row per hidden body part and method: all joints, and those that were hidden; or None."""
    rows: list[tuple[Cell, ...]] = [
        (
            part,
            name,
            found.views,
            *_errors(found.overall, SHORT),
            *_errors(found.unseen, SHORT),
        )
        for methods in report.conditions.values()
        for name, method in methods.items()
        for part, found in method.by_hidden.items()
    ]
    rows.sort(key=lambda row: (str(row[0]), str(row[1])))
    head: tuple[str | Figure, ...] = (
        "hidden",
        "method",
        "views",
        *_figures(""),
        *_figures("unseen"),
    )
    return Table("By hidden body part", head, tuple(rows), labels=2) if rows else None


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
            *(v for m in shown.values() for v in _errors(m.by_azimuth[azimuth], SHORT)),
            *(by_azimuth[azimuth].pa_mpjpe_mm for by_azimuth in linear.values()),
        )
        for azimuth in azimuths
    ]
    aligned = ERROR_FIGURES["pa_mpjpe_mm"]
    fitted = (aligned._replace(label=f"{LINEAR} {c} {aligned.label}") for c in linear)
    views = ", ".join(f"{v:g}" for v in report.views_deg)
    title = f"By azimuth (linear: fitted on {views})"
    return Table(title, ("azimuth", *_conditions_head(shown), *fitted), tuple(rows), labels=0)


def action_table(report: LiftReport, *, short: bool) -> Table:
    """CrossDiff by action, worst PA-MPJPE first; `short` leaves the middle out."""
    shown = _with_conditions(report)
    names = _worst_first(next(iter(shown.values())).by_action)
    left_out = len(names) - WORST_SHOWN - BEST_SHOWN
    title = "By action, worst first"
    if short and left_out > 0:
        names = names[:WORST_SHOWN] + names[-BEST_SHOWN:]
        title += f" ({WORST_SHOWN} worst and {BEST_SHOWN} best; {left_out} between not shown)"
    rows = [
        (
            name,
            report.actions[name].motions,
            report.actions[name].frames,
            *(v for m in shown.values() for v in _errors(m.by_action[name], SHORT)),
        )
        for name in names
    ]
    return Table(title, ("action", "motions", "frames", *_conditions_head(shown)), tuple(rows))


def joint_table(report: LiftReport) -> Table:
    """CrossDiff by joint, in joint order."""
    shown = _with_conditions(report)
    joints = next(iter(shown.values())).by_joint
    rows = [
        (joint, *(v for m in shown.values() for v in _errors(m.by_joint[joint], SHORT)))
        for joint in joints
    ]
    return Table("By joint", ("joint", *_conditions_head(shown)), tuple(rows))


def whole_tables(report: LiftReport) -> list[Table]:
    """All errors by azimuth, action and joint: a table each for every way to lift and condition."""
    out = []
    for name, method in _with_conditions(report).items():
        groups = {
            "azimuth": method.by_azimuth,
            "action": method.by_action,
            "joint": method.by_joint,
        }
        for group, found in groups.items():
            if found:
                out.append(_whole_table(f"{name}: by {group}", group, found))
    return out


def _whole_table(title: str, group: str, found: Mapping[str, Errors]) -> Table:
    """All errors of a group; columns that have nothing to say there are left out."""
    known = [astuple(errors) for errors in found.values()]
    kept = [i for i in range(len(ERROR_FIGURES)) if any(row[i] is not None for row in known)]
    figures = list(ERROR_FIGURES.values())
    rows = tuple((name, *(row[i] for i in kept)) for name, row in zip(found, known, strict=True))
    return Table(title, (group, *(figures[i] for i in kept)), rows)


def report_text(report: LiftReport, *, by_action: bool, by_joint: bool) -> list[str]:
    """What the terminal shows."""
    tables = _first_tables(report)
    tables += [action_table(report, short=True)] if by_action else []
    tables += [joint_table(report)] if by_joint else []
    return "\n\n".join("\n".join(as_text(table)) for table in tables).split("\n")


def report_markdown(report: LiftReport, about: Sequence[str]) -> str:
    """Everything, for a model card.

    Args:
        report: What was found.
        about: Lines on what was measured, on which data.
    """
    overall, *others = _first_tables(report)
    intervals = interval_table(report)
    tables = [
        overall,
        *([] if intervals is None else [intervals]),
        *others,
        action_table(report, short=False),
        joint_table(report),
        *whole_tables(report),
    ]
    lines = [*(f"- {_escaped(line)}" for line in about), ""]
    for table in tables:
        lines += as_markdown(table)
    return "\n".join(lines)


def _first_tables(report: LiftReport) -> list[Table]:
    """What every account of a report begins with."""
    asked = (seen_table(report), hidden_table(report), azimuth_table(report))
    return [overall_table(report), *(table for table in asked if table is not None)]


def _with_conditions(report: LiftReport) -> dict[str, MethodReport]:
    """CrossDiff and its variants in every condition, by `method condition`."""
    return {
        f"{name} {condition}": method
        for condition, methods in report.conditions.items()
        for name, method in methods.items()
        if name.startswith(CROSSDIFF)
    }


def _worst_first(found: Mapping[str, Errors]) -> list[str]:
    return sorted(found, key=lambda name: -found[name].pa_mpjpe_mm)


def _errors(errors: Errors, names: Sequence[str]) -> list[float | None]:
    return [getattr(errors, name) for name in names]


def _figures(prefix: str) -> list[Figure]:
    """The short tables' columns, for one kind of input."""
    known = (ERROR_FIGURES[name] for name in SHORT)
    return [figure._replace(label=f"{prefix} {figure.label}".strip()) for figure in known]


def _conditions_head(shown: Mapping[str, MethodReport]) -> list[Figure]:
    """Columns of all conditions; the usual method on clean 2D needs no name."""
    names = ["" if n == f"{CROSSDIFF} {CLEAN}" else n.removeprefix(f"{CROSSDIFF} ") for n in shown]
    return [figure for name in names for figure in _figures(name)]


def _in_words(table: Table) -> list[list[str]]:
    """Head and rows as text."""
    head = [c if isinstance(c, str) else f"{c.label}, {c.unit}" for c in table.head]
    return [head, *([_in_word(cell) for cell in row] for row in table.rows)]


def _in_word(cell: Cell) -> str:
    if cell is None:
        return UNKNOWN
    return f"{cell:.1f}" if isinstance(cell, float) else str(cell)


def _escaped(cell: str) -> str:
    safe = cell.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;")
    return " ".join(safe.split())
