"""Thumbnails and films of motions: on the joints' own clock, made once, never in the store."""

import hashlib
import shutil
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from dashboard_server import Page, served
from motion_store import RECIPE, failed_row, lineage, make_store, ok_rows, truth
from video_barcode import encode, number_of

from pipeline.video import content_hash, read_frames
from storage.catalog import get_motion
from storage.dashboard import films as film_module
from storage.dashboard.films import span_of, write_film
from storage.dashboard.media_cache import MediaCache
from storage.recipes import register_recipe
from storage.rows import ShardRows
from storage.shards import commit_shard
from storage.store import Store, create_store, open_store


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("films")


@pytest.fixture(scope="module")
def store(home: Path, samples: Path) -> Store:
    return make_store(home, samples)


@pytest.fixture
def page(store: Store, tmp_path: Path):
    with served(store, tmp_path / "cache") as page:
        yield page


def tree(folder: Path) -> dict[str, tuple[int, str]]:
    """Every file with its size and content."""
    files = (file for file in folder.rglob("*") if file.is_file())
    return {
        str(f.relative_to(folder)): (
            f.stat().st_size,
            hashlib.sha256(f.read_bytes()).hexdigest(),
        )
        for f in files
    }  # fmt: skip


def decoded(jpeg: bytes) -> np.ndarray:
    picture = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    return picture[..., ::-1]


def test_a_thumbnail_is_the_frame_in_the_middle_with_the_skeleton_on_it(page: Page, store: Store):
    first = page.ids()[0]
    answer = page.client.get("/api/thumb", params={"id": first})
    assert answer.headers["x-thumb"] == "frame" and answer.headers["content-type"] == "image/jpeg"
    picture = decoded(answer.content)
    assert picture.shape == (180, 240, 3)
    record = get_motion(store, first)
    middle = record.motion.start_s + (record.motion.n_frames - 1) / record.motion.fps / 2
    frames = np.concatenate([b.frames for b in read_frames(record.video.path, fps=None)])
    shown = round(middle * 25)
    plain = cv2.resize(frames[shown], (240, 180), interpolation=cv2.INTER_AREA).astype(float)
    away = np.abs(picture - plain).max(axis=-1)
    joints = record.track.joints[shown] * 0.75
    near = np.zeros((180, 240), bool)
    for x, y in joints[np.isfinite(joints).all(-1)]:
        near[max(0, int(y) - 3) : int(y) + 4, max(0, int(x) - 3) : int(x) + 4] = True
    assert away[near].mean() > 4 * away[~near].mean() and away[~near].mean() < 12


def test_it_is_made_once_and_known_again(page: Page, tmp_path: Path):
    first = page.ids()[0]
    answer = page.client.get("/api/thumb", params={"id": first})
    files = tree(tmp_path / "cache")
    assert len([name for name in files if name.endswith(".jpg")]) == 1
    again = page.client.get(
        "/api/thumb", params={"id": first}, headers={"If-None-Match": answer.headers["etag"]}
    )
    assert again.status_code == 304 and again.content == b""
    assert page.client.get("/api/thumb", params={"id": first}).content == answer.content
    assert tree(tmp_path / "cache") == files


def test_looking_and_deciding_write_decisions_alone(home: Path, store: Store, tmp_path: Path):
    shutil.copytree(store.location.path, tmp_path / "store")
    before, clips = tree(tmp_path / "store"), tree(home / "clips")
    with served(open_store(tmp_path / "store"), tmp_path / "cache") as page:
        for name in page.ids():
            for path in ("/api/thumb", "/api/video", "/api/motion", "/api/arrays"):
                assert page.client.get(path, params={"id": name}).status_code == 200
        for path in ("/api/overview", "/api/facets", "/api/failures", "/api/decisions"):
            page.get(path)
        assert tree(tmp_path / "store") == before
        page.decide(*page.ids(), verdict="keep", note="good")
    after = tree(tmp_path / "store")
    assert {name: after[name] for name in before if not name.startswith("decisions")} == {
        name: kept for name, kept in before.items() if not name.startswith("decisions")
    }
    added = set(after) - set(before)
    assert added and all(name.startswith("decisions/") for name in added)
    assert tree(home / "clips") == clips


def test_without_its_video_a_motion_is_shown_as_a_skeleton_and_why_is_told(
    store: Store, home: Path, tmp_path: Path
):
    clips = home / "clips"
    with served(store, tmp_path / "cache") as page:
        gone, changed, there = page.ids()
        videos = {name: Path(get_motion(store, name).video.path) for name in (gone, changed)}
        kept = {name: path.read_bytes() for name, path in videos.items()}
        try:
            videos[gone].unlink()
            videos[changed].write_bytes(kept[changed] + b"more")
            for name, why in ((gone, "no such file"), (changed, "has changed since")):
                picture = page.client.get("/api/thumb", params={"id": name})
                assert picture.headers["x-thumb"] == "skeleton"
                assert decoded(picture.content).std() > 3
                told = page.get("/api/motion", id=name)["video"]
                assert not told["available"] and why in told["note"]
                assert why in page.get("/api/video", 404, id=name)["error"]
            assert page.client.get("/api/thumb", params={"id": there}).headers["x-thumb"] == "frame"
        finally:
            for name, path in videos.items():
                path.write_bytes(kept[name])
        again = page.client.get("/api/thumb", params={"id": gone})
        assert again.headers["x-thumb"] == "frame", "it came back"
    assert len(list(clips.iterdir())) == 3


