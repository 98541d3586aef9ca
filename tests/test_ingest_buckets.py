"""Videos in a bucket: a local S3 server, real objects, and what becomes of them."""

import hashlib
import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import storage_shards
from ingest_here import Here, ingest_here, options_for
from moto.server import ThreadedMotoServer

from flows.begin import begin
from flows.bucket_plan import downloads_of
from storage import bucket_videos, patience
from storage.bucket_videos import BucketVideo, Fetched, copy_path, fetch, list_videos_in, sweep
from storage.catalog import list_videos
from storage.errors import StoreError, StoreUnreachable
from storage.source_video import find_source
from storage.store import open_store

BUCKET = "s3://films"
JUNK = b"no video" * 512


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    moto = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    moto.start()
    host, port = moto.get_host_and_port()
    yield f"http://{host}:{port}"
    moto.stop()


@pytest.fixture
def bucket(server: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """An empty bucket, named in the environment as a user would."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", server)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for variable in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL_S3", "AWS_PROFILE"):
        monkeypatch.delenv(variable, raising=False)
    import boto3

    client = boto3.client("s3", endpoint_url=server, region_name="us-east-1")
    client.create_bucket(Bucket="films")
    for item in client.list_objects_v2(Bucket="films").get("Contents", []):
        client.delete_object(Bucket="films", Key=item["Key"])
    return BUCKET


def put(key: str, content: bytes) -> None:
    import boto3

    client = boto3.client("s3", endpoint_url=os.environ["AWS_ENDPOINT_URL"],
                          region_name="us-east-1")  # fmt: skip
    client.put_object(Bucket="films", Key=key, Body=content)


@pytest.fixture
def downloads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Addresses that were downloaded."""
    seen: list[str] = []

    def counted(video: BucketVideo, folder: Path) -> Fetched:
        seen.append(video.url)
        return fetch(video, folder)

    monkeypatch.setattr(bucket_videos, "fetch", counted)
    return seen


def copies(done: Here, options: object) -> list[Path]:
    folder = downloads_of(options)
    return sorted(folder.iterdir()) if folder.is_dir() else []


def test_a_bucket_becomes_rows_that_name_its_objects_and_is_not_downloaded_again(
    bucket: str, tmp_path: Path, downloads: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    put("in/Cartwheel/v_Cartwheel_g01_c01.avi", JUNK[1:])
    put("in/Other/bad.mp4", JUNK)
    put("in/Other/copy.mp4", JUNK)
    put("in/.hidden/x.mp4", JUNK)
    put("in/notes.txt", b"words")
    monkeypatch.setattr("flows.bucket_plan.is_racy", lambda stamp: False)  # they are seconds old
    options = options_for(f"{bucket}/in", tmp_path / "store")
    done = ingest_here(options)

    summary = done.summary
    assert (summary.found, summary.processed, summary.ok, summary.failed) == (3, 2, 0, 2)
    assert (summary.duplicates, summary.unsettled) == (1, 0)
    store = open_store(tmp_path / "store")
    rows = {row["name"]: row for row in list_videos(store).to_pylist()}
    film = rows["Cartwheel/v_Cartwheel_g01_c01.avi"]
    assert film["path"] == f"{bucket}/in/Cartwheel/v_Cartwheel_g01_c01.avi"
    assert film["video_hash"] == hashlib.sha256(JUNK[1:]).hexdigest()
    assert (film["action"], film["group"], film["status"]) == ("Cartwheel", "01", "failed")
    assert rows["Other/bad.mp4"]["aliases"] == ["Other/copy.mp4"]
    assert len(downloads) == 3
    assert copies(done, options) == []  # gone with the commit

    again = ingest_here(options)
    assert (again.summary.known, again.summary.processed) == (3, 0)
    assert len(downloads) == 3

    put("in/Other/bad.mp4", JUNK + b"and more")
    changed = ingest_here(options)
    assert (changed.summary.known, changed.summary.processed) == (2, 1)
    assert downloads[3:] == [f"{bucket}/in/Other/bad.mp4"]


def test_show_says_where_a_buckets_video_lies() -> None:
    video = replace(storage_shards.video_row(0), path=f"{BUCKET}/in/a.mp4")
    source = find_source(video)
    assert source.path is None
    assert source.note == f"the video is not on this machine: it lies at {BUCKET}/in/a.mp4"


def test_copies_can_be_kept_and_are_used_by_a_run_that_goes_on(
    bucket: str, tmp_path: Path, downloads: list[str]
) -> None:
    put("a.mp4", JUNK)
    options = options_for(bucket, tmp_path / "store", keep_downloads=True)
    kept = copies(ingest_here(options), options)
    assert [path.read_bytes() for path in kept] == [JUNK]
    # The store is lost, the copy is not: a run killed before its commit finds its own again.
    shutil.rmtree(tmp_path / "store")
    assert ingest_here(options).summary.processed == 1
    assert downloads == [f"{bucket}/a.mp4"]


def test_a_download_is_whole_or_not_there(
    bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put("a.mp4", JUNK)
    (video,) = list_videos_in(bucket)
    put("a.mp4", JUNK * 2)  # between the list and the download
    assert fetch(video, tmp_path).left == "changed while it was downloaded"
    import boto3

    client = boto3.client("s3", endpoint_url=os.environ["AWS_ENDPOINT_URL"],
                          region_name="us-east-1")  # fmt: skip
    client.delete_object(Bucket="films", Key="a.mp4")
    assert fetch(video, tmp_path).left == "went away before it was downloaded"
    assert list(tmp_path.glob("*.mp4")) == list(tmp_path.glob(".*.partial")) == []


def test_what_a_killed_download_left_is_swept_and_what_is_waited_for_stays(tmp_path: Path) -> None:
    for name in ("wanted.mp4", "done.mp4", ".x.mp4-1.partial", ".y.mp4-2.partial"):
        (tmp_path / name).touch()
    os.utime(tmp_path / ".x.mp4-1.partial", times=(0, 0))
    sweep(tmp_path, keep=[tmp_path / "wanted.mp4"])
    assert sorted(path.name for path in tmp_path.iterdir()) == [".y.mp4-2.partial", "wanted.mp4"]


def test_a_key_never_becomes_a_path(tmp_path: Path) -> None:
    from pipeline.video.stamps import Stamp

    video = BucketVideo(f"{BUCKET}/../../etc/x.mp4", "../../etc/x.mp4", Stamp(1, 2))
    assert copy_path(video, tmp_path).parent == tmp_path


@pytest.mark.parametrize(
    ("url", "said"),
    [
        (f"{BUCKET}/nowhere", "holds no video|cannot list"),
        ("s3://no-such-bucket-here/x", "cannot list"),
        ("s3:///x", "look like s3://bucket/folder"),
        (f"{BUCKET}/list.csv", "a list must be a file on this machine"),
    ],
)
def test_a_wrong_address_is_told_in_a_sentence(bucket: str, url: str, said: str) -> None:
    with pytest.raises((ValueError, StoreError), match=said) as told:
        list_videos_in(url)
    assert "\n" not in str(told.value)
    assert not isinstance(told.value, StoreUnreachable)


def test_a_bucket_that_is_away_is_asked_again_and_then_told(
    bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv(patience.VARIABLE, "0")
    monkeypatch.setattr(patience, "RETRIES", 1)
    with pytest.raises(StoreUnreachable, match=f"cannot list {bucket}"):
        ingest_here(options_for(bucket, tmp_path / "store"))


def test_objects_that_may_change_within_their_clock_are_not_remembered(
    bucket: str, tmp_path: Path, downloads: list[str]
) -> None:
    """S3 counts in seconds: two uploads within one second look the same."""
    put("a.mp4", JUNK)
    options = options_for(bucket, tmp_path / "store")
    for _ in range(2):
        plan = begin(options)
        assert (plan.found, plan.known, len(plan.pending)) == (1, 0, 1)
        copy_path(list_videos_in(bucket)[0], downloads_of(options)).unlink()
    assert len(downloads) == 2
