"""A store that cannot be used says why in one sentence; it never crashes, guesses or goes on."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
import storage_shards as samples
from deltalake import write_deltalake

from storage.catalog import count_rows, get_motion
from storage.errors import StoreError, UnknownMotion
from storage.recipes import register_recipe
from storage.rows import motion_id
from storage.shards import commit_shard
from storage.store import create_store, open_store, open_table


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    store = samples.unbroken(folder, [0, 1])
    commit_shard(store, samples.shard([2, 3]))
    return folder


@pytest.fixture
def folder(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "store"))


def log_entry(folder: Path, table: str, version: int) -> Path:
    return folder / table / "_delta_log" / f"{version:020d}.json"


def garbage_in_log(folder: Path) -> None:
    log_entry(folder, "motions", 2).write_bytes(os.urandom(300))


def truncated_log(folder: Path) -> None:
    os.truncate(log_entry(folder, "motions", 2), 100)


def gap_in_log(folder: Path) -> None:
    log_entry(folder, "motions", 1).unlink()


def lost_data_file(folder: Path) -> None:
    for file in (folder / "motions").glob("*/*.parquet"):
        file.unlink()


def truncated_data_file(folder: Path) -> None:
    for file in (folder / "motions").glob("*/*.parquet"):
        os.truncate(file, 200)


def lost_table(folder: Path) -> None:
    shutil.rmtree(folder / "motions")


def alien_table(folder: Path) -> None:
    shutil.rmtree(folder / "motions")
    write_deltalake(folder / "motions", pa.table({"dataset": ["demo"], "x": [1]}))


DAMAGES = [
    garbage_in_log,
    truncated_log,
    gap_in_log,
    lost_data_file,
    truncated_data_file,
    lost_table,
    alien_table,
]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_store_is_told_and_not_written_over(
    damage: Callable[[Path], None], folder: Path
) -> None:
    damage(folder)
    for use in (
        lambda: count_rows(open_store(folder)),
        lambda: get_motion(open_store(folder), motion_id("demo", samples.video_hash(2), 0, 0)),
        lambda: commit_shard(create_store(folder), samples.shard([7])),
    ):
        with pytest.raises(StoreError) as told:
            use()
        assert "\n" not in str(told.value)
        assert str(folder) in str(told.value)


def test_what_is_not_a_store_is_told(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no such folder"):
        open_store(tmp_path / "nowhere")
    with pytest.raises(StoreError, match="holds no store"):
        open_store(tmp_path)
    (tmp_path / "file").write_text("x")
    with pytest.raises(StoreError, match="no such folder"):
        open_store(tmp_path / "file")


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(StoreError, match="cannot write to"):
        create_store(tmp_path / "file" / "store")
    with pytest.raises(StoreError, match="cannot write to"):
        create_store(tmp_path / "file")


READ_ONLY_PROBE = """
import os, pathlib, sys, tempfile
import storage_shards as samples
from storage.catalog import count_rows
from storage.errors import StoreError
from storage.shards import commit_shard
from storage.store import create_store, open_store
if os.geteuid() == 0:
    # Root may write anywhere. What is imported only when used comes first: the environment may lie
    # in root's own folder.
    with tempfile.TemporaryDirectory() as warm:
        samples.unbroken(pathlib.Path(warm), [7])
        count_rows(open_store(warm))
    os.setuid(65534)
print(count_rows(open_store(sys.argv[1])).videos)
for locking in (True, False):
    try:
        commit_shard(open_store(sys.argv[1], locking=locking), samples.shard([7]))
    except StoreError as error:
        print(error)
try:
    create_store(sys.argv[1])
except StoreError as error:
    print(error)
"""


def test_a_read_only_store_is_read_and_refuses_rows(whole: Path) -> None:
    # Not pytest's own folder: that one is closed to the user that root turns into.
    with tempfile.TemporaryDirectory() as outside:
        folder = Path(shutil.copytree(whole, Path(outside) / "store"))
        Path(outside).chmod(0o755)
        paths = [folder, *folder.rglob("*")]
        for path in paths:
            path.chmod(0o555 if path.is_dir() else 0o444)
        command = [sys.executable, "-c", READ_ONLY_PROBE, str(folder)]
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent)}
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, check=True, env=environment
            )
        finally:
            for path in paths:
                path.chmod(0o755)
    count, locked, unlocked, created = done.stdout.splitlines()
    assert count == "4"
    assert locked.startswith(f"cannot lock the store {folder}")
    assert unlocked.startswith("cannot write a data file")
    assert created.startswith(f"cannot write to {folder}")


def test_versions_and_names_that_do_not_exist_are_told(folder: Path) -> None:
    with pytest.raises(StoreError, match="has no version 9: it has versions 0 to 2"):
        open_store(f"{folder}@9")
    store = open_store(folder)
    with pytest.raises(StoreError, match="no table is called 'clips'"):
        open_table(store, "clips")
    with pytest.raises(StoreError, match="at version 77"):
        open_table(store, "videos", 77)
    with pytest.raises(UnknownMotion, match="no motion 'demo-x'"):
        get_motion(store, "demo-x")
    with pytest.raises(StoreError, match="letter or digit"):
        register_recipe(store, "../up", samples.RECIPE)


def test_an_old_version_cannot_be_written_to(folder: Path) -> None:
    with pytest.raises(StoreError, match="can be read, not written"):
        create_store(f"{folder}@1")
    with pytest.raises(StoreError, match="can be read, not written"):
        commit_shard(open_store(f"{folder}@1"), samples.shard([7]))


def test_a_bucket_that_does_not_answer_is_told_with_its_cause() -> None:
    options = {
        "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
        "AWS_ALLOW_HTTP": "true",
        "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "nobody",
        "AWS_SECRET_ACCESS_KEY": "hush",
        "max_retries": "0",
    }
    with pytest.raises(StoreError, match=r"s3://bucket/store: .*refused") as told:
        open_store("s3://bucket/store", options)
    assert "\n" not in str(told.value)
    assert "hush" not in str(told.value)
