"""Whether a data set is due for a finetuning: enough is new, and no earlier run waits its turn."""

from pathlib import Path

from flows.finetune_files import GATE_FILE
from storage.pending import last_finetuned_version, motions_since
from storage.rows import check_name
from storage.runs import COMPLETED, read_runs
from storage.store import Store, open_store
from storage.versions import newest_version

RUNS = "runs"
"""In a folder of models: the runs that deployments made."""


def run_folder(models: Path, dataset: str, version: int) -> Path:
    """Where a finetuning on a version of a data set lies: the same place when it is run again.

    Raises:
        ValueError: `dataset` is no name.
    """
    check_name("data set", dataset)
    return models.absolute() / RUNS / f"{dataset}-v{version}"


def version_to_read(store: str, version: int | None) -> int:
    """The store's version to finetune on: the newest where none is named.

    Raises:
        StoreError: The store cannot be read.
    """
    return newest_version(open_store(store).location).videos if version is None else version


def pending_motions(store: Store, dataset: str) -> int:
    """Motions of a data set that no finetuning has seen.

    Raises:
        StoreError: The store cannot be read.
    """
    return motions_since(store, dataset, last_finetuned_version(store, dataset))


def too_few(store: str, dataset: str, least: int) -> str:
    """Why a data set is not due; "" when it is.

    Args:
        store: Store URL.
        dataset: The data set.
        least: New motions that are worth a finetuning.

    Raises:
        StoreError: The store cannot be read.
    """
    new = pending_motions(open_store(store), dataset)
    return f"{new} new motions of {least} in {dataset}" if new < least else ""


def waiting_run(store: str, models: Path) -> Path | None:
    """A finished run in `models` whose evaluation is still to come; the longest waiting first.

    What is finetuned beside it would begin from a network that may be replaced meanwhile.

    Raises:
        StoreError: The store cannot be read.
    """
    root = models.absolute() / RUNS
    for run in reversed(read_runs(open_store(store), kind="finetune")):
        folder = Path(run.out) if run.out else root
        waits = folder.is_dir() and not (folder / GATE_FILE).is_file()
        if run.status == COMPLETED and folder.parent == root and waits:
            return folder
    return None
