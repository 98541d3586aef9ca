"""How an evaluation's values are written, compared and sorted: for its page and its Markdown."""

from dataclasses import dataclass

from flows.evaluation_page.model import Column, Table, Value
from models.evaluation.intervals import Interval

UNKNOWN = "\u2013"
THIN_SPACE = "\u202f"
PLUS_MINUS = "\u00b1"
INFINITE = (float("inf"), float("-inf"))


@dataclass(frozen=True)
class Shown:
    """A cell as text."""

    text: str
    half: str = ""
    """Half width of its interval; empty without one."""
    note: str = ""
    """What limits it, in a few words."""
    key: str = ""
    """What it is sorted by; empty comes last."""

    @property
    def whole(self) -> str:
        """The cell in one line."""
        value = f"{self.text} {PLUS_MINUS} {self.half}" if self.half else self.text
        return f"{value} ({self.note})" if self.note else value


def show(value: Value, digits: int = 3) -> Shown:
    """A value as its column writes it.

    Args:
        value: The cell.
        digits: Behind the point.
    """
    if value is None:
        return Shown(UNKNOWN)
    if isinstance(value, str):
        return Shown(value, key=value)
    if isinstance(value, Interval):
        return _show_interval(value, digits)
    if isinstance(value, int):
        return Shown(f"{value:,}".replace(",", THIN_SPACE), key=str(value))
    if not is_finite(value):
        return Shown("NaN" if value != value else str(value), note="not a usable number")  # noqa: PLR0124
    return Shown(_fixed(value, digits), key=repr(value))


def _show_interval(value: Interval, digits: int) -> Shown:
    mean, key = _fixed(value.mean, digits), repr(value.mean)
    if value.half_width is None:
        return Shown(mean, note=f"n = {value.n}", key=key)
    return Shown(mean, _fixed(value.half_width, digits), key=key)


def is_finite(value: float) -> bool:
    """Whether a number is neither NaN nor infinite."""
    return value == value and value not in INFINITE  # noqa: PLR0124 - NaN alone differs from itself


def number_of(value: Value) -> float | None:
    """What a cell counts for in a comparison; None when it does not."""
    if isinstance(value, Interval):
        return value.mean
    if value is None or isinstance(value, str) or not is_finite(value):
        return None
    return float(value)


def is_numeric(table: Table, column: int) -> bool:
    """Whether a column holds numbers (or nothing) only."""
    cells = [row[column] for row in table.rows]
    return column > 0 and not any(isinstance(cell, str) for cell in cells)


def best_rows(table: Table, column: int) -> frozenset[int]:
    """Rows that are best in a column, and those that may be.

    The best share the best value as it is written; others' intervals overlap that of a best row.

    None where nothing says which way is good, or where fewer than two rows compete.
    """
    spec = table.columns[column]
    ranked = [(n, row[column]) for n, row in enumerate(table.rows) if n not in table.unranked]
    known = {n: value for n, cell in ranked if (value := number_of(cell)) is not None}
    if not spec.better or len(known) < 2:
        return frozenset()
    best = max(known.values()) if spec.better == "higher" else min(known.values())
    written = _fixed(best, spec.digits)
    leading = [n for n, value in known.items() if _fixed(value, spec.digits) == written]
    ends = {n: _ends(table.rows[n][column], value) for n, value in known.items()}
    low, high = min(ends[n][0] for n in leading), max(ends[n][1] for n in leading)
    near = [n for n, (first, last) in ends.items() if first <= high and last >= low]
    return frozenset((*leading, *near))


def _ends(cell: Value, value: float) -> tuple[float, float]:
    """Of its interval; the value itself where it has none."""
    return cell.ends if isinstance(cell, Interval) else (value, value)


def heading(column: Column) -> str:
    """A column's name with its unit."""
    return f"{column.label}, {column.unit}" if column.unit else column.label


def _fixed(value: float, digits: int) -> str:
    return f"{value:.{digits}f}"
