"""An evaluation's page: values as they are, in a real browser, at both widths, by mouse and key."""

import base64
import hashlib
import html
import math
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from chromium import visit
from evaluation_demo import MODELS, NASTY, demo_page
from hypothesis import given, settings
from hypothesis import strategies as st
from markupsafe import escape

from flows.evaluation_page.markdown import page_markdown
from flows.evaluation_page.model import Chart, Clip, Column, Page, Scene, Section, Table
from flows.evaluation_page.page import render_page, write_page
from flows.evaluation_page.values import best_rows, show
from models.evaluation.intervals import Interval, interval
from pipeline.render.player_data import LONGEST_FRAMES, pack_motion, player_rig
from pipeline.render.point_chart import point_chart
from pipeline.skeletons import KIT, SKELETONS


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_page(demo_page(), tmp_path_factory.mktemp("page") / "report.html")


def words_of(page: str) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page)).split())


# --- values -------------------------------------------------------------------------------------


def test_values_are_written_with_their_interval_and_what_limits_them() -> None:
    assert show(interval([0.4, 0.6]), 2).whole == "0.50 ± 0.14"
    assert show(interval([0.4]), 2).whole == "0.40 (n = 1)"
    assert show(None).whole == "\u2013" and show(None).key == ""
    assert show(float("nan")).whole == "NaN (not a usable number)"
    assert show(float("inf")).whole == "inf (not a usable number)"
    assert show(1234567).whole == "1\u202f234\u202f567"
    assert float(show(1 / 3, 1).key) == 1 / 3, "sorted by value, not by what is shown"


def test_the_best_of_a_column_is_among_those_that_compete() -> None:
    def best(better: str, *values: object, unranked: tuple[int, ...] = ()) -> set[int]:
        columns = (Column("a"), Column("b", better=better, digits=2))  # type: ignore[arg-type]
        rows = tuple((str(n), value) for n, value in enumerate(values))
        return set(best_rows(Table("t", columns, rows, unranked=frozenset(unranked)), 1))

    assert best("higher", 1.0, 3.0, 2.0) == {1}
    assert best("lower", interval([3.0, 4.0]), 2.0, None, float("nan")) == {1}
    assert best("lower", 0.0, 3.0, 2.0, unranked=(0,)) == {2}
    assert best("higher", 0.501, 0.503, 0.2) == {0, 1}, "equal as they are written"
    near, far = Interval(1.2, 0.2, (1.2,)), Interval(1.4, 0.2, (1.4,))
    assert best("lower", Interval(1.0, 0.1, (1.0,)), near, far) == {0, 1}, "not surely worse"
    assert best("higher", near, 1.25, far, 1.1) == {0, 1, 2}, "a value alone has no width"
    assert best("", 1.0, 2.0) == best("higher", 1.0, None) == best("higher", "x", "y") == set()


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.none() | st.floats(-1e6, 1e6) | st.just(math.nan),
            st.none() | st.floats(0, 1e5),
        ),
        max_size=6,
    )
)
def test_a_chart_keeps_order_and_stays_inside(points: list) -> None:
    chart = point_chart(points)
    known = [n for n, (v, _) in enumerate(points) if v is not None and math.isfinite(v)]
    if not known:
        assert chart is None
        return
    assert chart is not None and 2 <= len(chart.ticks) <= 8
    assert [mark is not None for mark in chart.marks] == [n in known for n in range(len(points))]
    for n in known:
        mark = chart.marks[n]
        assert mark is not None and 0 <= mark.low <= mark.x <= mark.high <= 100
        assert mark.has_interval == (points[n][1] is not None)
    by_value = sorted(known, key=lambda n: points[n][0])
    places = [chart.marks[n].x for n in by_value]  # type: ignore[union-attr]
    assert places == sorted(places)
    labels = [float(tick.label) for tick in chart.ticks]
    assert labels == sorted(labels) and len(set(labels)) == len(labels)


def test_a_chart_of_known_numbers() -> None:
    chart = point_chart([(0.5, 0.25), (1.0, None)])
    assert chart is not None
    assert [tick.label for tick in chart.ticks] == ["0.00", "0.25", "0.50", "0.75", "1.00"]
    first, second = chart.marks
    assert first is not None and second is not None
    assert [first.low, first.x, first.high] == [27.0, 50.0, 73.0]
    assert second.x == 96.0 and not second.has_interval


def test_any_skeleton_is_packed_and_drawn_with_its_own_bones() -> None:
    for skeleton in SKELETONS.values():
        rig = player_rig(skeleton)
        assert rig["joints"] == skeleton.n_joints
        assert len(rig["bones"]) == len(rig["colours"]) == skeleton.n_joints - 1  # type: ignore[arg-type]
    motion = np.random.default_rng(0).normal(size=(LONGEST_FRAMES + 60, 21, 3)) + 1.0
    packed = pack_motion(motion, KIT, from_start=True)
    assert (packed.frames, packed.first_frame, packed.skeleton) == (LONGEST_FRAMES, 0, KIT.name)
    found = np.frombuffer(base64.b64decode(packed.data), "<i2").reshape(-1, 21, 3) / 1000.0
    assert np.abs(found - motion[:LONGEST_FRAMES] + motion[0, 0] * [1, 0, 1]).max() < 0.0006
    assert not packed.clipped
    motion[5] += 100.0
    assert pack_motion(motion, KIT, from_start=True).clipped


