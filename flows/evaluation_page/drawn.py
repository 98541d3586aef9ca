"""The parts of an evaluation's page as its template shows them: cells, charts, packed motions."""

from dataclasses import dataclass

from flows.evaluation_page.model import Chart, Clip, Column, Scene, Table
from flows.evaluation_page.values import Shown, best_rows, is_numeric, number_of, show
from models.evaluation.intervals import Interval
from pipeline.render.player_data import PackedMotion, pack_motion
from pipeline.render.point_chart import PointChart, point_chart
from pipeline.skeletons import SKELETONS, Skeleton

BETTER = {"higher": "higher is better", "lower": "lower is better", "": ""}


@dataclass(frozen=True)
class DrawnColumn:
    """A heading."""

    column: Column
    numeric: bool
    best_first: str
    """ascending or descending: the order that a first click gives."""
    about: str
    """Which way is good and what it means; empty when nothing is to be said."""


@dataclass(frozen=True)
class DrawnCell:
    """A cell."""

    shown: Shown
    is_best: bool


@dataclass(frozen=True)
class DrawnTable:
    """A table."""

    table: Table
    columns: tuple[DrawnColumn, ...]
    rows: tuple[tuple[DrawnCell, ...], ...]
    any_best: bool
    any_ranked: bool
    """Whether there are rows that compete; where there are none, none is said to stand apart."""


@dataclass(frozen=True)
class DrawnChart:
    """A chart: one line a point."""

    chart: Chart
    geometry: PointChart | None
    """None when no value is known."""
    values: tuple[str, ...]

    @property
    def any_interval(self) -> bool:
        """Whether there is a whisker to explain."""
        marks = self.geometry.marks if self.geometry else ()
        return any(mark.has_interval for mark in marks if mark is not None)


@dataclass(frozen=True)
class DrawnClip:
    """A motion for the player."""

    clip: Clip
    packed: PackedMotion | None
    """None when it cannot be drawn."""
    note: str
    """The clip's own note, or why it is not drawn."""


@dataclass(frozen=True)
class DrawnScene:
    """Motions side by side."""

    title: str
    clips: tuple[DrawnClip, ...]

    @property
    def plays(self) -> bool:
        """Whether there is anything to play."""
        return any(clip.packed is not None for clip in self.clips)


def draw_table(table: Table) -> DrawnTable:
    """Texts, sort keys and marks of a table.

    Raises:
        ValueError: A row has not as many cells as there are columns, or an unranked row is not
            there.
    """
    for row in table.rows:
        if len(row) != len(table.columns):
            raise ValueError(
                f"table '{table.title}' has {len(table.columns)} columns, "
                f"but the row '{row[0] if row else ''}' has {len(row)} cells"
            )
    if not table.unranked <= set(range(len(table.rows))):
        raise ValueError(f"table '{table.title}' leaves a row out of the ranking that it lacks")
    best = [best_rows(table, number) for number in range(len(table.columns))]
    rows = tuple(
        tuple(
            DrawnCell(show(value, column.digits), number in best[place])
            for place, (value, column) in enumerate(zip(row, table.columns, strict=True))
        )
        for number, row in enumerate(table.rows)
    )
    columns = tuple(_heading(table, number) for number in range(len(table.columns)))
    return DrawnTable(table, columns, rows, any(best), len(table.unranked) < len(table.rows))


def draw_chart(chart: Chart) -> DrawnChart:
    """Geometry and texts of a chart."""
    points = [(number_of(value), _half(value)) for _, value in chart.points]
    geometry = point_chart(points)
    digits = 3 if geometry is None else geometry.decimals
    return DrawnChart(chart, geometry, tuple(show(v, digits).whole for _, v in chart.points))


def draw_scene(scene: Scene) -> DrawnScene:
    """The scene's motions, packed; one that cannot be drawn says why."""
    return DrawnScene(scene.title, tuple(_draw_clip(clip) for clip in scene.clips))


def skeletons_of(scenes: list[DrawnScene]) -> list[Skeleton]:
    """Those that the players need."""
    packed = [clip.packed for scene in scenes for clip in scene.clips]
    names = sorted({motion.skeleton for motion in packed if motion is not None})
    return [SKELETONS[name] for name in names]


def _heading(table: Table, number: int) -> DrawnColumn:
    column = table.columns[number]
    numeric = is_numeric(table, number)
    about = ". ".join(part for part in (BETTER[column.better], column.meaning.rstrip(".")) if part)
    down = numeric and column.better != "lower"
    return DrawnColumn(column, numeric, "descending" if down else "ascending", about)


def _half(value: Interval | float) -> float | None:
    return value.half_width if isinstance(value, Interval) else None


def _draw_clip(clip: Clip) -> DrawnClip:
    try:
        packed = pack_motion(clip.joints, _skeleton_of(clip), from_start=True)
    except ValueError as error:
        return DrawnClip(clip, None, f"cannot be drawn: {error}")
    notes = [clip.note]
    if packed.frames < len(clip.joints):
        notes.append(f"the first {packed.frames} of {len(clip.joints)} frames")
    if packed.clipped:
        notes.append("leaves the 32 m around its start and is held at that border")
    return DrawnClip(clip, packed, "; ".join(note for note in notes if note))


def _skeleton_of(clip: Clip) -> Skeleton:
    joints = clip.joints.shape[1] if clip.joints.ndim == 3 else 0
    for skeleton in SKELETONS.values():
        if skeleton.n_joints == joints:
            return skeleton
    raise ValueError(f"no skeleton has the shape {clip.joints.shape}")
