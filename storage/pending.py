"""How much a data set has grown since it was last finetuned on: what a trigger's threshold asks."""

import pyarrow as pa

from storage.catalog import connect
from storage.errors import told_plainly
from storage.rows import PSEUDO
from storage.runs import COMPLETED, read_runs
from storage.store import Store
from storage.versions import resolve_version

_IDS = "SELECT motion_id FROM motions WHERE dataset = $dataset AND source_kind = $kind"


def motions_since(store: Store, dataset: str, version: int | None) -> int:
    """Motions from video that the newest version shows and an earlier one did not.

    A motion that was only labelled anew keeps its id and does not count.

    Args:
        store: The store; of a store held at a version, the newest is asked all the same.
        dataset: The data set.
        version: The store's version to compare with; None: all motions count.

    Raises:
        StoreError: The store cannot be read, or never had this version.
    """
    newest = Store(store.location.at(None))
    if version is None:
        return int(_motion_ids(newest, dataset).num_rows)
    location = store.location.at(version)
    before = Store(location, resolve_version(location, version).by_table())
    now, then = _motion_ids(newest, dataset), _motion_ids(before, dataset)
    return int(now.join(then, "motion_id", join_type="left anti").num_rows)


def last_finetuned_version(store: Store, dataset: str) -> int | None:
    """The store's version that the last completed finetune on a data set read; None: there is none.

    Raises:
        StoreError: The store cannot be read.
    """
    runs = read_runs(Store(store.location.at(None)), kind="finetune", dataset=dataset)
    done = (run.store_version for run in runs if run.status == COMPLETED)
    return next((version for version in done if version is not None), None)


def _motion_ids(store: Store, dataset: str) -> pa.Table:
    wanted = {"dataset": dataset, "kind": PSEUDO}
    with told_plainly(f"read the motions of {store.location}"), connect(store) as connection:
        return connection.sql(_IDS, params=wanted).to_arrow_table()
