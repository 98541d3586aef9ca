"""Pages of motions, the values that filters offer, and failed files: asked of memory."""

from collections.abc import Mapping, Sequence
from typing import Any

import duckdb

from storage.dashboard.filters import MotionFilter, Page
from storage.dashboard.light_tables import LightTables

ROW = (
    "motion_id", "dataset", "action", "split", "source_kind", "n_frames", "fps", "seconds",
    "captions", "view_name", "visible", "label_score", "label_error", "reprojection", "coverage",
    "skating", "verdict", "decided_by", "decided_at", "decision_id", "has3d",
)  # fmt: skip
FACETS = ("dataset", "action", "split", "source_kind", "view_name", "visible", "verdict")
FACET_VALUES = 500
"""Values of one facet that are offered, most frequent first."""


def motions_page(
    cursor: duckdb.DuckDBPyConnection, wanted: MotionFilter, page: Page
) -> dict[str, Any]:
    """`total` motions that match, and the `rows` of one page."""
    where, values = wanted.where()
    # Names come from this package; values are bound.
    total = rows_of(cursor, f"SELECT count(*) AS n FROM shown WHERE {where}", values)  # noqa: S608
    chosen = (
        f"SELECT place FROM shown WHERE {where} "  # noqa: S608
        f"ORDER BY {page.order_by} LIMIT {int(page.limit)} OFFSET {int(page.offset)}"
    )
    sql = (
        f"SELECT {', '.join(ROW)} FROM shown WHERE place IN ({chosen}) "  # noqa: S608
        f"ORDER BY {page.order_by}"
    )
    return {"total": total[0]["n"], "rows": rows_of(cursor, sql, values)}


def motion_row(cursor: duckdb.DuckDBPyConnection, motion_id: str) -> dict[str, Any] | None:
    """One motion's light columns, also those that no page shows; None: no such motion."""
    found = rows_of(
        cursor, "SELECT * FROM shown JOIN (SELECT place, own_split, own_captions FROM m) "
        "USING (place) WHERE motion_id = $id", {"id": motion_id}
    )  # fmt: skip
    return found[0] if found else None


def facets(cursor: duckdb.DuckDBPyConnection, dataset: str | None) -> dict[str, Any]:
    """Values with their counts, most frequent first; "" stands for none."""
    return {name: tally(cursor, "shown", name, dataset) for name in FACETS}


def tally(
    cursor: duckdb.DuckDBPyConnection,
    table: str,
    column: str,
    dataset: str | None,
    where: str = "true",
) -> list[dict[str, Any]]:
    """How many rows have each value; table, column and condition are this package's own words."""
    sql = (
        f"SELECT coalesce({column}, '') AS value, count(*) AS count FROM {table} "  # noqa: S608
        f"WHERE ($dataset IS NULL OR dataset = $dataset) AND {where} "
        f"GROUP BY 1 ORDER BY count DESC, value LIMIT {FACET_VALUES}"
    )
    return rows_of(cursor, sql, {"dataset": dataset})


def failures(
    cursor: duckdb.DuckDBPyConnection,
    dataset: str | None,
    reason: str | None,
    offset: int,
    limit: int,
) -> dict[str, Any]:
    """Files that gave nothing, and why."""
    where = (
        "status = 'failed' AND ($dataset IS NULL OR dataset = $dataset) "
        "AND ($reason IS NULL OR reason = $reason)"
    )
    values = {"dataset": dataset, "reason": reason}
    total = rows_of(cursor, f"SELECT count(*) AS n FROM v WHERE {where}", values)  # noqa: S608
    sql = (
        f"SELECT name, dataset, reason, detail, action FROM v WHERE {where} "  # noqa: S608
        f"ORDER BY dataset, name LIMIT {int(limit)} OFFSET {int(offset)}"
    )
    return {"total": total[0]["n"], "rows": rows_of(cursor, sql, values)}


def datasets_of(light: LightTables, motion_ids: list[str]) -> dict[str, str]:
    """The data sets of those motions that there are."""
    cursor = light.cursor()
    try:
        found = rows_of(
            cursor, "SELECT motion_id, dataset FROM m WHERE motion_id IN (SELECT unnest($ids))",
            {"ids": motion_ids},
        )  # fmt: skip
    finally:
        cursor.close()
    return {row["motion_id"]: row["dataset"] for row in found}


def shown_of(
    cursor: duckdb.DuckDBPyConnection, motion_ids: Sequence[str]
) -> dict[str, dict[str, Any]]:
    """What a page shows of some motions: data set, class, and what holds of each now."""
    found = rows_of(
        cursor, "SELECT motion_id, dataset, action, verdict, captions, split FROM shown "
        "WHERE motion_id IN (SELECT unnest($ids))", {"ids": list(motion_ids)},
    )  # fmt: skip
    return {row["motion_id"]: row for row in found}


def rows_of(
    cursor: duckdb.DuckDBPyConnection, sql: str, values: Mapping[str, object] | None = None
) -> list[dict[str, Any]]:
    """The answer to a query, a dictionary a row."""
    cursor.execute(sql, dict(values or {}))
    names = [column[0] for column in cursor.description or ()]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
