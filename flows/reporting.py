"""Where an ingest's report goes."""

from dataclasses import replace

from flows.plain_errors import sentence
from flows.report import write_report
from flows.summary import IngestSummary
from storage.errors import StoreError
from storage.location import locate

REPORT_NAME = "report.html"


def add_report(summary: IngestSummary) -> IngestSummary:
    """Write the report beside a local store's tables; remote stores get theirs on request.

    `crossdiff report --store URL --out FILE` writes one for any store. A summary that names its
    report keeps it. Where none can be written the summary says why: the rows are stored all the
    same.
    """
    if summary.report is not None:
        return summary
    location = locate(summary.store)
    if not location.is_local:
        return summary
    path = location.path / REPORT_NAME
    if not summary.processed and path.exists():
        return replace(summary, report=str(path))
    try:
        return replace(summary, report=str(write_report(summary.store, path)))
    except (OSError, StoreError) as error:
        return summary.warned(f"the report was not written: {sentence(error)}")
