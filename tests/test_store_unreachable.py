"""What may pass by itself is told apart from a refusal; only the former is tried again."""

import errno
import itertools
import os
import re
from collections.abc import Callable

import pyarrow.fs as pafs
import pytest
from deltalake import DeltaTable
from prefect.states import Failed

from flows.ingest import may_pass_by_itself
from flows.time_limit import TookTooLongError
from models.checkpoint_id import CheckpointError
from storage import patience
from storage.errors import RecipeMismatch, StoreError, StoreUnreachable, told_plainly
from storage.patience import patiently, retry_delays

NOBODY = "http://127.0.0.1:9"
OWN_RETRIES = "after 10 retries, max_retries: 10, retry_timeout: 180s"


def raising(error: BaseException) -> Callable[[], None]:
    def act() -> None:
        with told_plainly("read table x of s3://b/store"):
            raise error

    return act


def delta_on_a_dead_server() -> None:
    options = {"aws_endpoint": NOBODY, "allow_http": "true", "aws_access_key_id": "x",
               "aws_secret_access_key": "y", "region": "us-east-1", "max_retries": "1"}  # fmt: skip
    with told_plainly("read table x of s3://b/store"):
        DeltaTable("s3://b/x", storage_options=options)


def arrow_on_a_dead_server() -> None:
    once = pafs.AwsStandardS3RetryStrategy(max_attempts=1)
    client = pafs.S3FileSystem(endpoint_override=NOBODY, region="us-east-1", access_key="x",
                               secret_key="y", retry_strategy=once)  # fmt: skip
    with told_plainly("read table x of s3://b/store"):
        client.get_file_info(["b/x"])


@pytest.mark.parametrize(
    "act",
    [
        delta_on_a_dead_server,
        arrow_on_a_dead_server,
        raising(OSError(f"Generic S3 error: Error performing PUT {OWN_RETRIES} - Server returned "
                        "non-2xx status code: 503 Service Unavailable")),
        raising(OSError("AWS Error UNKNOWN (HTTP status 503) during ListObjectsV2 operation")),
        raising(OSError("error sending request: operation timed out")),
        raising(OSError("SlowDown: please reduce your request rate")),
        raising(OSError(errno.ESTALE, os.strerror(errno.ESTALE))),
        raising(OSError("Generic LocalFileSystem error: Stale file handle (os error 116)")),
        raising(ConnectionResetError()),
    ],
)  # fmt: skip
def test_what_is_about_reaching_the_store_may_pass(act: Callable[[], None]) -> None:
    with pytest.raises(StoreUnreachable, match="cannot read table x of s3://b/store") as told:
        act()
    assert "\n" not in str(told.value)
    assert may_pass_by_itself(None, None, Failed(data=told.value))


@pytest.mark.parametrize(
    "error",
    [
        OSError(f"Error performing GET {OWN_RETRIES} - Client error with status 403 Forbidden"),
        OSError("AWS Error ACCESS_DENIED during ListObjectsV2 operation: No response body."),
        OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)),
        OSError("Generic LocalFileSystem error: File too large (os error 27)"),
        OSError(errno.EACCES, os.strerror(errno.EACCES)),
        ValueError("could not parse row 503 of 5000"),
    ],
)
def test_a_refusal_does_not(error: Exception) -> None:
    with pytest.raises(StoreError) as told:
        raising(error)()
    assert not isinstance(told.value, StoreUnreachable)
    assert not may_pass_by_itself(None, None, Failed(data=told.value))


@pytest.mark.parametrize(
    "error",
    [RecipeMismatch("x"), CheckpointError("x"), ValueError("x"), TookTooLongError("x"),
     MemoryError()],
)  # fmt: skip
def test_nothing_else_is_worth_another_attempt(error: BaseException) -> None:
    assert not may_pass_by_itself(None, None, Failed(data=error))


def test_the_waits_outlast_a_minute_and_can_be_shortened(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(patience.VARIABLE, raising=False)
    delays = retry_delays()
    assert sum(delays) * (1 - patience.JITTER) > 60
    assert all(later == 2 * earlier for earlier, later in itertools.pairwise(delays))
    monkeypatch.setenv(patience.VARIABLE, "0.5")
    assert retry_delays()[:2] == [0.5, 1.0]
    for wrong in ("soon", "-1", "inf", "nan"):
        monkeypatch.setenv(patience.VARIABLE, wrong)
        with pytest.raises(ValueError, match=re.escape(f"{patience.VARIABLE}={wrong!r}: give")):
            retry_delays()


def test_patience_repeats_what_may_pass_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(patience.VARIABLE, "0")
    calls: list[str] = []
    heard: list[str] = []

    def act() -> int:
        calls.append("call")
        if len(calls) < 3:
            raise StoreUnreachable("away")
        return 7

    assert patiently(act, heard.append) == 7
    assert (len(calls), len(heard)) == (3, 2)
    assert all("away; trying again" in said for said in heard)

    def never() -> None:
        calls.append("call")
        raise StoreUnreachable("away")

    calls.clear()
    with pytest.raises(StoreUnreachable):
        patiently(never)
    assert len(calls) == patience.RETRIES + 1
    with pytest.raises(RecipeMismatch):
        patiently(raising(RecipeMismatch("no")))
