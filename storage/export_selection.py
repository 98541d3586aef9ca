"""Which motions an export takes: named, or by a condition, with what curators decided on them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from storage.catalog import list_motions
from storage.decisions import Decision, as_decided, current_decisions, decisions_version
from storage.errors import UnknownMotion
from storage.store import Store

DROPPED = "drop"
SHOWN_LETTERS = 80
"""Of a condition, in a message."""
_CLOSED: dict[str, str | bool | int | float | list[str]] = {
    "enable_external_access": False,
    "python_enable_replacements": False,
}
"""A condition may ask the listing, and nothing else: no file, no network, no Python variable."""


@dataclass(frozen=True)
class Selection:
    """Motions to export, in the order of their ids."""

    rows: tuple[Mapping[str, Any], ...]
    """What `crossdiff ls --motions` knows of each, with captions and split as decided."""
    decided: Mapping[str, Decision]
    """By motion id, for those that a curator spoke of."""
    left_out: int
    """Dropped by a curator."""
    decisions_version: int | None = None
    """Of the decisions that were heard; None: the store has no such table."""

    @property
    def ids(self) -> list[str]:
        """Their motion ids."""
        return [row["motion_id"] for row in self.rows]

    @property
    def seconds(self) -> float:
        """Length of all of them."""
        return float(sum(row["n_frames"] / row["fps"] for row in self.rows))


def select_motions(
    store: Store,
    ids: Sequence[str] = (),
    *,
    query: str | None = None,
    dataset: str | None = None,
    action: str | None = None,
    min_score: float | None = None,
    dropped: bool = False,
) -> Selection:
    """The motions asked for.

    Args:
        store: The store.
        ids: Motions by name: all of them are taken, dropped ones too. None: by the other arguments.
        query: A condition in SQL over the columns of `crossdiff ls --motions` and `verdict`.
        dataset: Only this data set.
        action: Only this action class.
        min_score: Only labels of at least this score, 0 to 1.
        dropped: Also those that a curator dropped.

    Raises:
        UnknownMotion: A motion was named that the store does not have.
        ValueError: The condition cannot be used; says why.
        StoreError: The store cannot be read.
    """
    table = list_motions(store, dataset=dataset, action=action, min_score=min_score)
    # The version first: what is decided while this runs belongs to the next export.
    heard = decisions_version(store)
    decided = {} if heard is None else current_decisions(store, version=heard)
    verdicts = [_verdict(decided.get(i)) for i in table.column("motion_id").to_pylist()]
    table = table.append_column("verdict", pa.array(verdicts, pa.string()))
    table = _as_split(table, decided)
    wanted = set(ids)
    if wanted:
        _refuse_unknown(store, wanted - set(table.column("motion_id").to_pylist()))
        table = table.filter(
            pc.is_in(table.column("motion_id"), pa.array(sorted(wanted), pa.string()))
        )
    if query is not None:
        table = table.filter(
            pc.is_in(table.column("motion_id"), pa.array(_matching(table, query), pa.string()))
        )
    left_out = 0
    if not (dropped or wanted):
        keep = pc.fill_null(pc.not_equal(table.column("verdict"), DROPPED), True)
        left_out = table.num_rows - int(pc.sum(keep).as_py() or 0)
        table = table.filter(keep)
    rows = tuple(as_decided(row, decided.get(row["motion_id"])) for row in table.to_pylist())
    spoken = {row["motion_id"] for row in rows} & set(decided)
    return Selection(rows, {name: decided[name] for name in sorted(spoken)}, left_out, heard)


def _verdict(decision: Decision | None) -> str | None:
    return None if decision is None else decision.verdict


def _as_split(table: pa.Table, decided: Mapping[str, Decision]) -> pa.Table:
    """With curators' splits in place of the motions' own: that is what a condition asks for."""
    of = {name: decision.split for name, decision in decided.items() if decision.split}
    pairs = zip(
        table.column("motion_id").to_pylist(), table.column("split").to_pylist(), strict=True
    )
    splits = pa.array([of.get(name, own) for name, own in pairs], pa.string())
    return table.set_column(table.schema.get_field_index("split"), "split", splits)


def _refuse_unknown(store: Store, unknown: set[str]) -> None:
    if unknown:
        more = f" and {len(unknown) - 1} more" if len(unknown) > 1 else ""
        raise UnknownMotion(
            f"{store.location} has no motion '{min(unknown)}'{more}; `crossdiff ls --motions` "
            "lists the ids"
        )


def _matching(table: pa.Table, query: str) -> list[str]:
    """Ids for which the condition holds, asked of a copy that can reach nothing else.

    Raises:
        ValueError: The condition is none, or asks for more than it may.
    """
    if any("\ud800" <= letter <= "\udfff" for letter in query):  # bytes that are no UTF-8
        raise ValueError("--query is no readable text: write it as UTF-8")
    said = query if len(query) <= SHOWN_LETTERS else f"{query[:SHOWN_LETTERS]}..."
    sql = f"SELECT motion_id FROM motions WHERE ({query}\n)"  # noqa: S608 - that is what is asked for
    with duckdb.connect(config=_CLOSED) as connection:
        connection.register("given", table)
        connection.execute("CREATE TABLE motions AS SELECT * FROM given")
        connection.unregister("given")
        connection.execute("SET lock_configuration = true")
        try:
            if len(connection.extract_statements(sql)) != 1:
                raise ValueError(f"--query '{said}' must be one condition, without semicolons")
            found = connection.execute(sql).fetchall()
        except duckdb.Error as error:
            why = str(error).splitlines()[0].partition(": ")[2] or str(error)
            raise ValueError(
                f"--query '{said}' cannot be used as a condition over the columns of "
                f"`crossdiff ls --motions`: {why}"
            ) from error
    return [str(name) for (name,) in found]
