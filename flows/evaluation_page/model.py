"""What an evaluation's page says, before it is drawn: sections of tables, charts and players."""

from dataclasses import dataclass, field
from typing import Literal

from models.evaluation.intervals import Interval
from pipeline.arrays import Float32

Value = str | int | float | Interval | None
"""A cell; None is shown as a dash."""


@dataclass(frozen=True)
class Column:
    """A table's column; the first one names the rows."""

    label: str
    unit: str = ""
    better: Literal["higher", "lower", ""] = ""
    """Which way is good; the page marks the best row and those whose interval overlaps it."""
    meaning: str = ""
    """One sentence, shown on demand."""
    digits: int = 3
    """Behind the point."""


@dataclass(frozen=True)
class Table:
    """Rows that can be sorted by any column."""

    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Value, ...], ...]
    note: str = ""
    unranked: frozenset[int] = frozenset()
    """Rows that no one competes with: the ground truth, the paper's figures."""


@dataclass(frozen=True)
class Chart:
    """One score of several rows, as points with their intervals on a common scale."""

    title: str
    unit: str
    points: tuple[tuple[str, Interval | float], ...]
    note: str = ""


@dataclass(frozen=True)
class Clip:
    """A motion in a player."""

    label: str
    joints: Float32
    """(T, J, 3) metres, Y up."""
    fps: float
    note: str = ""


@dataclass(frozen=True)
class Scene:
    """Motions side by side under one clock."""

    title: str
    """The caption."""
    clips: tuple[Clip, ...]


@dataclass(frozen=True)
class Section:
    """A part of the page with a link in its navigation."""

    anchor: str
    """Letters, digits and dashes; unique on the page."""
    title: str
    text: tuple[str, ...] = ()
    tables: tuple[Table, ...] = ()
    charts: tuple[Chart, ...] = ()
    scenes: tuple[Scene, ...] = field(default=(), repr=False)


@dataclass(frozen=True)
class Page:
    """An evaluation as its reader sees it."""

    title: str
    facts: tuple[tuple[str, str], ...]
    """How the scores were made: name and value, e.g. ("pool size", "32")."""
    warnings: tuple[str, ...]
    """What limits the scores; shown before them."""
    sections: tuple[Section, ...]
