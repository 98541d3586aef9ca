"""Files that have not changed are not read again; files that are being written are left."""

import os
import sqlite3
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from flows.ingest_plan import plan_ingest
from pipeline.reasons import Reason
from pipeline.video import find_videos, hashed_files
from pipeline.video.hash_cache import Entry, HashCache, cache_folder, user_hash_cache
from pipeline.video.hashed_files import HashedFile, has_changed, hash_files
from pipeline.video.hashing import sha256_of
from pipeline.video.stamps import RACY_S, Stamp, is_racy, is_settled, stamp_of

SETTLE_S = 30.0
NOW_S = 1_800_000_000.0


@pytest.fixture
def cache(tmp_path: Path) -> HashCache:
    return HashCache(tmp_path / "cache" / "hashes.sqlite")


@pytest.fixture
def old(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files made a moment ago count as old."""
    monkeypatch.setattr(hashed_files, "is_racy", lambda stamp: False)


def make(folder: Path, **contents: str) -> list[Path]:
    folder.mkdir(exist_ok=True)
    for name, content in contents.items():
        (folder / f"{name}.avi").write_text(content)
    return sorted(folder.glob("*.avi"))


_opened: list[str] = []
_hooked = threading.Event()


def _listen(event: str, arguments: tuple[object, ...]) -> None:
    if event == "open" and isinstance(arguments[0], str):
        _opened.append(arguments[0])


@contextmanager
def opened() -> Iterator[list[str]]:
    """Names of the videos that Python opens meanwhile, whoever does it."""
    if not _hooked.is_set():
        sys.addaudithook(_listen)
        _hooked.set()
    _opened.clear()
    found: list[str] = []
    yield found
    found += [name for name in _opened if name.endswith(".avi")]


def hashes(paths: list[Path], cache: HashCache, settle_s: float = 0.0) -> list[HashedFile]:
    return list(hash_files(paths, cache, settle_s))


@pytest.mark.usefixtures("old")
def test_a_second_plan_opens_no_file_and_a_changed_one_is_read(
    tmp_path: Path, cache: HashCache
) -> None:
    paths = make(tmp_path / "v", a="one", b="two", c="three")
    with opened() as first:
        before = plan_ingest(find_videos(tmp_path / "v"), frozenset(), cache)
    assert sorted(first) == [str(path) for path in paths]
    known = frozenset(clip.video_hash for clip in before.pending)
    with opened() as second:
        again = plan_ingest(find_videos(tmp_path / "v"), known, cache)
    assert second == []
    assert (again.found, again.known, again.pending) == (3, 3, ())
    paths[1].write_text("TWO")  # same size
    with opened() as third:
        changed = plan_ingest(find_videos(tmp_path / "v"), known, cache)
    assert third == [str(paths[1])]
    assert [clip.source.path for clip in changed.pending] == [paths[1]]


@pytest.mark.usefixtures("old")
@pytest.mark.parametrize("change", ["content, time put back", "another file, time put back"])
def test_a_time_that_was_put_back_hides_no_change(
    change: str, tmp_path: Path, cache: HashCache
) -> None:
    (path,) = make(tmp_path / "v", a="one")
    hashes([path], cache)
    times = (path.stat().st_atime_ns, path.stat().st_mtime_ns)
    if change.startswith("another"):
        path.unlink()
    path.write_text("ONE")
    os.utime(path, ns=times)
    assert hashes([path], cache)[0].sha256 == sha256_of(path)


def test_a_file_touched_just_before_it_was_read_is_not_remembered(
    tmp_path: Path, cache: HashCache
) -> None:
    (path,) = make(tmp_path / "v", a="one")
    hashes([path], cache)
    assert cache.find([(str(path), stamp_of(path))]) == {}
    assert is_racy(Stamp(1, int(NOW_S * 1e9)), NOW_S + RACY_S / 2)
    assert is_racy(Stamp(1, int(NOW_S * 1e9)), NOW_S - 3600)  # a clock that lies ahead
    assert not is_racy(Stamp(1, int(NOW_S * 1e9)), NOW_S + RACY_S)


@pytest.mark.usefixtures("old")
@pytest.mark.parametrize(
    "damage",
    [
        lambda file: file.write_bytes(b"not a database" * 100),
        lambda file: os.truncate(file, 2000),
        lambda file: file.write_bytes(file.read_bytes()[:4096] + os.urandom(4096)),
    ],
)
def test_a_damaged_cache_is_begun_anew_and_told(
    damage: Callable[[Path], None], tmp_path: Path, cache: HashCache
) -> None:
    paths = make(tmp_path / "v", a="one", b="two")
    want = [file.sha256 for file in hashes(paths, cache)]
    damage(cache.file)
    after = HashCache(cache.file)
    plan = plan_ingest(find_videos(tmp_path / "v"), frozenset(), after)
    assert [clip.video_hash for clip in plan.pending] == want
    assert any("damaged" in said and "read again" in said for said in plan.warnings)
    hashes(paths, HashCache(cache.file))
    with opened() as again:
        assert [file.sha256 for file in hashes(paths, HashCache(cache.file))] == want
    assert again == []


@pytest.mark.usefixtures("old")
def test_a_cache_that_cannot_be_written_is_told_and_costs_only_time(tmp_path: Path) -> None:
    paths = make(tmp_path / "v", a="one")
    (tmp_path / "file").write_text("")
    cache = HashCache(tmp_path / "file" / "hashes.sqlite")
    assert hashes(paths, cache)[0].sha256 == sha256_of(paths[0])
    assert cache.problems
    assert all("cannot be used" in said for said in cache.problems)


def test_an_entry_that_is_no_hash_is_not_believed(tmp_path: Path, cache: HashCache) -> None:
    cache.keep([Entry("/a", Stamp(1, 2), "x" * 64), Entry("/b", Stamp(1, 2), "0" * 64)])
    assert cache.find([("/a", Stamp(1, 2)), ("/b", Stamp(1, 2))]) == {"/b": "0" * 64}
    assert cache.find([("/b", Stamp(2, 2)), ("/b", Stamp(1, 3)), ("/b", Stamp(1, 2, 1)),
                       ("/b", Stamp(1, 2, 0, 1))]) == {}  # fmt: skip
    top = Stamp(1, 2, 3, 2**64 - 1)  # network file systems use all bits
    cache.keep([Entry("/c\udcff", top, "1" * 64)])
    assert cache.find([("/c\udcff", top)]) == {"/c\udcff": "1" * 64}


def test_many_writers_lose_nothing(cache: HashCache) -> None:
    def write(number: int) -> None:
        mine = HashCache(cache.file)
        for k in range(10):
            mine.keep([Entry(f"/{number}/{k}", Stamp(k, number), "0" * 64)])
        assert mine.problems == []

    threads = [threading.Thread(target=write, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with sqlite3.connect(cache.file) as connection:
        assert connection.execute("SELECT count(*) FROM files").fetchone() == (40,)


def test_the_cache_is_the_users_own_and_of_this_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    here = user_hash_cache().file
    assert here.parent == cache_folder() == tmp_path / "crossdiff"
    monkeypatch.setattr("platform.node", lambda: "another")
    assert user_hash_cache().file != here
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")  # to be ignored, says the XDG standard
    assert cache_folder() == Path.home() / ".cache" / "crossdiff"


@pytest.mark.parametrize(
    ("age_s", "settled"),
    [(0, False), (29, False), (30, True), (-29, False), (-30, True), (-1e6, True)],
)
def test_settling_waits_a_while_and_never_for_ever(age_s: float, settled: bool) -> None:
    """Also when a clock lies in the future."""
    moment = int((NOW_S - age_s) * 1e9)
    assert is_settled(Stamp(1, moment), SETTLE_S, NOW_S) == settled
    assert is_settled(Stamp(1, moment), 0.0, NOW_S)


def test_settling_looks_at_the_systems_own_time_too() -> None:
    """A copy that keeps the original's times is new all the same."""
    new, past = int(NOW_S * 1e9), int((NOW_S - 1e6) * 1e9)
    assert not is_settled(Stamp(1, past, new), SETTLE_S, NOW_S)
    assert is_settled(Stamp(1, past, past), SETTLE_S, NOW_S)


def test_a_fresh_file_is_left_and_counted_and_taken_when_it_has_settled(
    tmp_path: Path, cache: HashCache
) -> None:
    make(tmp_path / "v", a="one")
    plan = plan_ingest(find_videos(tmp_path / "v"), frozenset(), cache, SETTLE_S)
    assert (plan.found, plan.pending) == (1, ())
    assert str(plan.left[0]).startswith("a.avi is left for another time: changed less than 30")
    assert len(plan_ingest(find_videos(tmp_path / "v"), frozenset(), cache, 0.001).pending) == 1


def test_a_file_that_grows_while_it_is_read_is_left(
    tmp_path: Path, cache: HashCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = make(tmp_path / "v", a="one", b="two")

    def slow(path: Path) -> str:
        digest = sha256_of(path)
        if path == paths[0]:
            with path.open("a") as file:
                file.write("more")
        return digest

    monkeypatch.setattr(hashed_files, "content_hash", slow)
    grown, still = hashes(paths, cache)
    assert (grown.sha256, grown.unsettled) == (None, "changed while it was being read")
    assert still.sha256 == sha256_of(paths[1])
    assert has_changed(paths[0], still.stamp or stamp_of(paths[1]))


def test_what_is_no_file_has_a_reason_and_hangs_nobody(tmp_path: Path, cache: HashCache) -> None:
    os.mkfifo(tmp_path / "pipe.avi")
    began = time.monotonic()
    pipe, gone, folder = hashes([tmp_path / "pipe.avi", tmp_path / "gone.avi", tmp_path], cache)
    assert time.monotonic() - began < 5
    assert [file.error and file.error.reason for file in (pipe, gone, folder)] == [
        Reason.UNREADABLE, Reason.NOT_FOUND, Reason.UNREADABLE,
    ]  # fmt: skip
