"""The folder of labels on their way into a store may be tidied away by others at any time."""

import shutil
from pathlib import Path

import pytest
import storage_shards as samples
from storage_relabeller import begin, keep

from storage import staged_labels
from storage.location import StoreLocation
from storage.staged_labels import FOLDER
from storage.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return samples.unbroken(tmp_path / "store", range(4))


def test_labels_tidied_away_by_somebody_as_fast_are_no_error(store: Store) -> None:
    """Regression: the slower of two ends could not open what the faster had deleted."""
    work = begin(store, 1)
    assert work is not None
    keep(work, 1)
    folder, names = store.location.path / FOLDER, set(work.staged.files())
    assert names and list(folder.rglob("*.parquet"))
    work.staged.forget()
    assert not folder.exists()
    work.staged.forget()
    keep(work, 1)  # the folder that it wrote into before is gone: it is made again
    assert set(work.staged.files()) == names


def test_a_folder_that_vanishes_while_it_is_made_is_made_again(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another data set's relabelling ends, and tidies away what is empty."""
    gone = []
    opened = staged_labels.table_files

    def vanish_once(location: StoreLocation, table: str) -> object:
        if not gone:
            gone.append(table)
            shutil.rmtree(location.path / FOLDER)
        return opened(location, table)

    monkeypatch.setattr(staged_labels, "table_files", vanish_once)
    work = begin(store, 1)
    assert work is not None
    keep(work, 1)
    assert gone
    assert work.staged.files()
