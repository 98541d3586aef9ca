"""What the dashboard's server answers: pages of motions, counts, one motion whole, wishes."""

import shutil
import sys
import threading
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import storage_shards as samples
from dashboard_server import Page, served, wait_until
from motion_store import SKIPPED, VIDEO_FPS, make_store
from storage_relabeller import relabel

from storage.catalog import count_rows, get_motion, list_motions
from storage.dashboard.ask_jobs import WAITING, AskJobs, progress_in
from storage.dashboard.asking import Asked, ModelAbout
from storage.shards import commit_shard
from storage.store import Store, open_store

MANY = range(30)
MAKE = """
import sys, time, numpy as np
print("generate:  40%|####", file=sys.stderr, flush=True)
time.sleep(float(sys.argv[2]))
t = np.arange(40)[:, None, None]
np.savez(sys.argv[1] + "/m.npz", joints=np.zeros((40, 22, 3)) + t / 100, fps=20.0)
"""


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return samples.unbroken(tmp_path_factory.mktemp("filled") / "store", MANY)


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Store:
    return make_store(tmp_path_factory.mktemp("films"), request.getfixturevalue("samples"))


@pytest.fixture(scope="module")
def page(filled: Store, tmp_path_factory: pytest.TempPathFactory):
    with served(filled, tmp_path_factory.mktemp("cache")) as page:
        yield page


@pytest.fixture(scope="module")
def film_page(films: Store, tmp_path_factory: pytest.TempPathFactory):
    with served(films, tmp_path_factory.mktemp("cache")) as page:
        yield page


@pytest.mark.parametrize(
    "query",
    [
        {},
        {"action": "YoYo"},
        {"action": "Nothing"},
        {"dataset": "demo", "source_kind": "pseudo"},
        {"source_kind": "mocap"},
        {"split": ""},
        {"split": "train"},
        {"min_reprojection": 0.01, "max_reprojection": 0.03},
        {"min_seconds": 0.5},
        {"max_seconds": 2.0},
        {"min_score": 0.1},
        {"verdict": "none"},
        {"verdict": "keep"},
        {"view": "front"},
        {"visible": "full"},
    ],
)
def test_a_filter_gives_what_the_table_has(page: Page, filled: Store, query: dict):
    rows = list_motions(filled).to_pylist()

    def passes(row: dict) -> bool:
        seconds = row["n_frames"] / row["fps"]
        bounds = {"reprojection": row["quality_reprojection_error"], "seconds": seconds,
                  "score": row["label_score"]}  # fmt: skip
        for name, value in query.items():
            kind, _, what = name.partition("_")
            if kind in ("min", "max") and what in bounds:
                have = bounds[what]
                if have is None or not (have >= value if kind == "min" else have <= value):
                    return False
            elif name == "verdict":
                if value != "none":
                    return False
            elif (row[{"view": "view_name"}.get(name, name)] or "") != value:
                return False
        return True

    wanted = [row["motion_id"] for row in rows if passes(row)]
    answer = page.get("/api/motions", **query)
    assert answer["total"] == len(wanted)
    assert [row["motion_id"] for row in answer["rows"]] == wanted


def test_pages_hold_every_motion_once_in_the_order_asked_for(page: Page, filled: Store):
    everything = sorted(list_motions(filled).column("motion_id").to_pylist())
    for sort in ("motion_id", "label_score", "reprojection", "seconds", "decided_at", "action"):
        for order in ("asc", "desc"):
            found, values = [], []
            for offset in range(0, len(everything), 7):
                rows = page.get(
                    "/api/motions", sort=sort, order=order, offset=offset, limit=7
                )["rows"]  # fmt: skip
                found += [row["motion_id"] for row in rows]
                values += [row[sort] for row in rows]
            assert sorted(found) == everything
            known = [value for value in values if value is not None]
            assert known == sorted(known, reverse=order == "desc")
            assert values[: len(known)] == known, "what is not known comes last"


