"""An evaluation's end: `report.html`, `metrics.json`, a row in `runs`, an artifact in Prefect."""

import sys
import tempfile
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from flows.evaluation_page.model import Page
from flows.published_metrics import described, finite, read_json, write_json
from storage.errors import StoreError
from storage.lineage import canonical_json, sha256_text
from storage.rows import check_name
from storage.runs import RunRow, find_run, record_run
from storage.store import open_store

REPORT_NAME = "report.html"
METRICS_NAME = "metrics.json"
BEGUN_NAME = ".publishing.json"
"""Holds the run's id until everything is written: who was killed in between goes on as the same
run, so that `runs` has one row of it."""
ID_LETTERS = 12
"""Hex digits of a run's id: 48 bits, plenty for the runs of a store."""
EVALUATE = "evaluate"
NOTES = ("store_row_note", "artifact_note")
"""What `publish` says of that which was not kept."""
NO_SCORE = ("seconds", "files_of_motions")
"""Parts of the names of metrics that differ when an evaluation is repeated, though no score does:
times, and what was found in a cache."""


@dataclass(frozen=True)
class Evaluated:
    """What an evaluation found, ready to be written down."""

    kind: str
    """text-to-motion, lift, wild or ablation."""
    page: Page
    metrics: dict[str, Any] = field(repr=False)
    """All scores. Plain values and `Interval`; every number finite."""
    lineage: Mapping[str, Any]
    """Which data were read: `TrainingSet.lineage`."""
    checkpoint_ids: tuple[str, ...]
    config: dict[str, Any]
    """What was asked for: everything that the scores depend on."""
    seconds: float
    """Time that measuring took."""


def publish(done: Evaluated, out: Path) -> dict[str, Any]:
    """Write an evaluation down; inside a Prefect flow run also as its artifact.

    `metrics.json` is written last: its presence says that the rest is there. It holds `run_id`,
    `what`, `title`, `facts`, `warnings`, `metrics`, `config`, `data` (the lineage),
    `checkpoint_ids`, `code_version`, `code_commit`, `finished_at`, `seconds`, `store_row`,
    `store_row_note`.

    Args:
        done: The evaluation.
        out: A folder, made when missing; `report.html` and `metrics.json` there are replaced.

    Returns:
        `report` and `metrics` (paths), `run_id`, `store_row` (whether the store that was read has
        a row of this run), `store_row_note` (why it has none; else empty), `artifact_note` (why
        Prefect has no artifact; else empty).

    Raises:
        ValueError: `out` cannot be written, or a metric is not finite.
    """
    # Here and not above: the page's drawing is not needed to describe an evaluation.
    from flows.evaluation_page.page import write_page  # noqa: PLC0415

    check_name("evaluation", done.kind)
    facts = described(done.page)
    row = _row(done, finite(done.metrics), out)
    folder = _writable(out)
    row, recorded = _as_begun(row, folder, done.lineage)
    # That of an earlier run would vouch for a report that is about to change.
    (folder / METRICS_NAME).unlink(missing_ok=True)
    page = replace(done.page, facts=(*done.page.facts, ("run", row.run_id)))
    report = write_page(page, folder / REPORT_NAME)
    stored, note = (True, "") if recorded else _record(row, done.lineage)
    said: dict[str, Any] = {"store_row": stored, "store_row_note": note}
    write_json(folder / METRICS_NAME, {**facts, **_told(row, done), **said})
    # Before the run counts as published: who is killed here goes on as the same run.
    said["artifact_note"] = _artifact_note(done.kind, page, report)
    (folder / BEGUN_NAME).unlink(missing_ok=True)
    paths = {"report": str(report), "metrics": str(folder / METRICS_NAME)}
    return {**paths, "run_id": row.run_id, **said}


def run_published(
    kind: str, name: str, measure: Callable[[], Evaluated], out: Path
) -> tuple[Evaluated, dict[str, Any]]:
    """Measure and publish inside a Prefect flow run `evaluate`.

    Args:
        kind: What is evaluated, as `Evaluated.kind`.
        name: Of the flow run, for people.
        measure: Does the work; what it raises ends the flow run as failed and is raised here.
        out: As of `publish`.

    Returns:
        What was measured, and what `publish` says.

    Raises:
        ValueError: `out` cannot be written, or holds an evaluation of another kind; said before
            anything is measured.
        KeyboardInterrupt: Somebody asked for an end; the flow run is cancelled.
        ConnectionError: The Prefect server that was configured does not answer.
    """
    _refuse_other_kind(_writable(out), kind)
    # Here and not above: Prefect takes seconds to import, and a bad argument needs no server.
    from flows.evaluation_flow import evaluate_flow  # noqa: PLC0415
    from flows.local_api import ensure_api  # noqa: PLC0415

    ensure_api()
    return evaluate_flow(name, measure, out)


def written_lines(published: Mapping[str, Any]) -> list[str]:
    """What `publish` did, for a terminal: where the report lies, and what was not kept."""
    lines = [f"report: {published['report']}"]
    return lines + [note for name in NOTES if (note := published[name])]