# --- the file -----------------------------------------------------------------------------------


def test_warnings_and_facts_come_before_the_scores(report: Path) -> None:
    page, told = report.read_text(), demo_page()
    places = [page.index(str(escape(text))) for text in told.warnings]
    places += [page.index(str(escape(value))) for _, value in told.facts[:1]]
    assert places == sorted(places) and places[-1] < page.index('id="scores"')
    words = words_of(page)
    assert "2 warnings" in words and "What limits these scores" in words
    assert "lower is better. Fréchet distance between feature sets." in words
    quiet = render_page(replace(told, warnings=()))
    assert "What limits these scores" not in quiet and 'href="#warnings"' not in quiet


def test_what_cannot_be_drawn_is_said_and_not_drawn(report: Path) -> None:
    page = report.read_text()
    assert page.count("cannot be drawn: joints3d holds numbers that are not finite") == 2
    assert page.count('data-joints="') == 3
    odd = Clip("odd", np.zeros((5, 7, 3), np.float32), 20.0)
    flown = np.zeros((3, 22, 3), np.float32)
    flown[2] = 50.0
    long = Clip("long", np.zeros((LONGEST_FRAMES + 1, 22, 3), np.float32), 20.0, "why")
    scenes = (Scene("s", (odd, Clip("flown", flown, 20.0), long)),)
    words = words_of(render_page(Page("t", (), (), (Section("a", "A", scenes=scenes),))))
    assert "no skeleton has the shape (5, 7, 3)" in words
    assert "leaves the 32 m around its start" in words
    assert f"why; the first {LONGEST_FRAMES} of {LONGEST_FRAMES + 1} frames" in words