def test_counts_are_the_tables_and_every_bar_is_a_filter(page: Page, filled: Store):
    counts = count_rows(filled)
    seen = page.get("/api/overview")
    (whole,) = seen["datasets"]
    assert (whole["videos"], whole["motions"]) == (counts.videos, counts.motions)
    assert {c["value"]: c["count"] for c in seen["videos_by_status"]} == counts.videos_by_status
    reasons = {c["value"]: c["count"] for c in seen["failures_by_reason"]}
    assert reasons == counts.failures_by_reason
    assert page.get("/api/failures", reason="no_person")["total"] == reasons["no_person"]
    for bar in seen["classes"]:
        assert page.get("/api/motions", action=bar["value"])["total"] == bar["count"]
    for name, values in page.get("/api/facets").items():
        query = "view" if name == "view_name" else name
        for bar in values:
            value = bar["value"] or ("none" if name == "verdict" else "")
            assert page.get("/api/motions", **{query: value})["total"] == bar["count"]
    for figure in seen["histograms"]:
        name, edges = figure["column"].removeprefix("label_"), figure["edges"]
        assert len(edges) == len(figure["counts"]) + bool(figure["counts"])
        for bar, count in enumerate(figure["counts"]):
            asked = {f"min_{name}": edges[bar], f"max_{name}": edges[bar + 1], "limit": 1}
            assert not count or page.get("/api/motions", **asked)["total"] == count
    assert sum(hour["clips"] for hour in seen["throughput"]) == counts.videos
    assert seen["versions"][0]["motions"] == counts.motions


def test_an_overview_of_one_data_set_or_of_none(page: Page):
    assert page.get("/api/overview", dataset="no such")["datasets"] == []
    assert page.get("/api/facets", dataset="no such")["action"] == []


def test_words_are_searched_in_captions_class_and_id(film_page: Page):
    every = film_page.get("/api/motions")["rows"]
    row = next(row for row in every if row["action"] == "SitDown")
    assert film_page.ids(q="SITDOWN") == [row["motion_id"]]
    assert film_page.ids(q=row["motion_id"][:18]) == [row["motion_id"]]
    word = max(row["captions"][0].split(), key=len).strip(".")
    assert row["motion_id"] in film_page.ids(q=word.upper())
    assert film_page.ids(q="sitdown cartwheel") == []
    assert film_page.ids(q="100%_ '") == []


def test_one_motion_in_full(film_page: Page, films: Store):
    first = film_page.ids()[0]
    record = get_motion(films, first)
    told = film_page.get("/api/motion", id=first)
    assert told["lineage"]["checkpoint_id"] == record.motion.lineage.checkpoint_id
    assert told["lineage"]["video"] == record.video.name
    assert told["quality"]["quality_jitter"] == pytest.approx(record.motion.quality_jitter)
    assert told["original"] == {"captions": list(record.motion.captions), "split": "train"}
    assert told["video"]["available"] and told["video"]["duration_s"] == record.video.duration_s
    assert [n["motion_id"] for n in told["neighbours"]] == [first]
    assert told["history"] == [] and told["decision_id"] is None


def test_the_arrays_are_the_tables_and_the_overlay_lies_on_the_joints(
    film_page: Page, films: Store
):
    first = film_page.ids()[0]
    record = get_motion(films, first)
    told = film_page.get("/api/arrays", id=first)
    joints = np.reshape(told["joints3d"], record.motion.joints3d.shape)
    assert np.abs(joints - record.motion.joints3d).max() < 1e-4
    assert told["parents"][0] == -1 and len(told["joint_names"]) == 22
    over, track = told["overlay"], record.track
    pixels = np.array(
        [np.nan if x is None else x for x in over["joints"]], float
    ).reshape(-1, 22, 2)  # fmt: skip
    mask = np.reshape(over["mask"], pixels.shape[:2]).astype(bool)
    assert (np.isnan(pixels).any(-1) == ~mask).all() and not mask.all()
    assert np.nanmax(np.abs(pixels - track.clean_joints[: len(pixels)])) < 0.06
    assert over["start_s"] == pytest.approx(SKIPPED / 20.0)
    # On the video's own clock the overlay is where the detector saw the joints: left wrist, say.
    at = 5
    seconds = over["start_s"] + at / over["fps"]
    seen = track.joints[round(seconds * VIDEO_FPS), 9]
    assert np.linalg.norm(pixels[at, 20] - seen) < 12.0


def test_other_versions_of_a_label_are_found_after_relabelling(filled: Store, tmp_path: Path):
    shutil.copytree(filled.location.path, tmp_path / "store")
    store = open_store(tmp_path / "store")
    before = count_rows(store).motions
    assert relabel(store, 1) is not None
    with served(store, tmp_path / "cache") as page:
        first = page.ids()[0]
        now, then = page.get("/api/motion", id=first)["versions"]
        assert now["version"] > then["version"] and now["checkpoint_id"] != then["checkpoint_id"]
        new = page.get("/api/arrays", id=first)["joints3d"]
        old = page.get("/api/arrays", id=first, version=then["version"])["joints3d"]
        assert new != old
        figures = page.get("/api/motion", id=first, version=then["version"])
        assert figures["lineage"]["checkpoint_id"] == then["checkpoint_id"]
        assert "no version 99" in page.get("/api/motion", 404, id=first, version=99)["error"]
        kinds = [entry["what"] for entry in page.get("/api/overview")["versions"]]
        assert kinds[0] == "labelled anew" and page.get("/api/motions")["total"] == before