def _row(done: Evaluated, metrics: dict[str, Any], out: Path) -> RunRow:
    """The run's row, still without its id."""
    read = done.lineage
    versions = {"videos": read.get("version"), "motions": read.get("table_version")}
    return RunRow(
        run_id="unnamed",
        kind=EVALUATE,
        what=done.kind,
        data=str(read["data"]),
        datasets=tuple(read.get("datasets", ())),
        store_version=read.get("version"),
        table_versions={name: number for name, number in versions.items() if number is not None},
        checkpoint_ids=done.checkpoint_ids,
        config=finite(done.config),
        metrics=metrics,
        out=str(out.absolute()),
        seconds=done.seconds,
        finished_at=datetime.now(UTC),
    )


def _refuse_other_kind(folder: Path, kind: str) -> None:
    """A folder keeps the newest report of one kind: another kind's would replace it unasked."""
    before = read_json(folder / METRICS_NAME).get("what", kind)
    if before != kind:
        raise ValueError(f"{folder} holds an evaluation of '{before}': choose another --out")


def _writable(out: Path) -> Path:
    """The folder, made when missing; tried now, since measuring may take hours."""
    folder = out.absolute()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except OSError as error:
        raise ValueError(f"cannot write to {out}: {error.strerror or error}") from error


def _as_begun(row: RunRow, folder: Path, lineage: Mapping[str, Any]) -> tuple[RunRow, bool]:
    """The row with its run's id, and whether the store has it already.

    The same evaluation with the same scores, killed while it was published, goes on as the same
    run, with the row that was written then. Everything else is a run of its own.
    """
    asked = _digest(row)
    before = read_json(folder / BEGUN_NAME)
    if before.get("asked") == asked:
        begun = str(before["run_id"])
        there = _row_of(begun, lineage)
        if there is None:
            return replace(row, run_id=begun), False
        if _digest(there) == asked:
            return there, True
    run_id = f"{row.what}-{uuid.uuid4().hex[:ID_LETTERS]}"
    write_json(folder / BEGUN_NAME, {"run_id": run_id, "asked": asked})
    return replace(row, run_id=run_id), False


def _digest(row: RunRow) -> str:
    """Of what was asked, of whom, and what came out; not of when and how fast."""
    told = {
        "what": row.what,
        "config": row.config,
        "data": [row.data, row.store_version],
        "datasets": row.datasets,
        "checkpoint_ids": row.checkpoint_ids,
        "code": [row.code_version, row.code_commit],
        "scores": _scores(row.metrics),
    }
    return sha256_text(canonical_json(told))


def _scores(values: Any) -> Any:  # noqa: ANN401 - any JSON value
    if isinstance(values, Mapping):
        kept = [name for name in values if not any(part in name for part in NO_SCORE)]
        return {name: _scores(values[name]) for name in kept}
    return [_scores(each) for each in values] if isinstance(values, list) else values


def _row_of(run_id: str, lineage: Mapping[str, Any]) -> RunRow | None:
    store = lineage.get("store")
    try:
        return None if store is None else find_run(open_store(store), run_id)
    except StoreError:
        return None  # to be said when the row is to be written


def _record(row: RunRow, lineage: Mapping[str, Any]) -> tuple[bool, str]:
    """Whether the store now has the row, and why not."""
    store = lineage.get("store")
    if store is None:
        kind = lineage.get("what", "a plain file of motions")
        return False, f"{lineage['data']} is {kind}, which keeps no runs"
    try:
        if not record_run(open_store(store), row):
            return False, f"the store has another run {row.run_id}: run the evaluation again"
    except StoreError as error:
        return False, f"the store keeps no row of this run: {error}"
    return True, ""


def _told(row: RunRow, done: Evaluated) -> dict[str, Any]:
    return {
        "run_id": row.run_id,
        "what": row.what,
        "metrics": row.metrics,
        "config": row.config,
        "data": finite(dict(done.lineage)),
        "checkpoint_ids": row.checkpoint_ids,
        "code_version": row.code_version,
        "code_commit": row.code_commit,
        "finished_at": row.finished_at.isoformat(timespec="seconds"),
        "seconds": row.seconds,
    }


def _artifact_note(kind: str, page: Page, report: Path) -> str:
    """Why the flow run, where there is one, has no artifact: no reason to lose an evaluation."""
    if not _in_flow_run():
        return ""
    from flows.evaluation_flow import add_artifact  # noqa: PLC0415

    try:
        add_artifact(kind, page, report)
    except Exception as error:  # noqa: BLE001 - whatever goes wrong at a server
        return f"Prefect has no artifact of this run: {' '.join(str(error).split()) or repr(error)}"
    return ""


def _in_flow_run() -> bool:
    """Whether a Prefect flow runs here; who never imported Prefect need not do so to find out."""
    context = sys.modules.get("prefect.context")
    return context is not None and context.FlowRunContext.get() is not None
