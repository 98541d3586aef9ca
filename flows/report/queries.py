"""The report's numbers, asked of the store in SQL: one consistent version for the whole page."""

from dataclasses import dataclass
from typing import Any

import duckdb

FAILURES_SHOWN = 400
"""Lines of the list of failed files; the counts above it are always of all."""
STAGES = ("decode", "pose", "normalise", "lift")

_SCOPE = "($dataset IS NULL OR dataset = $dataset)"

_TOTALS = f"""
SELECT v.*, m.* FROM
  (SELECT count(*) AS videos,
          count(*) FILTER (status = 'ok') AS ok,
          count(*) FILTER (status = 'failed') AS failed,
          coalesce(sum(duration_s), 0) / 60 AS video_minutes,
          coalesce(sum(frames_decoded), 0)::BIGINT AS video_frames
   FROM videos WHERE {_SCOPE}) v,
  (SELECT count(*) AS motions,
          coalesce(sum(n_frames), 0)::BIGINT AS motion_frames,
          coalesce(sum(n_frames / fps), 0) / 60 AS motion_minutes,
          count(*) FILTER (source_kind = 'mocap') AS captured,
          count(DISTINCT action) AS actions
   FROM motions WHERE {_SCOPE}) m
"""  # noqa: S608 - every part is this module's own; values are bound

_REASONS = f"""
SELECT reason, count(*) AS videos, count(*) / sum(count(*)) OVER () AS share,
       min(detail) AS example
FROM videos WHERE status = 'failed' AND {_SCOPE}
GROUP BY reason ORDER BY videos DESC, reason
"""  # noqa: S608

_FAILED_FILES = f"""
SELECT name, dataset, reason, detail, path
FROM videos WHERE status = 'failed' AND {_SCOPE}
ORDER BY reason, dataset, name LIMIT {FAILURES_SHOWN}
"""  # noqa: S608

_WARNINGS = f"""
SELECT code, count(*) AS videos FROM
  (SELECT unnest(warnings) AS code FROM videos WHERE {_SCOPE})
GROUP BY code ORDER BY videos DESC, code
"""  # noqa: S608

_STAGE = """
SELECT '{stage}' AS stage,
       coalesce(sum(seconds_{stage}), 0) AS seconds,
       1000 * sum(seconds_{stage}) FILTER (frames_decoded > 0)
         / nullif(sum(frames_decoded) FILTER (seconds_{stage} IS NOT NULL), 0) AS ms_per_frame
FROM videos WHERE {scope}
"""
_STAGES = f"""
WITH stages AS ({" UNION ALL ".join(_STAGE.format(stage=s, scope=_SCOPE) for s in STAGES)})
SELECT *, coalesce(seconds / nullif(sum(seconds) OVER (), 0), 0) AS share FROM stages
"""  # noqa: S608

_CLASSES = f"""
WITH v AS (SELECT coalesce(action, '') AS action, count(*) AS videos,
                  count(*) FILTER (status = 'failed') AS failed
           FROM videos WHERE {_SCOPE} GROUP BY 1),
     m AS (SELECT coalesce(action, '') AS action, count(*) AS motions,
                  sum(n_frames / fps) AS seconds, median(quality_reprojection_error) AS reprojection
           FROM motions WHERE {_SCOPE} GROUP BY 1)
SELECT coalesce(v.action, m.action) AS action, coalesce(videos, 0) AS videos,
       coalesce(failed, 0) AS failed, coalesce(motions, 0) AS motions,
       coalesce(seconds, 0) AS seconds, reprojection
FROM v FULL JOIN m ON v.action = m.action ORDER BY action
"""  # noqa: S608

