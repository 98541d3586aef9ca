"""The report and `show`: every figure is the store's, nothing foreign gets in, a browser agrees."""

import base64
import hashlib
import html
import json
import re
import shlex
import shutil
from dataclasses import replace
from pathlib import Path

import cv2
import motion_store as made
import numpy as np
import pytest
from chromium import visit

from flows.quality_figures import FIGURES
from flows.report import write_report
from flows.report.records import read_records
from flows.show import show_motion
from pipeline.render.camera import AZIMUTH_DEG
from storage.catalog import count_rows, get_motion, list_motions
from storage.errors import StoreError, UnknownMotion
from storage.recipes import register_recipe
from storage.rows import ShardRows
from storage.shards import commit_shard
from storage.store import Store, create_store, open_store


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, samples: Path) -> Path:
    place = tmp_path_factory.mktemp("made")
    made.make_store(place, samples)
    return place


@pytest.fixture(scope="module")
def store(folder: Path) -> Store:
    return open_store(folder / "store")


@pytest.fixture(scope="module")
def report(folder: Path) -> Path:
    return write_report(str(folder / "store"), folder / "report.html")


def section(page: str, name: str) -> str:
    """One section's words, without tags."""
    start = page.index(f'<section id="{name}"')
    inside = page[start : page.index("</section>", start)]
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", inside)).split())


def motion_ids(store: Store) -> list[str]:
    return list_motions(store).column("motion_id").to_pylist()


# --- what it says -------------------------------------------------------------------------------


def test_the_headline_is_the_stores_count(store: Store, report: Path) -> None:
    words = section(report.read_text(), "overview")
    counts = count_rows(store)
    assert f"videos {counts.videos} " in words
    assert f"became motion {counts.videos_by_status['ok']} " in words
    assert f"failed {counts.videos_by_status['failed']} " in words
    assert f"motions {counts.motions} " in words
    assert f"{counts.motion_frames / 20 / 60:.1f} {counts.motion_frames} frames" in words


def test_failures_are_told_with_reason_sentence_and_file(report: Path) -> None:
    words = section(report.read_text(), "failures")
    assert "not_a_video 2 67%" in words and "no_person 1 33%" in words
    assert "notes.txt not_a_video no decoder recognises the content" in words
    assert f"{made.NASTY} not_a_video no decoder knows <b>it</b> & its kind" in words
    assert "header_frame_count 3" in words


def test_stage_times_are_sums_shares_and_milliseconds_a_frame(store: Store, report: Path) -> None:
    words = section(report.read_text(), "time")
    frames = sum(len(made.truth(made_samples(), a).coco) for a in made.ACTIONS)
    spent = {"decode": 0.33, "pose": frames * 0.03, "normalise": 0.18, "lift": 1.2}
    for stage, seconds in spent.items():
        share = seconds / sum(spent.values())
        shown = f"{share:.0%}" if share >= 0.1 else f"{share:.1%}"
        assert re.search(rf"{stage} {seconds:.1f} {re.escape(shown)}", words), stage
    assert f"lift 1.2 {1.2 / sum(spent.values()):.1%} {1200 / frames:.3g}" in words


def made_samples() -> Path:
    return Path(__file__).resolve().parent / "samples"


def test_every_class_has_its_line(report: Path) -> None:
    words = section(report.read_text(), "classes")
    assert re.search(r"Cartwheel 4 3 1 3\.\d", words)
    assert re.search(r"SitDown 1 0 1 5\.\d", words)


def test_quality_and_lineage_are_told(store: Store, report: Path) -> None:
    page = report.read_text()
    words = section(page, "quality")
    assert all(figure.label in words for figure in FIGURES)
    unknown = {"label_score", "label_error"}  # labels without a calibration
    assert page.count('role="img" aria-label="Histogram') == len(FIGURES) - len(unknown)
    assert words.count("No motion has this figure") == len(unknown)
    lineage = section(page, "lineage")
    for value in (made.RECIPE.estimator_id, made.RECIPE.checkpoint_id, made.RECIPE.recipe_id):
        assert value in lineage
    assert "version 1 " in re.sub(r"<[^>]+>", "", page)