def frames_of(mp4: Path) -> list[np.ndarray]:
    stream = cv2.VideoCapture(str(mp4))
    frames = []
    while (read := stream.read())[0]:
        frames.append(read[1][..., ::-1])
    stream.release()
    return frames


def test_a_film_shows_each_frame_at_its_time(tmp_path: Path):
    source = encode(tmp_path / "in.avi", "-c:v", "mpeg4", "-q:v", "2", frames=60)
    write_film(source, film_module.Span(0.0, 130.0, 25.0), tmp_path / "out.mp4")
    shown = [number_of(frame) for frame in frames_of(tmp_path / "out.mp4")]
    assert shown == list(range(60))


def test_a_part_of_a_long_film_begins_at_its_offset(tmp_path: Path):
    source = encode(tmp_path / "in.avi", "-c:v", "mpeg4", "-q:v", "2", frames=100)
    # 0.99 s lies between two frames: the earlier one is shown until the next one's time.
    write_film(source, film_module.Span(0.99, 2.0, 25.0), tmp_path / "out.mp4")
    shown = [number_of(frame) for frame in frames_of(tmp_path / "out.mp4")]
    for place, number in enumerate(shown):
        assert abs((0.99 + place / 25) - number / 25) <= 0.5 / 25 + 1e-6
    assert shown[-1] == 50


def test_films_are_h264_with_the_index_first_and_come_in_parts(page: Page):
    first = page.ids()[0]
    whole = page.client.get("/api/video", params={"id": first})
    assert whole.headers["content-type"] == "video/mp4"
    body = whole.content
    assert b"avc1" in body and body.index(b"moov") < body.index(b"mdat")
    for ask, wanted in (("bytes=0-99", body[:100]), ("bytes=-7", body[-7:])):
        part = page.client.get("/api/video", params={"id": first}, headers={"Range": ask})
        assert part.status_code == 206 and part.content == wanted
        assert part.headers["content-range"].endswith(f"/{len(body)}")
        assert part.headers["etag"] == whole.headers["etag"]
    beyond = {"Range": f"bytes={len(body)}-"}
    assert page.client.get("/api/video", params={"id": first}, headers=beyond).status_code == 416


def test_motions_of_one_video_share_a_film_unless_it_is_long(store: Store, page: Page):
    record = get_motion(store, page.ids()[0])
    late = replace(record, motion=replace(record.motion, start_s=1.0))
    assert span_of(record) == span_of(late)
    long = replace(record, video=replace(record.video, duration_s=600.0))
    far = replace(long, motion=replace(record.motion, start_s=300.0))
    assert span_of(far).offset_s == 290.0 and span_of(far).last_s > 310.0
    fast = replace(record, video=replace(record.video, fps=240.0))
    assert span_of(fast).fps == 60.0


def test_a_large_picture_is_made_smaller_and_an_odd_one_even(tmp_path: Path):
    wide, odd = np.zeros((1081, 1921, 3), np.uint8), np.zeros((95, 161, 3), np.uint8)
    assert film_module._size(wide) == (1280, 720) and film_module._size(odd) == (160, 96)


def test_the_cache_is_bounded_and_forgets_the_longest_unused(tmp_path: Path):
    import os

    cache = MediaCache(tmp_path / "cache", 1000)
    files = [cache.place(".jpg", "picture", n) for n in range(10)]
    for n, file in enumerate(files):
        cache.write(file, bytes(150))
        os.utime(file, (n + 1, n + 1))
        cache.has(files[0])
    left = [n for n, file in enumerate(files) if file.exists()]
    assert sum(file.stat().st_size for file in files if file.exists()) <= 1000
    assert 0 in left and 9 in left and 1 not in left
    assert not cache.has(files[1]) and cache.place(".jpg", "picture", 1) == files[1]


def test_a_broken_video_is_one_sentence(tmp_path: Path, samples: Path):
    clip = truth(samples, "SitDown")
    broken = tmp_path / "broken.avi"
    broken.write_bytes(clip.path.read_bytes()[:3000])
    video, track, motion = ok_rows(clip, "one")
    hash_ = content_hash(broken)
    named = lineage(hash_)
    rows = [
        replace(row, video_hash=hash_, lineage=named, **more)
        for row, more in ((video, {"path": str(broken)}), (track, {}), (motion, {}))
    ]
    store = create_store(tmp_path / "store")
    register_recipe(store, "one", RECIPE)
    lost = failed_row("one", 1, "no_person", "x.avi", "nobody")
    shard = ShardRows("one", "s1", RECIPE.recipe_id, [rows[0], lost], rows[1:2], rows[2:])
    commit_shard(store, shard)
    with served(store, tmp_path / "cache") as page:
        name = page.ids()[0]
        said = page.get("/api/video", 422, id=name)["error"]
        assert said and "Traceback" not in said
        picture = page.client.get("/api/thumb", params={"id": name})
        assert picture.headers["x-thumb"] == "skeleton"
