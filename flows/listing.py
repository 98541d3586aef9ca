"""`crossdiff ls`: the videos, motions or runs of a store as a table and as data."""

from dataclasses import asdict
from typing import Any

from flows.classes import unscored_lines
from pipeline.reasons import Reason
from storage.catalog import count_rows, list_motions, list_videos
from storage.decisions import Decision, as_decided, current_decisions
from storage.plain_motions import count_unscored
from storage.runs import RunRow, read_runs
from storage.schemas import DATASETS
from storage.store import Store, open_store

VIDEO_COLUMNS = ("dataset", "name", "status", "reason", "motions", "duration_s", "detail")
MOTION_COLUMNS = (
    "motion_id", "action", "split", "n_frames", "start_s", "quality_reprojection_error",
    "quality_mean_confidence", "quality_mask_share", "label_score", "verdict",
)  # fmt: skip
RUN_COLUMNS = (
    "run_id", "kind", "what", "store_version", "checkpoint_ids", "finished_at", "seconds", "out",
)  # fmt: skip


def list_store(
    url: str,
    *,
    dataset: str | None,
    status: str | None,
    reason: str | None,
    action: str | None,
    motions: bool,
    min_score: float | None = None,
) -> tuple[dict[str, Any], list[str]]:
    """Rows that match, as plain values, and the lines to print.

    Raises:
        ValueError: A filter that motions or videos do not have, an unknown reason or data set.
        StoreError: The store cannot be read.
    """
    _check_score(min_score, motions=motions)
    store = open_store(url)
    _require_known(store, dataset, reason)
    if motions:
        if status or reason:
            raise ValueError("--status and --reason belong to videos: leave out --motions")
        table = list_motions(store, dataset=dataset, action=action, min_score=min_score)
    else:
        table = list_videos(store, dataset=dataset, status=status, reason=reason, action=action)
    columns = MOTION_COLUMNS if motions else VIDEO_COLUMNS
    rows = table.to_pylist()
    if motions:
        decided = current_decisions(store)
        rows = [_with_decision(row, decided.get(row["motion_id"])) for row in rows]
    counts = count_rows(store, dataset)
    data = {
        "store": url,
        "kind": "motions" if motions else "videos",
        "rows": rows,
        "counts": {
            "videos": counts.videos,
            "videos_by_status": counts.videos_by_status,
            "failures_by_reason": counts.failures_by_reason,
            "motions": counts.motions,
        },
    }
    if min_score is None:
        return data, [*_table(rows, columns), _footer(data)]
    unscored = count_unscored(store, dataset)
    said = [*_table(rows, columns), _footer(data), *unscored_lines(unscored)]
    return {**data, "unscored": unscored}, said


def _with_decision(row: dict[str, Any], made: Decision | None) -> dict[str, Any]:
    return {**as_decided(row, made), "verdict": None if made is None else made.verdict}


def _check_score(min_score: float | None, *, motions: bool) -> None:
    if min_score is None:
        return
    if not motions:
        raise ValueError("--min-score belongs to motions: give --motions with it")
    if not 0.0 <= min_score <= 1.0:  # nan too
        raise ValueError(f"--min-score {min_score}: give the lowest score of a label, 0 to 1")


def list_runs(url: str, *, dataset: str | None) -> tuple[dict[str, Any], list[str]]:
    """Runs that read a store (or, of `URL@12`, that version), newest first.

    Raises:
        ValueError: An unknown data set.
        StoreError: The store cannot be read.
    """
    store = open_store(url)
    _require_known(store, dataset, None)
    rows = [_run(run) for run in read_runs(store, dataset=dataset)]
    shown = [
        {
            **row,
            "checkpoint_ids": ", ".join(row["checkpoint_ids"]) or None,
            "what": f"{row['what']} (quick)" if row["config"].get("quick") else row["what"],
        }
        for row in rows
    ]
    lines = [*_table(shown, RUN_COLUMNS), f"{len(rows)} runs shown"]
    return {"store": url, "kind": "runs", "rows": rows}, lines


def _run(run: RunRow) -> dict[str, Any]:
    times = {"started_at": run.started_at, "finished_at": run.finished_at}
    plain = {name: moment.isoformat(timespec="seconds") for name, moment in times.items()}
    return {**asdict(run), "config_hash": run.config_hash, **plain}


def _require_known(store: Store, dataset: str | None, reason: str | None) -> None:
    """Tell a misspelt filter from one that nothing matches."""
    if reason is not None and reason not in list(Reason):
        raise ValueError(f"no reason is called '{reason}'; there are {', '.join(Reason)}")
    if dataset is None:
        return
    rows = store.snapshot(DATASETS.name).read(columns=["dataset"]).to_pylist()
    known = sorted({row["dataset"] for row in rows})
    if dataset not in known:
        there = f"it has {', '.join(known)}" if known else "it has none yet"
        raise ValueError(f"{store.location} has no data set '{dataset}': {there}")


def _footer(data: dict[str, Any]) -> str:
    counts = data["counts"]
    states = ", ".join(f"{n} {status}" for status, n in counts["videos_by_status"].items())
    shown = len(data["rows"])
    return f"{shown} {data['kind']} shown; {counts['videos']} videos ({states}), " \
           f"{counts['motions']} motions in all"  # fmt: skip


def _cell(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def _table(rows: list[dict[str, Any]], columns: tuple[str, ...]) -> list[str]:
    cells = [[c.removeprefix("quality_") for c in columns]]
    cells += [[_cell(row[c]) for c in columns] for row in rows]
    widths = [max(len(row[i]) for row in cells) for i in range(len(columns))]
    return ["  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip()
            for row in cells]  # fmt: skip
