"""`crossdiff classes`: motions per action class, of a quality if asked."""

from typing import Any

from storage.plain_motions import QualityBounds, count_unscored, motions_per_class
from storage.store import open_store

NO_ACTION = "(none)"


def list_classes(
    url: str, bounds: QualityBounds, dataset: str | None
) -> tuple[dict[str, Any], list[str]]:
    """Counts by class as data, and the lines to print.

    Raises:
        StoreError: The store cannot be read.
    """
    store = open_store(url)
    rows = motions_per_class(store, bounds, dataset).to_pylist()
    unscored = None if bounds.min_score is None else count_unscored(store, dataset)
    lines = [
        f"{row['motions']:>9,} motions {row['seconds']:>11,.0f} s  {row['action'] or NO_ACTION}"
        for row in rows
    ]
    data = {"store": url, "dataset": dataset, "classes": rows}
    lines = lines or ["no motion is like that"]
    if unscored is None:
        return data, lines
    return {**data, "unscored": unscored}, [*lines, *unscored_lines(unscored)]


def unscored_lines(motions: int) -> list[str]:
    """What a bound on scores leaves unsaid."""
    if not motions:
        return []
    return [f"{motions:,} motions from video have no score: they are not among these"]
