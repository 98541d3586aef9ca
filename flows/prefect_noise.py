"""Keep Prefect's tracebacks about its own server off the terminal: they are told in a sentence."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import httpx

LOGGERS = ("prefect.flow_runs", "prefect.task_runs", "prefect._internal.concurrency")
EVENTS_WORKER = "EventsWorker"
"""The service that sends events; each one that it cannot send becomes an error with its content."""


@contextmanager
def quiet_when_server_is_away() -> Iterator[None]:
    """Drop what these loggers say of requests that failed; everything else is said."""
    for name in LOGGERS:
        logging.getLogger(name).addFilter(_is_ours)
    try:
        yield
    finally:
        for name in LOGGERS:
            logging.getLogger(name).removeFilter(_is_ours)


def _is_ours(record: logging.LogRecord) -> bool:
    error = record.exc_info[1] if record.exc_info else None
    return not isinstance(error, httpx.HTTPError) and EVENTS_WORKER not in record.getMessage()