def test_every_motion_has_pictures_figures_and_its_command(store: Store, report: Path) -> None:
    page = report.read_text()
    cards = page.split('<article class="card"')[1:]
    assert len(cards) == 3
    for card in cards:
        pictures = re.findall(r'src="data:image/jpeg;base64,([^"]+)"', card)
        assert len(pictures) == 2
        for picture in pictures:
            data = np.frombuffer(base64.b64decode(picture), np.uint8)
            assert cv2.imdecode(data, 1).shape[0] == 240
        found = re.search(r'<code class="command">(.*?)</code>', card)
        assert found is not None
        words = shlex.split(html.unescape(found[1]))
        assert words[:2] == ["crossdiff", "show"] and words[3:5] == ["--store", store.location.root]
        assert words[2] in motion_ids(store) and words[6] == f"{words[2]}.mp4"


def test_the_player_gets_the_motion_itself(store: Store, report: Path) -> None:
    page = report.read_text()
    for motion_id in motion_ids(store):
        card = page[page.index(f'aria-label="Motion {motion_id}"') :]
        stage = dict(re.findall(r'data-(\w+)="([^"]*)"', card[: card.index("</article>")]))
        motion = get_motion(store, motion_id).motion
        data = np.frombuffer(base64.b64decode(stage["joints"]), "<i2").reshape(-1, 22, 3)
        assert int(stage["frames"]) == len(data) == motion.n_frames
        assert float(stage["azimuth"]) == pytest.approx(motion.view_azimuth_deg + AZIMUTH_DEG)
        assert np.abs(np.diff(data / 1000.0 - motion.joints3d, axis=0)).max() < 0.002


def test_many_motions_are_read_as_one_is(store: Store) -> None:
    found = {record.motion.motion_id: record for record in read_records(store, motion_ids(store))}
    assert sorted(found) == sorted(motion_ids(store))
    for motion_id, record in found.items():
        alone = get_motion(store, motion_id)
        assert alone.track is not None and record.track is not None
        assert record.video == alone.video
        assert np.array_equal(record.motion.joints3d, alone.motion.joints3d)
        assert np.array_equal(record.track.joints, alone.track.joints)
    assert read_records(store, []) == []


# --- what may not get in ------------------------------------------------------------------------


