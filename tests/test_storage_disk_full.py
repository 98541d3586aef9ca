"""A disk that is full: a sentence, no part of a row, and the rerun completes."""

import resource
import subprocess
import sys
from pathlib import Path

import pytest
import storage_shards as samples
from storage_relabeller import relabel

from storage.catalog import count_rows
from storage.recipes import register_recipe
from storage.schemas import MOTIONS, TRACKS, VIDEOS
from storage.shards import commit_shard, known_hashes
from storage.store import Store, create_store, open_store

WRITER = Path(__file__).with_name("storage_writer.py")
RELABELLER = WRITER.with_name("storage_relabeller.py")


def start(script: Path, store: Store, *arguments: str, limit: int | None = None):
    """Run a script that can write no file larger than `limit` bytes: as a full disk answers."""

    def full() -> None:
        if limit is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    command = [sys.executable, str(script), store.location.root, *arguments]
    pipe = subprocess.PIPE
    # The child sets a limit and starts, nothing else.
    return subprocess.Popen(
        command,
        stdin=pipe,
        stdout=pipe,
        stderr=pipe,
        preexec_fn=full,  # noqa: PLW1509
    )


def test_a_full_disk_stores_nothing_by_halves(tmp_path: Path) -> None:
    """Tracks find room, motions do not."""
    store = create_store(tmp_path / "store")
    register_recipe(store, "demo", samples.RECIPE)
    process = start(WRITER, store, "0", "4", "4", limit=90_000)
    _, errors = process.communicate(timeout=120)
    said = errors.decode().strip().splitlines()
    assert process.returncode == 1, errors.decode()
    last = next(line for line in said if line.startswith("storage.errors.StoreError"))
    assert "cannot write a data file" in last and "File too large" in last
    assert count_rows(store).videos == count_rows(store).motions == 0
    written = [samples.stored(store, spec.name).num_rows for spec in (TRACKS, MOTIONS, VIDEOS)]
    assert written == [6, 0, 0]
    commit_shard(store, samples.shard(range(4)))
    assert len(known_hashes(open_store(store.location.root), "demo")) == 4
    samples.assert_same_store(
        open_store(store.location.root), samples.unbroken(tmp_path / "b", range(4))
    )


@pytest.mark.parametrize("limit", [3_000, 30_000], ids=["no label", "labels, no motions"])
def test_a_full_disk_leaves_the_old_labels(limit: int, tmp_path: Path) -> None:
    store = samples.unbroken(tmp_path / "store", range(4))
    before = samples.stored(store, MOTIONS.name)
    process = start(RELABELLER, store, "1", limit=limit)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 1 and b"storage.errors.StoreError: cannot" in errors
    assert samples.stored(store, MOTIONS.name).equals(before)
    relabel(store, 1)
    recipes = samples.stored(store, MOTIONS.name).column("checkpoint_id").unique().to_pylist()
    assert recipes == ["checkpoint-1"]