def test_what_is_committed_meanwhile_shows(filled: Store, tmp_path: Path):
    shutil.copytree(filled.location.path, tmp_path / "store")
    store = open_store(tmp_path / "store")
    with served(store, tmp_path / "cache") as page:
        before = page.get("/api/motions")["total"]
        commit_shard(store, samples.shard(range(40, 44)))
        wait_until(lambda: page.get("/api/motions")["total"] > before)
        assert page.get("/api/motions")["total"] == count_rows(store).motions


def test_the_next_start_reads_the_copy_of_that_state_and_of_no_other(
    filled: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    from storage.dashboard import light_tables

    made: list[object] = []
    make = light_tables._make_tables
    monkeypatch.setattr(light_tables, "_make_tables", lambda *g: (made.append(g), make(*g)))
    shutil.copytree(filled.location.path, tmp_path / "store")

    def answers() -> tuple[list, dict, int]:
        made.clear()
        with served(open_store(tmp_path / "store"), tmp_path / "cache") as page:
            seen = page.get("/api/motions")["rows"], page.get("/api/facets")
            assert page.get("/api/arrays", id=seen[0][0]["motion_id"])["n_frames"] > 0
            return *seen, len(made)

    first, again = answers(), answers()
    assert first[2] == 1 and again == (*first[:2], 0)
    commit_shard(open_store(tmp_path / "store"), samples.shard(range(40, 44)))
    grown = answers()
    assert grown[2] == 1 and len(grown[0]) > len(first[0])
    for copy in (tmp_path / "cache").rglob("*.parquet"):
        copy.write_bytes(b"damaged")
    assert answers() == grown, "a damaged copy is done without"
    # Another store in the same place, at the same version, is another store.
    shutil.rmtree(tmp_path / "store")
    other = samples.unbroken(tmp_path / "store", range(60, 90))
    assert answers()[0] != first[0] and len(answers()[0]) == count_rows(other).motions


def test_while_the_store_is_read_the_page_is_told_so(
    filled: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    from starlette.testclient import TestClient

    from storage.dashboard import state
    from storage.dashboard.app import create_app
    from storage.dashboard.settings import Settings

    go, load = threading.Event(), state.load_light
    monkeypatch.setattr(state, "load_light", lambda *given: go.wait(30) and load(*given))
    app = create_app(filled, Settings(by="ada", cache=tmp_path))
    with TestClient(app, base_url="http://127.0.0.1:8420") as client:
        assert client.get("/api/store").json()["loading"] is True
        answer = client.get("/api/motions")
        assert answer.status_code == 503 and answer.json()["loading"] is True
        go.set()
        wait_until(lambda: client.get("/api/motions").status_code == 200)


def test_a_store_that_cannot_be_read_any_more_is_one_sentence(filled: Store, tmp_path: Path):
    shutil.copytree(filled.location.path, tmp_path / "store")
    store = open_store(tmp_path / "store")
    with served(store, tmp_path / "cache") as page:
        shutil.rmtree(tmp_path / "store" / "motions")
        said = page.get("/api/arrays", 500, id=page.ids()[0])["error"]
        assert "read table motions" in said and "Traceback" not in said


def test_a_version_can_be_looked_at_and_not_decided_on(filled: Store, tmp_path: Path):
    with served(open_store(f"{filled.location.root}@1"), tmp_path) as page:
        assert page.get("/api/store")["readonly"] is True
        body = {"motion_ids": page.ids()[:1], "verdict": "keep"}
        assert "version" in page.post("/api/decisions", body, 500)["error"]


def maker(seconds: float, code: str = MAKE) -> AskJobs:
    def command(_: Asked, out: Path) -> list[str]:
        return [sys.executable, "-c", code, str(out), str(seconds)]

    return AskJobs(lambda: ModelAbout(True, "tiny-1", "for a test"), command)


def ask(page: Page, status: int = 200, **wish: object) -> dict:
    return page.post("/api/ask", {"text": "a person walks", "seconds": 2.0, **wish}, status)


def test_a_wish_becomes_a_motion(filled: Store, tmp_path: Path):
    with served(filled, tmp_path, maker(0.0)) as page:
        job = ask(page)["job"]
        wait_until(lambda: page.get(f"/api/ask/{job}")["state"] == "done")
        told = page.get(f"/api/ask/{job}/arrays")
        joints = np.reshape(told["joints3d"], (40, 22, 3))
        assert joints[20, 0, 0] == pytest.approx(0.2) and told["fps"] == 20.0
        assert page.get("/api/store")["model"]["name"] == "tiny-1"
        assert "no such wish" in page.get("/api/ask/nothing", 404)["error"]


def test_a_wish_shows_progress_waits_its_turn_and_can_be_cancelled(filled: Store, tmp_path: Path):
    making = maker(60.0)
    with served(filled, tmp_path, making) as page:
        first, second = ask(page)["job"], ask(page)["job"]
        wait_until(lambda: page.get(f"/api/ask/{first}")["progress"] == 0.4)
        assert page.get(f"/api/ask/{second}")["state"] == "queued"
        for _ in range(WAITING - 1):
            ask(page)
        assert "asked for already" in ask(page, 409)["error"]
        assert "is running" in page.get(f"/api/ask/{first}/arrays", 409)["error"]
        process = making._jobs[first].process
        answer = page.client.delete(
            f"/api/ask/{first}", headers={"Origin": "http://127.0.0.1:8420"}
        )
        assert answer.json()["state"] == "cancelled"
        assert process.wait(10) == -9
        wait_until(lambda: page.get(f"/api/ask/{second}")["state"] == "running")
        running = making._jobs[second].process
    assert running.wait(10) == -9, "a server that ends leaves no child behind"


def test_why_a_wish_failed_is_told_in_the_commands_words(filled: Store, tmp_path: Path):
    said = 'import sys; print(\'{"error": "no such weights"}\'); sys.exit(2)'
    with served(filled, tmp_path, maker(0, said)) as page:
        job = ask(page)["job"]
        wait_until(lambda: page.get(f"/api/ask/{job}")["state"] == "failed")
        assert page.get(f"/api/ask/{job}")["message"] == "no such weights"
        for wrong in ({"text": " "}, {"seconds": 60}, {"seed": -1}, {"text": "x" * 301}):
            assert ask(page, 422, **wrong)["error"]
        assert ask(page, 422, text="two\nlines")["error"]


def test_a_wish_that_cannot_even_begin_fails_and_blocks_no_other(filled: Store, tmp_path: Path):
    """The weights were there when they were asked about, and are gone when the turn comes."""

    def command(_: Asked, __: Path) -> list[str]:
        raise ValueError("the weights have gone")

    gone = AskJobs(lambda: ModelAbout(True, "tiny-1", "for a test"), command)
    with served(filled, tmp_path, gone) as page:
        for _ in range(WAITING + 2):
            job = ask(page)["job"]
            wait_until(lambda job=job: page.get(f"/api/ask/{job}")["state"] == "failed")
            assert page.get(f"/api/ask/{job}")["message"] == "the weights have gone"


def test_a_file_that_is_no_motion_fails_the_wish(filled: Store, tmp_path: Path):
    code = "import sys, pathlib; pathlib.Path(sys.argv[1], 'x.npz').write_bytes(b'PK\\3\\4broken')"
    with served(filled, tmp_path, maker(0, code)) as page:
        job = ask(page)["job"]
        wait_until(lambda: page.get(f"/api/ask/{job}")["state"] == "failed")


@pytest.mark.parametrize("path", ["/api/motions", "/api/failures"])
def test_a_place_that_no_list_has_is_one_sentence(page: Page, path: str):
    assert page.get(path, offset=10_000)["rows"] == []
    assert "offset" in page.get(path, 422, offset=10**23)["error"]


def test_without_a_model_that_is_said(page: Page):
    assert page.get("/api/store")["model"]["available"] is False
    assert "--checkpoint" in ask(page, 409)["error"]


def test_a_progress_bars_last_word_counts():
    assert progress_in(b"generate:   3%|#\rgenerate:  62%|###  | 31/50") == 0.62
    assert progress_in(b"loading 12% of nothing") is None


def test_values_of_a_facet_add_up(page: Page, filled: Store):
    facets = page.get("/api/facets")
    total = count_rows(filled).motions
    assert all(sum(bar["count"] for bar in values) == total for values in facets.values())
    rows = Counter(row["action"] for row in list_motions(filled).to_pylist())
    assert {bar["value"]: bar["count"] for bar in facets["action"]} == rows