def test_nothing_in_the_page_comes_from_elsewhere_or_runs_unasked(report: Path) -> None:
    page = report.read_text()
    assert "<script>alert" not in page and "&lt;script&gt;alert" in page
    assert "<b>it</b>" not in page
    assert re.findall(r"https?://", page) == []
    links = re.findall(r'(?:src|href)="([^"]{0,30})', page)
    assert links and all(link.startswith(("data:", "#")) for link in links)
    policy = html.unescape(re.findall(r'Content-Security-Policy" content="([^"]+)"', page)[0])
    assert "default-src 'none'" in policy and "unsafe" not in policy
    for tag in ("script", "style"):
        inside = re.findall(rf"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
        assert len(inside) == 1
        digest = base64.b64encode(hashlib.sha256(inside[0].encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy


# --- other stores -------------------------------------------------------------------------------


def test_an_empty_store_has_a_report(tmp_path: Path) -> None:
    create_store(tmp_path / "store")
    page = write_report(str(tmp_path / "store"), tmp_path / "r.html").read_text()
    assert "Nothing has been ingested yet" in page and "No motions." in page


def test_one_data_set_of_several(tmp_path: Path, samples: Path) -> None:
    store = made.make_store(tmp_path, samples, "first")
    register_recipe(store, "second", made.RECIPE)
    failed = made.failed_row("second", 9, "no_moov", "only.mp4", "cut off")
    commit_shard(store, ShardRows("second", "s2", made.RECIPE.recipe_id, [failed]))
    url = str(tmp_path / "store")
    both = write_report(url, tmp_path / "r.html").read_text()
    assert "All data sets" in both and "videos 7 " in section(both, "overview")
    second = write_report(url, tmp_path / "r.html", "second").read_text()
    assert "videos 1 " in section(second, "overview") and "notes.txt" not in second
    with pytest.raises(StoreError, match="no data set 'third': it has first, second"):
        write_report(url, tmp_path / "r.html", "third")
    # An old version of the store gives the report of that time.
    before = write_report(f"{url}@1", tmp_path / "r.html").read_text()
    assert "videos 6 " in section(before, "overview") and "only.mp4" not in before


def test_only_so_many_motions_get_pictures_and_the_page_says_so(
    store: Store, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flows.report.page.MOTIONS_SHOWN", 2)
    page = write_report(str(folder / "store"), folder / "few.html").read_text()
    assert page.count('<article class="card"') == 2
    assert "2 of 3 shown, every class in turn" in section(page, "motions")


def test_a_bad_place_is_refused_before_the_work(folder: Path, tmp_path: Path) -> None:
    for out, says in (("r.txt", "must end in .html"), ("no/r.html", "no folder")):
        with pytest.raises(ValueError, match=says):
            write_report(str(folder / "store"), tmp_path / out)
    with pytest.raises(StoreError, match="there is no store"):
        write_report(str(tmp_path / "nowhere"), tmp_path / "r.html")
    assert list(tmp_path.iterdir()) == []


# --- show, and videos that are gone -------------------------------------------------------------


def test_show_puts_video_and_skeleton_side_by_side(store: Store, tmp_path: Path) -> None:
    motion_id = motion_ids(store)[0]
    done = show_motion(store.location.root, motion_id, tmp_path / "a.mp4")
    video = get_motion(store, motion_id).video
    assert video is not None
    assert done["video"] == "shown" and done["note"] == ""
    assert done["frames"] == video.frames_decoded and done["fps"] == 25.0
    assert json.loads(json.dumps(done)) == done
    assert (tmp_path / "a.mp4").stat().st_size > 10_000
    with pytest.raises(UnknownMotion, match="no motion 'nobody'"):
        show_motion(store.location.root, "nobody", tmp_path / "a.mp4")


@pytest.mark.parametrize("harm", ["gone", "changed"])
def test_without_its_video_a_motion_is_shown_alone_and_says_so(
    harm: str, tmp_path: Path, samples: Path
) -> None:
    store = made.make_store(tmp_path, samples)
    motion_id = motion_ids(store)[0]
    video = get_motion(store, motion_id).video
    assert video is not None
    if harm == "gone":
        Path(video.path).unlink()
    else:
        with Path(video.path).open("ab") as file:
            file.write(b"another ending")
    done = show_motion(store.location.root, motion_id, tmp_path / "a.mp4")
    assert done["video"] == "missing"
    assert {"gone": "no such file", "changed": "has changed"}[harm] in done["note"]
    assert done["frames"] == get_motion(store, motion_id).motion.n_frames
    page = write_report(store.location.root, tmp_path / "r.html").read_text()
    card = page[page.index(f'aria-label="Motion {motion_id}"') :].split("</article>")[0]
    assert done["note"] in html.unescape(card) and card.count("data:image/jpeg") == 1


def test_captured_and_two_dimensional_motions(tmp_path: Path, samples: Path) -> None:
    store = create_store(tmp_path / "store")
    register_recipe(store, "mixed", made.RECIPE)
    clip = replace(made.truth(samples, "SitDown"), path=tmp_path / "clip.avi")
    shutil.copy(made.truth(samples, "SitDown").path, clip.path)
    video, track, motion = made.ok_rows(clip, "mixed")
    flat = replace(motion, joints3d=None, features3d=None, quality_jitter=None)
    captured = replace(
        motion, motion_id="mixed-cmu-01", source_kind="mocap", video_hash=None, shot=None,
        track=None, start_s=None, view_azimuth_deg=None, captions=("<i>sits</i>",),
    )  # fmt: skip
    rows = ShardRows("mixed", "s1", made.RECIPE.recipe_id, [video], [track], [flat, captured])
    commit_shard(store, rows)
    url = store.location.root
    assert show_motion(url, "mixed-cmu-01", tmp_path / "a.mp4")["video"] == "none"
    assert show_motion(url, flat.motion_id, tmp_path / "b.mp4")["video"] == "shown"
    page = write_report(url, tmp_path / "r.html").read_text()
    assert "2D only: this motion has no 3D" in page and "captured, not filmed" in page
    assert "&lt;i&gt;sits&lt;/i&gt;" in page and "<i>sits" not in page
    clip.path.unlink()
    with pytest.raises(ValueError, match="2D only, and the video"):
        show_motion(url, flat.motion_id, tmp_path / "c.mp4")


# --- in a browser -------------------------------------------------------------------------------

PIXELS = "document.querySelector('.stage canvas').toDataURL()"


@pytest.mark.browser
@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_the_page_fits_and_has_no_complaint(report: Path, width: int, scheme: str) -> None:
    with visit(report, width=width, scheme=scheme) as here:
        size = here.page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
        assert size == [width, width]
        loaded = "[...document.images].every(image => image.complete && image.naturalWidth > 0)"
        assert here.page.evaluate(loaded)
        shade = here.page.evaluate("getComputedStyle(document.body).backgroundColor")
        level = sum(map(int, re.findall(r"\d+", shade)))
        assert (level > 600) == (scheme == "light")
        for role in ("banner", "navigation", "main", "contentinfo"):
            assert here.page.get_by_role(role).count() == 1
        assert here.complaints == []


@pytest.mark.browser
def test_the_player_plays_turns_and_is_scrubbed(report: Path) -> None:
    with visit(report) as here:
        page = here.page
        card = page.locator(".card").first
        card.get_by_role("button", name="play").click()
        page.wait_for_timeout(200)
        first = page.evaluate(PIXELS)
        page.wait_for_timeout(400)
        assert page.evaluate(PIXELS) != first
        card.get_by_role("button", name="pause").click()
        still = page.evaluate(PIXELS)
        page.wait_for_timeout(200)
        assert page.evaluate(PIXELS) == still
        card.locator("canvas").focus()
        page.keyboard.press("ArrowRight")
        turned = page.evaluate(PIXELS)
        assert turned != still
        box = card.locator("canvas").bounding_box()
        assert box is not None
        page.mouse.move(box["x"] + 40, box["y"] + 40)
        page.mouse.down()
        page.mouse.move(box["x"] + 90, box["y"] + 60, steps=4)
        page.mouse.up()
        dragged = page.evaluate(PIXELS)
        assert dragged != turned
        card.get_by_role("slider").fill("0")
        assert page.evaluate(PIXELS) != dragged
        assert card.locator("output").inner_text() == "0.00 s"
        assert here.complaints == []


@pytest.mark.browser
def test_a_table_is_sorted_by_its_heading(report: Path) -> None:
    with visit(report) as here:
        table = here.page.locator("#classes table")
        column = "rows => rows.map(row => row.cells[4].textContent)"
        table.get_by_role("button", name="Seconds").click()
        seconds = [float(text) for text in table.locator("tbody tr").evaluate_all(column)]
        assert seconds == sorted(seconds, reverse=True) and len(set(seconds)) == 3
        table.get_by_role("button", name="Seconds").click()
        again = [float(text) for text in table.locator("tbody tr").evaluate_all(column)]
        assert again == seconds[::-1]
        assert table.locator("th[aria-sort=ascending]").count() == 1
