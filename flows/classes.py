"""`crossdiff classes`: motions per action class, of a quality if asked."""

from typing import Any

from storage.plain_motions import QualityBounds, motions_per_class
from storage.store import open_store

NO_ACTION = "(none)"


def list_classes(
    url: str, bounds: QualityBounds, dataset: str | None
) -> tuple[dict[str, Any], list[str]]:
    """Counts by class as data, and the lines to print.

    Raises:
        StoreError: The store cannot be read.
    """
    rows = motions_per_class(open_store(url), bounds, dataset).to_pylist()
    lines = [
        f"{row['motions']:>9,} motions {row['seconds']:>11,.0f} s  {row['action'] or NO_ACTION}"
        for row in rows
    ]
    return {"store": url, "dataset": dataset, "classes": rows}, lines or ["no motion is like that"]
