"""The HTML report of a store: one page that opens from disk."""

from flows.report.page import write_report

__all__ = ["write_report"]
