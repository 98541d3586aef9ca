"""What an ingest shows in Prefect: progress, a summary, what failed, and the way to the report.

Rows are what an ingest is for: a Prefect server that cannot take an artifact is a warning.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from uuid import UUID

from prefect.artifacts import (
    create_link_artifact,
    create_markdown_artifact,
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)

from flows.api_answers import API_ERRORS, api_answers, api_comes_back
from flows.markdown_text import as_text
from flows.progress import say
from flows.summary import IngestSummary
from pipeline.time_limits import percent

SUMMARY, FAILURES, PROGRESS, REPORT = (
    "ingest-summary", "ingest-failures", "ingest-progress", "ingest-report"
)  # fmt: skip
MOST_FAILURES = 500
"""Rows of the failures table; `crossdiff ls --status failed` has them all."""


class ProgressArtifact:
    """How much of an ingest is done, as its flow run shows it."""

    def __init__(self, total: int, dataset: str) -> None:
        self._total, self._done = total, [0]
        self.problem: str | None = None
        """Why the server does not show all of it."""
        self._id: UUID | None = None
        made = self._ask(
            lambda: create_progress_artifact(0.0, key=PROGRESS, description=f"Ingest of {dataset}")
        )
        self._id = made if isinstance(made, UUID) else None

    def add(self, clips: int) -> None:
        """A shard has ended."""
        self._done.append(clips)
        artifact = self._id
        if artifact is not None:
            share = percent(sum(self._done), self._total)
            self._ask(lambda: update_progress_artifact(artifact, progress=share))

    def _ask(self, call: Callable[[], object]) -> object:
        try:
            if api_answers():
                return call()
            problem = "its server does not answer"
        except API_ERRORS as error:
            problem = _short(error)
        if self.problem is None:
            self.problem = f"Prefect was not told of all progress: {problem}"
            say(self.problem)
        return None


def show_summary(summary: IngestSummary) -> IngestSummary:
    """Leave the artifacts of a finished ingest; the summary tells what could not be left."""
    calls: dict[str, Callable[[], object]] = {
        SUMMARY: lambda: create_markdown_artifact(summary_markdown(summary), key=SUMMARY),
        FAILURES: lambda: create_table_artifact(
            failure_rows(summary), key=FAILURES, description=f"Failed files of {summary.dataset}"
        ),
    }
    if summary.report is not None:
        link = Path(summary.report).absolute().as_uri()
        calls[REPORT] = lambda: create_link_artifact(link, link_text="report", key=REPORT)
    for key, call in calls.items():
        if not api_comes_back():
            return summary.warned("Prefect has no summary of this run: its server is away")
        try:
            call()
        except API_ERRORS as error:
            # The others would wait for the same server.
            return summary.warned(f"Prefect has no artifact {key}: {_short(error)}")
    return summary


def summary_markdown(summary: IngestSummary) -> str:
    """Counts as tables; texts from files stay texts."""
    counts: Mapping[str, Any] = {
        "files found": summary.found,
        "processed": summary.processed,
        "ok": summary.ok,
        "motions": summary.motions,
        "failed": summary.failed,
        "known": summary.known,
        "duplicates": summary.duplicates,
        "unsettled (left for another run)": summary.unsettled,
        "not stored": summary.unstored,
        "store": f"{summary.store}@{summary.version}",
        "videos in the data set": summary.videos_in_dataset,
        "motions in the data set": summary.motions_in_dataset,
        "seconds": f"{summary.seconds:.1f}",
    }
    out = [f"# Ingest of {as_text(summary.dataset)}", "", "| what | value |", "|---|---|"]
    out += [f"| {as_text(name)} | {as_text(str(value))} |" for name, value in counts.items()]
    if summary.failures_by_reason:
        out += ["", "| reason | clips |", "|---|---|"]
        out += [f"| {k} | {n} |" for k, n in sorted(summary.failures_by_reason.items())]
    notes = [*(f"shard {k} was not stored: {v}" for k, v in summary.failed_shards.items())]
    notes += [*summary.unsettled_files[:MOST_FAILURES], *summary.warnings]
    if notes:
        out += ["", *(f"- {as_text(note)}" for note in notes)]
    return "\n".join(out)


def failure_rows(summary: IngestSummary) -> list[dict[str, str]]:
    """Reason, file and sentence of each file that failed, those of one reason together."""
    ordered = sorted(summary.failures, key=lambda failure: (failure.reason, failure.file))
    rows = [
        {"reason": failure.reason, "file": failure.file, "sentence": failure.detail}
        for failure in ordered[:MOST_FAILURES]
    ]
    if ordered[MOST_FAILURES:]:
        more = f"{len(ordered[MOST_FAILURES:])} more: crossdiff ls --status failed"
        rows.append({"reason": "", "file": "", "sentence": more})
    return rows


def _short(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
