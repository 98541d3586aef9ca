"""One function understands every store URL, or says in one sentence why not."""

from pathlib import Path

import pytest

from storage.errors import StoreError
from storage.location import locate, without_version


def test_folders_become_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert locate("./demo").root == str(tmp_path / "demo")
    assert locate(tmp_path / "demo").root == str(tmp_path / "demo")
    assert locate(f"file://{tmp_path}/demo").path == tmp_path / "demo"
    assert locate("~/demo").path == Path.home() / "demo"
    assert locate("demo").is_local
    assert locate("demo").table_uri("videos") == f"{tmp_path}/demo/videos"


@pytest.mark.parametrize("url", ["s3://bucket/deep/store", "gs://bucket/store", "s3://bucket"])
def test_buckets_stay_as_they_are(url: str) -> None:
    location = locate(url + "/")
    assert location.root == url
    assert not location.is_local
    assert location.table_uri("motions") == f"{url}/motions"


def test_a_version_is_split_off() -> None:
    assert locate("s3://bucket/store@12").version == 12
    assert locate("s3://bucket/store@12").root == "s3://bucket/store"
    assert locate("folder@home/store").version is None
    assert str(locate("s3://bucket/store@12")) == "s3://bucket/store@12"
    assert locate("s3://bucket/store").version is None


def test_only_a_version_is_taken_off_an_address() -> None:
    assert without_version("s3://bucket/store@12") == "s3://bucket/store"
    assert without_version("me@home/store") == "me@home/store"
    assert without_version("me@home/store@3") == "me@home/store"


def test_options_are_carried_and_never_printed() -> None:
    options = {"AWS_SECRET_ACCESS_KEY": "hush", "AWS_ENDPOINT_URL": "http://localhost:9000"}
    location = locate("s3://bucket/store", options)
    assert dict(location.options) == {**options, "AWS_ALLOW_HTTP": "true"}
    assert "hush" not in repr(location)


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("", "empty"),
        ("   ", "empty"),
        ("http://host/store", "'http:' is not known"),
        ("hdfs://host/store", "'hdfs:' is not known"),
        ("s3://", "no bucket"),
        ("s3:/bucket/store", "no bucket"),
        ("s3://bucket/store?x=1", "no '\\?'"),
        ("file://host/store", "file:///"),
    ],
)
def test_a_bad_url_is_one_clear_sentence(url: str, says: str) -> None:
    with pytest.raises(StoreError, match=says) as refused:
        locate(url)
    assert "\n" not in str(refused.value)


def test_plain_http_is_for_this_machine_unless_it_was_allowed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9000")
    assert locate("s3://bucket/store").options == {"AWS_ALLOW_HTTP": "true"}
    assert locate("gs://bucket/store").options == {}
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://storage.example:9000")
    with pytest.raises(StoreError, match="AWS_ALLOW_HTTP=true"):
        locate("s3://bucket/store")
    monkeypatch.setenv("AWS_ALLOW_HTTP", "true")
    assert locate("s3://bucket/store").options == {}
    monkeypatch.setenv("AWS_ENDPOINT_URL", "https://storage.example")
    monkeypatch.delenv("AWS_ALLOW_HTTP")
    assert locate("s3://bucket/store").options == {}


def test_unsafe_s3_writes_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_S3_ALLOW_UNSAFE_RENAME", "true")
    with pytest.raises(StoreError, match="lose rows"):
        locate("s3://bucket/store")
    assert locate("gs://bucket/store").root == "gs://bucket/store"
