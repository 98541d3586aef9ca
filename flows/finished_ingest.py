"""Where an ingest leaves its summary for the command: Prefect may be unable to hand it over.

Functions and no variable to import: Prefect sends a flow with all that it names to its workers.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from flows.summary import IngestSummary

_place: ContextVar[list[IngestSummary] | None] = ContextVar("finished_ingest", default=None)


@contextmanager
def place_for_summary() -> Iterator[list[IngestSummary]]:
    """A list that holds the summary once the flow inside the block has come to its end."""
    place: list[IngestSummary] = []
    token = _place.set(place)
    try:
        yield place
    finally:
        _place.reset(token)


def leave_summary(summary: IngestSummary) -> None:
    """Put a summary where `place_for_summary` asked for it, if it did."""
    place = _place.get()
    if place is not None:
        place.append(summary)
