"""Merge the small files that shards leave behind, in every table of a store."""

from dataclasses import asdict
from typing import Any

from storage.compaction import FEWEST_FILES, compact_all
from storage.opened import forget_replaced
from storage.store import open_store


def run_compact(store: str, fewest: int = FEWEST_FILES) -> tuple[dict[str, Any], list[str]]:
    """Merge small files; safe beside running ingests and trainings.

    Args:
        store: Store URL, without a version.
        fewest: Least number of small files worth merging.

    Returns:
        `store` and `tables` (each `table files_before files_after`), and lines for a terminal.

    Raises:
        StoreError: The store cannot be read or written.
        ValueError: `fewest` is below 2.
    """
    opened = open_store(store)
    tables = [asdict(line) for line in compact_all(opened, fewest)]
    forget_replaced(opened)  # what trainings decoded of the small files would lie there for ever
    lines = [
        f"{line['table']}: {line['files_before']} files, now {line['files_after']}"
        for line in tables
    ]
    return {"store": store, "tables": tables}, lines
