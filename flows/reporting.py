"""Where an ingest's report goes."""

from dataclasses import replace

from flows.report import write_report
from flows.summary import IngestSummary
from storage.location import locate

REPORT_NAME = "report.html"


def add_report(summary: IngestSummary) -> IngestSummary:
    """Write the report beside a local store's tables; remote stores get theirs on request.

    `crossdiff report --store URL --out FILE` writes one for any store.
    """
    location = locate(summary.store)
    if not location.is_local:
        return summary
    path = location.path / REPORT_NAME
    if not summary.processed and path.exists():
        return replace(summary, report=str(path))
    return replace(summary, report=str(write_report(summary.store, path)))
