"""Announced by ingests and evaluations: a data set has motions that no finetuning has seen."""

from flows import events
from flows.finetune_due import pending_motions
from flows.summary import IngestSummary
from storage.errors import StoreError
from storage.location import locate
from storage.seen_videos import pseudo_datasets
from storage.store import open_store
from storage.versions import newest_version


def announce_snapshot(summary: IngestSummary) -> str:
    """Tell the Prefect server when motions wait for a finetuning, whichever run brought them.

    An ingest that is killed between its commit and its announcement loses nothing by it: motions
    are pending until a finetuning has read them, and each later ingest announces them again.

    Returns:
        "" when there was nothing to tell, nobody to tell it, or the server has it; otherwise why
        it was not told.
    """
    return _announce(summary.store, summary.dataset, summary.version, summary.motions)


def announce_waiting(url: str) -> str:
    """The same for all data sets of a store, after an evaluation for which they may have waited.

    Args:
        url: The store.

    Returns:
        As of `announce_snapshot`.
    """
    try:
        store = open_store(url)
        names, version = pseudo_datasets(store), newest_version(store.location).videos
    except StoreError as error:
        return f"{events.SNAPSHOT_COMMITTED} was not announced: {error}"
    notes = [_announce(url, name, version, 0) for name in names]
    return "; ".join(filter(None, notes))


def _announce(url: str, dataset: str, version: int, rows: int) -> str:
    try:
        pending = pending_motions(open_store(url), dataset)
    except StoreError as error:
        return f"{events.SNAPSHOT_COMMITTED} was not announced: {error}"
    if not (pending or rows):
        return ""
    payload = {
        "dataset": dataset,
        "store": locate(url).root,  # who hears of it runs in another folder
        "version": version,
        "rows": rows,
        "pending": pending,
    }
    resource = f"{events.DATASET_RESOURCE}.{dataset}"
    note = events.announce(events.SNAPSHOT_COMMITTED, resource, payload)
    return "" if note == events.NOBODY else note