def test_no_foreign_text_becomes_html_and_nothing_comes_from_elsewhere(report: Path) -> None:
    page = report.read_text()
    assert NASTY not in page and page.count(str(escape(NASTY))) > 10
    assert re.findall(r"https?://", page) == []
    links = re.findall(r'(?:src|href)="([^"]{0,30})', page)
    assert links and all(link.startswith(("data:", "#")) for link in links)
    assert " style=" not in page and not re.search(r"\son\w+=", page)
    policy = html.unescape(re.findall(r'Content-Security-Policy" content="([^"]+)"', page)[0])
    assert "default-src 'none'" in policy and "unsafe" not in policy
    for tag in ("script", "style"):
        (inside,) = re.findall(rf"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(inside.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy


@pytest.mark.parametrize(
    ("sections", "says"),
    [
        ((Section("a", "A"), Section("a", "B")), "occur once"),
        ((Section("a b", "A"),), "anchor is 'a b'"),
        ((Section("facts", "A"),), "none of main"),
        ((Section("a", "A", tables=(Table("t", (Column("x"),), ((1, 2),)),)),), "has 2 cells"),
        (
            (Section("a", "A", tables=(Table("t", (Column("x"),), (), "", frozenset({0})),)),),
            "a row out of the ranking",
        ),
    ],
)
def test_a_page_that_contradicts_itself_is_refused(sections: tuple, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        render_page(Page("t", (), (), sections))


def test_rows_stand_apart_and_whiskers_are_explained_only_where_there_are_some() -> None:
    rows, columns = (("a", 1.0), ("b", 2.0)), (Column("from"), Column("x", better="lower"))

    def page(unranked: set[int], value: object) -> str:
        chart = Chart("c", "", (("a", value),))  # type: ignore[arg-type]
        table = Table("t", columns, rows, unranked=frozenset(unranked))
        section = Section("a", "A", tables=(table,), charts=(chart,))
        return words_of(render_page(Page("t", (), (), (section,))))

    some, none = page({0}, interval([1.0, 2.0])), page({0, 1}, 1.0)
    assert some.count("not ranked") == 1 and "95 % intervals" in some
    assert "not ranked" not in none and "95 % intervals" not in none


def test_an_empty_evaluation_has_a_page(tmp_path: Path) -> None:
    assert write_page(Page("nothing", (), (), ()), tmp_path / "a.html").is_file()
    with pytest.raises(ValueError, match="no folder"):
        write_page(Page("nothing", (), (), ()), tmp_path / "no" / "a.html")


def test_the_markdown_has_the_scores_and_no_html_of_others(report: Path) -> None:
    text = page_markdown(demo_page(), report)
    assert f"]({report.as_uri()})" in text
    assert "<script>" not in text and "**Warning:** offline text encoder" in text
    (best,) = [line for line in text.splitlines() if line.startswith("| crossdiff-base |")]
    assert re.search(r"\| \*\*0\.504 ± 0\.025\*\* \| \*\*11\.90 ± 1\.55\*\* \|", best)


# --- in a browser -------------------------------------------------------------------------------


@pytest.mark.browser
@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_the_page_fits_and_has_no_complaint(report: Path, width: int, scheme: str) -> None:
    with visit(report, width=width, scheme=scheme) as here:
        page = here.page
        size = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
        assert size == [width, width]
        shade = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (sum(map(int, re.findall(r"\d+", shade))) > 600) == (scheme == "light")
        for role in ("banner", "navigation", "main", "contentinfo"):
            assert page.get_by_role(role).count() == 1
        box = page.locator("#warnings").bounding_box()
        assert box is not None and box["y"] + box["height"] < 600, "seen without scrolling"
        for control in page.locator("button, input, select, canvas").all():
            named = "e => e.ariaLabel || e.textContent.trim() || e.closest('label')?.textContent"
            assert control.evaluate(named)
        page.locator("nav").get_by_role("link", name="Motions").click()
        page.locator(".scene").nth(1).locator("canvas").wait_for()
        assert page.locator("canvas").count() == 3
        assert here.complaints == []


@pytest.mark.browser
def test_tables_sort_by_value_and_explain_themselves(report: Path) -> None:
    with visit(report) as here:
        table = here.page.locator("#scores .measured").first

        def names() -> list[str]:
            return table.locator("tbody th bdi").all_inner_texts()

        table.get_by_role("button", name="FID").click()
        # Best first: lower is better; what is no number stays at the end either way.
        assert names()[0] == "ground truth" and names()[-1] == "one replication"
        assert names()[1] == "crossdiff-base"
        table.get_by_role("button", name="FID").click()
        assert names()[-1] == "one replication" and names()[-2] == "ground truth"
        table.get_by_role("button", name="motions").click()
        assert names()[0] == "one replication", "1 234 567 is more than 518"
        assert table.locator("th[aria-sort=descending]").inner_text().startswith("motions")
        line = table.locator(".meaning")
        table.get_by_role("button", name="R@3").focus()
        assert line.inner_text().startswith("R@3: higher is better. Share of motions")
        table.get_by_role("button", name="foot skating").hover()
        assert line.inner_text().startswith("foot skating, m/s: lower is better")
        table.locator("summary").press("Enter")
        assert table.get_by_text("Speed of feet that stand").last.is_visible()
        marked = table.locator("td.best bdi").all_inner_texts()
        assert {"0.192", "0.504", "11.90", "66.8"} < set(marked)
        assert len(marked) == 3 * 3 + 1, "the checkpoints' intervals overlap, but not in MPJPE"
        assert table.get_by_text("those whose interval overlaps it").is_visible()
        assert here.complaints == []


@pytest.mark.browser
def test_motions_of_a_scene_play_under_one_clock(report: Path) -> None:
    with visit(report) as here:
        page = here.page
        scene = page.locator(".scene").first
        scene.scroll_into_view_if_needed()
        scene.locator("canvas").first.wait_for()
        first, second = scene.locator("canvas").all()
        assert NASTY in scene.locator("h3").inner_text()
        assert MODELS[2] in scene.locator("figcaption").nth(1).inner_text()
        label = second.get_attribute("aria-label")
        assert label == f"{MODELS[2]}: 3D motion; arrow keys turn it"

        def pictures() -> list[str]:
            return [canvas.evaluate("c => c.toDataURL()") for canvas in (first, second)]

        def clocks() -> tuple[float, float]:
            found = scene.evaluate(
                "s => [...s.querySelectorAll('canvas')].map(c => c.dataset.seconds)"
            )
            return float(found[0]), float(found[1])

        still = pictures()
        scene.get_by_role("button", name="play").click()
        page.wait_for_timeout(700)
        moving = pictures()
        assert all(a != b for a, b in zip(still, moving, strict=True)), "both move"
        one, other = clocks()
        # A busy machine may take the shorter one to its end before it is looked at.
        assert one > 0 and other == pytest.approx(min(one, 39 / 20))
        scene.get_by_role("button", name="pause").click()
        one, other = clocks()
        page.wait_for_timeout(200)
        assert (one, other) == clocks()
        assert scene.locator("output").inner_text().startswith(f"{one:.2f} / ")
        # The second is shorter: it waits at its end, and says so.
        scene.get_by_role("slider").fill("3")
        assert clocks() == (3.0, pytest.approx(39 / 20))
        assert scene.get_by_text("ended").filter(visible=True).count() == 1
        # Both are looked at from the same side; the other scene keeps its own.
        before = pictures()
        first.focus()
        page.keyboard.press("ArrowRight")
        assert all(a != b for a, b in zip(before, pictures(), strict=True))
        page.keyboard.press(" ")
        assert scene.get_by_role("button", name="pause").count() == 1
        kit = page.locator(".scene").nth(1)
        kit.get_by_role("button", name="play").click()
        assert scene.get_by_role("button", name="pause").count() == 0, "one thing plays at a time"
        kit.get_by_role("combobox").select_option("2")
        page.wait_for_timeout(400)
        assert float(kit.locator("canvas").get_attribute("data-seconds") or 0) > 0.3
        assert here.complaints == []