_LINEAGE = """
WITH made AS (
  SELECT dataset, estimator_id, checkpoint_id, code_version, code_commit, created_at FROM videos
  UNION ALL
  SELECT dataset, estimator_id, checkpoint_id, code_version, code_commit, created_at FROM motions)
SELECT r.dataset, any_value(r.recipe_id) AS recipe_id, any_value(r.recipe_json) AS recipe_json,
       list_sort(list(DISTINCT estimator_id)) AS estimators,
       list_sort(list(DISTINCT checkpoint_id)) AS checkpoints,
       list_sort(list(DISTINCT made.code_version || coalesce(' (' || code_commit || ')', '')))
         AS code_versions,
       strftime(min(made.created_at), '%Y-%m-%d %H:%M') AS first_made,
       strftime(max(made.created_at), '%Y-%m-%d %H:%M') AS last_made
FROM datasets r JOIN made ON made.dataset = r.dataset
WHERE $dataset IS NULL OR r.dataset = $dataset
GROUP BY r.dataset ORDER BY r.dataset
"""

_CHOSEN = f"""
SELECT motion_id FROM
  (SELECT motion_id, action,
          row_number() OVER (PARTITION BY dataset, action ORDER BY motion_id) AS turn
   FROM motions WHERE {_SCOPE})
ORDER BY turn, action, motion_id LIMIT $most
"""  # noqa: S608

_DATASETS = "SELECT DISTINCT dataset FROM datasets UNION SELECT DISTINCT dataset FROM videos"

Row = dict[str, Any]
"""Column name to value."""


@dataclass(frozen=True)
class Numbers:
    """All that the page says in figures."""

    totals: Row
    """videos, ok, failed, video_minutes, video_frames, motions, motion_frames, motion_minutes,
    captured, actions."""
    reasons: list[Row]
    """Per reason code: reason, videos, share, example."""
    failed_files: list[Row]
    """name, dataset, reason, detail, path; at most `FAILURES_SHOWN`."""
    warnings: list[Row]
    """Per warning code: code, videos."""
    stages: list[Row]
    """Per stage: stage, seconds, ms_per_frame (None when unknown), share."""
    classes: list[Row]
    """Per action: action (empty for none), videos, failed, motions, seconds, reprojection."""
    lineage: list[Row]
    """Per data set: recipe, estimators, checkpoints, code versions, first and last row's time."""


def ask_numbers(connection: duckdb.DuckDBPyConnection, dataset: str | None) -> Numbers:
    """Everything the page counts, of one data set or (None) of all.

    Args:
        connection: From `storage.catalog.connect`.
        dataset: Which data set.
    """
    return Numbers(
        totals=_rows(connection, _TOTALS, dataset)[0],
        reasons=_rows(connection, _REASONS, dataset),
        failed_files=_rows(connection, _FAILED_FILES, dataset),
        warnings=_rows(connection, _WARNINGS, dataset),
        stages=_rows(connection, _STAGES, dataset),
        classes=_rows(connection, _CLASSES, dataset),
        lineage=_rows(connection, _LINEAGE, dataset),
    )


def ask_quality(
    connection: duckdb.DuckDBPyConnection, column: str, dataset: str | None
) -> list[float]:
    """All values of one quality column that are known.

    Args:
        connection: From `storage.catalog.connect`.
        column: A quality column of `motions`; never a user's words.
        dataset: Which data set; None for all.
    """
    sql = f"SELECT {column} AS value FROM motions WHERE {column} IS NOT NULL AND {_SCOPE}"  # noqa: S608
    return [float(row["value"]) for row in _rows(connection, sql, dataset)]


def choose_motions(
    connection: duckdb.DuckDBPyConnection, dataset: str | None, most: int
) -> list[str]:
    """Ids of motions to show: every class in turn, until there are `most`."""
    rows = _rows(connection, _CHOSEN, dataset, most=most)
    return [str(row["motion_id"]) for row in rows]


def dataset_names(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """All data sets of the store, sorted."""
    return sorted(row["dataset"] for row in _rows(connection, _DATASETS))


def _rows(
    connection: duckdb.DuckDBPyConnection, sql: str, dataset: str | None = None, **values: object
) -> list[Row]:
    names = {"dataset": dataset, **values}
    bound = {name: value for name, value in names.items() if f"${name}" in sql}
    rows: list[Row] = connection.sql(sql, params=bound).to_arrow_table().to_pylist()
    return rows
