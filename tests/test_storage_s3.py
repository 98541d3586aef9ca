"""A store in a bucket, on a local S3 server: the same promises as on a disk, without its lock."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import storage_shards as samples
from s3_server import BUCKET, in_environment, s3_server
from storage_racing import race
from storage_relabeller import begin, keep, relabel
from storage_run_writer import run_row

from flows.cli import main
from flows.training_sets import open_training_set
from storage import fault
from storage.catalog import count_rows, get_motion, list_motions
from storage.compaction import compact
from storage.decisions import Decision, current_decisions, record_decisions
from storage.errors import StoreError
from storage.pending import motions_since
from storage.recipes import all_recipes
from storage.runs import read_runs, record_run
from storage.shards import commit_shard, known_hashes
from storage.store import Store, open_store
from storage.versions import store_history

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def server() -> Iterator[dict[str, str]]:
    with s3_server() as environment:
        yield environment


@pytest.fixture
def bucket(server: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> str:
    """The address of the bucket, with all in the environment that a user has there."""
    for name, value in server.items():
        monkeypatch.setenv(name, value)
    return f"s3://{BUCKET}"


@pytest.fixture
def url(bucket: str, tmp_path: Path) -> str:
    return f"{bucket}/deep/{tmp_path.name}"


@pytest.fixture(scope="module")
def filled(server: dict[str, str]) -> Iterator[str]:
    """The address of a store of three videos, then two more; versions 1 and 2."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in server.items():
            patch.setenv(name, value)
        url = f"s3://{BUCKET}/filled"
        samples.unbroken(url, range(3))  # type: ignore[arg-type]
        commit_shard(open_store(url), samples.shard([3, 5]))
        yield url


def start(server: dict[str, str], script: str, *arguments: str, fault_at: str = ""):
    command = [sys.executable, str(HERE / script), *arguments]
    pipe = subprocess.PIPE
    environment = {**in_environment(server), fault.VARIABLE: fault_at}
    return subprocess.Popen(command, env=environment, stdin=pipe, stdout=pipe, stderr=pipe)


def motion_ids(store: Store) -> list[str]:
    return list_motions(store).column("motion_id").to_pylist()


def test_the_server_lets_only_the_first_of_two_put_a_name(bucket: str) -> None:
    """What exactly-once rests on; a server that lies about it would prove nothing."""
    import boto3
    from botocore.exceptions import ClientError

    client = boto3.client("s3", endpoint_url=os.environ["AWS_ENDPOINT_URL"])
    client.put_object(Bucket=BUCKET, Key="once", Body=b"first", IfNoneMatch="*")
    with pytest.raises(ClientError, match="PreconditionFailed"):
        client.put_object(Bucket=BUCKET, Key="once", Body=b"second", IfNoneMatch="*")
    assert client.get_object(Bucket=BUCKET, Key="once")["Body"].read() == b"first"


def test_a_bucket_holds_what_a_folder_holds(url: str, tmp_path: Path) -> None:
    store = samples.unbroken(url, range(5))  # type: ignore[arg-type]
    local = samples.unbroken(tmp_path / "store", range(5))
    samples.assert_same_store(store, local)
    assert count_rows(open_store(url)) == count_rows(local)
    motion = motion_ids(store)[0]
    assert get_motion(store, motion).motion.n_frames == get_motion(local, motion).motion.n_frames
    ours, theirs = (open_training_set(u, ("train", "test")) for u in (url, local.location.root))
    assert [m.motion_id for m in ours.motions["train"]] == [
        m.motion_id for m in theirs.motions["train"]
    ]


def test_versions_decisions_runs_labels_and_compaction(filled: str) -> None:
    url, store = filled, open_store(filled)
    motion = motion_ids(store)[0]
    assert record_decisions(store, [Decision(motion_id=motion, by="ada", verdict="drop")]) == 1
    assert record_run(store, run_row("a"))
    # Labels of a relabelling that was given up must not stay for ever.
    given_up = begin(store, 2)
    assert given_up is not None and keep(given_up, 2) == 3
    assert relabel(store, 1) is not None
    assert given_up.staged.files() == {}
    compact(store, "demo", fewest=2)
    assert [entry.version.videos for entry in store_history(store.location)] == [3, 2, 1, 0]
    first, second = (open_store(f"{url}@{n}") for n in (1, 2))
    assert (list_motions(first).num_rows, list_motions(second).num_rows) == (3, 5)
    told = [all_recipes(view)["demo"]["checkpoint_id"] for view in (second, open_store(url))]
    assert told == ["crossdiff-small", "checkpoint-1"]
    assert current_decisions(first)[motion].verdict == "drop"
    assert [run.run_id for run in read_runs(store)] == ["a"]
    assert motions_since(store, "demo", 1) == 2
    assert len(store.snapshot("motions").files) == 1, "compaction merged them"


def test_two_writers_at_once_lose_and_double_nothing(
    server: dict[str, str], url: str, tmp_path: Path
) -> None:
    race(
        start(server, "storage_writer.py", url, "0", "4", "2", "--line-up"),
        start(server, "storage_writer.py", url, "0", "4", "3", "--line-up", "--reverse"),
    )
    store = open_store(url)
    samples.assert_keys_once(store)
    samples.assert_same_store(store, samples.unbroken(tmp_path / "one", range(4)))


def test_a_killed_writer_and_its_rerun_make_the_tables_of_an_unbroken_run(
    server: dict[str, str], url: str, tmp_path: Path
) -> None:
    killed = start(server, "storage_writer.py", url, "0", "4", "4", fault_at=fault.AFTER_MOTIONS)
    _, errors = killed.communicate(timeout=120)
    assert killed.returncode == -signal.SIGKILL, errors.decode()
    assert known_hashes(open_store(url), "demo") == frozenset()
    assert list_motions(open_store(url)).num_rows == 0
    commit_shard(open_store(url), samples.shard(range(4)))
    samples.assert_same_store(open_store(url), samples.unbroken(tmp_path / "one", range(4)))


def test_a_user_lists_and_decides_with_the_address_alone(
    filled: str, capsys: pytest.CaptureFixture[str]
) -> None:
    url = filled
    motion = motion_ids(open_store(url))[1]
    assert main(["decide", motion, "--store", url, "--keep", "--by", "ada"]) == 0
    capsys.readouterr()
    assert main(["ls", "--store", url, "--motions", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["rows"]
    assert {row["motion_id"]: row["verdict"] for row in rows}[motion] == "keep"
    assert main(["ls", "--store", f"{url}@1"]) == 0
    assert "3 videos (3 ok)" in capsys.readouterr().out
    assert main(["ls", "--store", f"{url}@9"]) == 2
    assert "has no version 9" in capsys.readouterr().err


def test_what_is_not_there_is_one_sentence(bucket: str) -> None:
    for address in (f"{bucket}/nothing", "s3://no-such-bucket/store"):
        with pytest.raises(StoreError) as refused:
            open_store(address)
        assert "\n" not in str(refused.value) and address in str(refused.value)
