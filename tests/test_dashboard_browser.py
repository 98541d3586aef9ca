"""Overview, browsing and deciding in a real Chromium, over a store that a real ingest made."""

import json
import re
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import cli_runs
import pytest
from axe_playwright_python.sync_playwright import Axe
from dashboard_pages import (
    LOST,
    Server,
    await_answer,
    await_no_wait,
    browser,
    motion_ids,
    server,
    visitor,
)
from playwright.sync_api import Browser, Page, Route, expect

from storage.decisions import current_decisions, decision_history
from storage.store import create_store, open_store

pytestmark = pytest.mark.browser

HOSTILE = '<img src=x onerror="alert(1)"><script>alert(2)</script>'
MANY = 100_000
PIXEL = bytes.fromhex(
    "47494638396101000100800000000000ffffff21f90401000000002c00000000010001000002024401003b"
)
REFUSED_500 = re.compile("status of 500")
REFUSED_404 = re.compile("status of 404")
PAGES = {
    "#/": "Overview", "#/browse": "Browse", "#/failures": "Failures", "#/ask": "Ask",
    "#/activity": "Activity", "#/motion?id=nobody": "Motion",
}  # fmt: skip


@pytest.fixture(scope="module")
def opened() -> Iterator[Browser]:
    with browser() as started:
        yield started


@pytest.fixture(scope="module")
def served(
    ingested: cli_runs.Ingested, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """Read by many tests, written by none."""
    with server(ingested.store, tmp_path_factory.mktemp("cache")) as made:
        yield made


@pytest.fixture
def written(ingested: cli_runs.Ingested, tmp_path: Path) -> Iterator[Server]:
    """A copy of the store, to decide on."""
    shutil.copytree(ingested.store, tmp_path / "store")
    with server(tmp_path / "store", tmp_path / "cache") as made:
        yield made


def verdicts(served: Server) -> dict[str, str | None]:
    made = current_decisions(open_store(str(served.store)))
    return {name: decision.verdict for name, decision in made.items()}


def open_grid(page: Page, motions: int = 3) -> None:
    expect(page.locator(".cell[data-id]")).to_have_count(motions)


def grid_ids(page: Page) -> list[str]:
    return page.locator(".cell[data-id]").evaluate_all("cells => cells.map((c) => c.dataset.id)")


# --- overview -----------------------------------------------------------------------------------


def test_overview_counts_what_the_store_holds_and_its_bars_filter(
    opened: Browser, served: Server
) -> None:
    with visitor(opened, served.url) as here:
        page = here.go()
        expect(page.locator(".headline dd").first).to_have_text("3")
        page.get_by_role("link", name="Cartwheel: 1 motion").click()
        open_grid(page, 1)
        assert "action=Cartwheel" in page.url
        expect(page.locator(".cell-title")).to_have_text("Cartwheel")
        page.go_back()
        page.get_by_role("link", name="not_a_video: 1 file").click()
        expect(page.locator("tbody tr")).to_have_count(1)
        expect(page.locator("tbody")).to_contain_text("Broken/v_Broken_g01_c01.avi")


def test_every_bar_leads_to_as_many_motions_as_it_says(opened: Browser, served: Server) -> None:
    with visitor(opened, served.url) as here:
        page = here.go()
        await_no_wait(page)
        bars = page.locator(".card a[href^='#/browse']")
        found = bars.evaluate_all("all => all.map((a) => [a.href, a.getAttribute('aria-label')])")
        counted = [
            (href, label) for href, label in found if label.endswith((" motions", " motion"))
        ]
        assert len(counted) > 20, "classes, decisions and three histograms"
        for href, label in [each for each in counted if not each[1].endswith(": 0 motions")]:
            query = dict(part.split("=") for part in href.partition("?")[2].split("&") if part)
            total = served.get("motions", **query)["total"]
            assert label.rpartition(": ")[2].split()[0] == str(total), label


# --- browsing -----------------------------------------------------------------------------------


def test_search_sort_and_filters_are_in_the_address_and_back_undoes_them(
    opened: Browser, served: Server
) -> None:
    with visitor(opened, served.url) as here:
        page = here.go("#/browse")
        open_grid(page)
        here.key("/")
        page.keyboard.type("jumping")
        open_grid(page, 1)
        assert "q=jumping" in page.url
        expect(page.locator(".total")).to_have_text("1 motion")
        page.get_by_role("button", name="Remove filter “jumping”").click()
        open_grid(page)
        page.get_by_label("Sort").select_option("seconds desc")
        longest = served.get("motions", sort="seconds", order="desc")["rows"]
        expect(page.locator(".cell").first).to_have_attribute("data-id", longest[0]["motion_id"])
        assert grid_ids(page) == [row["motion_id"] for row in longest]
        page.get_by_label("Class", exact=True).select_option("SitDown")
        open_grid(page, 1)
        page.get_by_label("Length, at least, s").fill("100")
        expect(page.locator(".empty-title")).to_have_text("No motion fits these filters.")
        page.go_back()
        open_grid(page, 1)
        assert "seconds+desc" not in page.url and "sort=seconds" in page.url


def test_of_a_hundred_thousand_motions_only_those_in_sight_are_in_the_page(
    opened: Browser, served: Server
) -> None:
    row = served.get("motions")["rows"][0]
    asked: list[int] = []

    def answer(route, request) -> None:
        query = dict(part.split("=") for part in request.url.partition("?")[2].split("&"))
        first = int(query["offset"])
        asked.append(first)
        rows = [
            {**row, "motion_id": f"m{n}", "action": f"number {n}"}
            for n in range(first, min(first + int(query["limit"]), MANY))
        ]
        route.fulfill(body=json.dumps({"total": MANY, "version": 1, "rows": rows}))

    with visitor(opened, served.url, forgiving=REFUSED_404) as here:
        here.page.route("**/api/motions?*", answer)
        here.page.route("**/api/thumb?*", lambda route: route.fulfill(body=PIXEL))
        page = here.go("#/browse")
        expect(page.locator(".total")).to_have_text("100,000 motions")
        expect(page.get_by_role("link", name="number 0,")).to_be_visible()
        for share in (0.5, 1.0):
            page.evaluate(f"scrollTo(0, document.body.scrollHeight * {share})")
            page.wait_for_timeout(200)
            assert page.locator(".cell").count() < 60
        expect(page.get_by_role("link", name="number 99999,")).to_be_visible()
        assert len(asked) < 12, "pages that flew by are not asked for"
        cell = page.locator(".cell[data-id='m99999']")
        assert cell.get_attribute("aria-posinset") == str(MANY)
        cell.get_by_role("link").focus()
        here.key("Enter")
        page.wait_for_url("**#/motion*")
        page.go_back()
        expect(page.get_by_role("link", name="number 99999,")).to_be_visible()


# --- deciding -----------------------------------------------------------------------------------


def test_the_keyboard_alone_decides_undoes_and_decides_on_a_selection(
    opened: Browser, written: Server
) -> None:
    first, second, third = motion_ids(written)
    with visitor(opened, written.url) as here:
        page = here.go("#/browse")
        open_grid(page)
        here.key("j", "a", "d")  # a keep moves on, so that the drop is the second's
        expect(page.locator(".toast > span").last).to_have_text("Saved: Drop on 1 motion.")
        assert verdicts(written) == {first: "keep", second: "drop"}
        expect(page.locator(f"[data-id='{second}'] .mark")).to_have_text("Drop")
        here.key("u")
        expect(page.locator(".toast > span").last).to_have_text("Undone on 1 motion.")
        assert verdicts(written).get(second) is None
        expect(page.locator(f"[data-id='{second}'] .mark")).to_have_count(0)
        here.key("k", "x", "k", "x")
        expect(page.locator(".bulk strong")).to_have_text("2 selected")
        here.key("w")
        expect(page.locator(".toast > span").last).to_have_text("Saved: Needs work on 2 motions.")
        chosen = {name for name, verdict in verdicts(written).items() if verdict == "needs-work"}
        assert len(chosen) == 2
        page.get_by_role("button", name="Undo", exact=True).click()
        expect(page.locator(".toast > span").last).to_have_text("Undone on 2 motions.")
        left = {name: verdict for name, verdict in verdicts(written).items() if verdict}
        assert left == {first: "keep"}
        here.key("Escape")
        expect(page.locator(".bulk")).to_be_hidden()
        page.get_by_label("Decision", exact=True).select_option("keep")
        open_grid(page, 1)
        assert grid_ids(page) == [first] and third in motion_ids(written)


def test_two_that_are_selected_are_compared(opened: Browser, served: Server) -> None:
    first, second, *_ = motion_ids(served)
    with visitor(opened, served.url) as here:
        page = here.go("#/browse")
        open_grid(page)
        here.key("j", "x", "b")
        expect(page.locator(".toast > span").last).to_contain_text("Select two motions")
        here.key("j", "x")
        expect(page.get_by_role("button", name="Compare")).to_be_visible()
        here.key("b")
        page.wait_for_url(f"**#/compare?a={first}&b={second}")


def test_a_hostile_caption_is_text_everywhere_and_on_disk_as_typed(
    opened: Browser, written: Server
) -> None:
    name = motion_ids(written)[0]
    with visitor(opened, written.url) as here:
        page = here.go(f"#/motion?id={name}")
        expect(page.get_by_label("Captions")).to_be_visible()
        here.key("e")
        page.keyboard.type(f"a person jumps\n{HOSTILE}")
        here.key("Control+Enter")
        expect(page.locator(".decision-state")).to_contain_text("saved, by ada")
        expect(page.locator(".history")).to_contain_text(HOSTILE)
        page.get_by_label("Note").fill(HOSTILE)
        here.key("Enter")
        expect(page.locator(".history li")).to_have_count(2)
        page.get_by_label("Split").select_option("val")
        expect(page.locator(".history li")).to_have_count(3)
        held = current_decisions(open_store(str(written.store)))[name]
        assert held.captions == ("a person jumps", HOSTILE)
        assert (held.note, held.split) == (HOSTILE, "val")
        for address in ("#/browse", f"#/browse?q={HOSTILE.replace('&', '')}", "#/activity"):
            here.go(address)
            await_no_wait(page)
            assert page.evaluate("document.querySelectorAll('[onerror], main script').length") == 0


def test_captions_typed_and_not_saved_are_there_when_one_comes_back(
    opened: Browser, served: Server
) -> None:
    one, two, _ = motion_ids(served)
    with visitor(opened, served.url) as here:
        page = here.go(f"#/motion?id={one}")
        page.get_by_label("Captions").fill("half a sentence")
        page.evaluate(f"location.hash = '#/motion?id={two}'")
        expect(page.locator("h1 code")).to_have_text(two)
        expect(page.get_by_label("Captions")).not_to_have_value("half a sentence")
        page.go_back()
        expect(page.locator("h1 code")).to_have_text(one)
        expect(page.get_by_label("Captions")).to_have_value("half a sentence")
        expect(page.locator(".decide .notice")).to_contain_text("not saved yet")
        page.get_by_role("button", name="Revert").click()
        expect(page.locator(".decide .notice")).to_be_hidden()


def test_a_refused_decision_is_taken_back_and_said(opened: Browser, written: Server) -> None:
    name = motion_ids(written)[0]
    refused = {"status": 500, "body": json.dumps({"error": "the disk is full"})}
    with visitor(opened, written.url, forgiving=REFUSED_500) as here:
        page = here.go("#/browse")
        open_grid(page)
        held = []
        page.route("**/api/decisions", lambda route: held.append(route))  # noqa: PLW0108 - wrapped
        here.key("j", "d")
        mark = page.locator(f"[data-id='{name}'] .mark")
        expect(mark).to_have_text("Drop · saving")
        expect(page.locator("#saving")).to_have_text("Saving 1…")
        held[0].fulfill(**refused)
        expect(mark).to_have_count(0)
        expect(page.locator(".toast.bad")).to_contain_text("Not saved (1 motion): the disk is full")
        assert verdicts(written) == {}


def test_two_curators_see_each_others_decisions_and_the_last_counts(
    opened: Browser, written: Server
) -> None:
    name = motion_ids(written)[0]
    with visitor(opened, written.url) as ada, visitor(opened, written.url) as ben:
        for here in (ada, ben):
            here.go(f"#/motion?id={name}")
            expect(here.page.locator(".decision-state")).to_have_text("Nobody has decided yet.")
        ben.page.get_by_role("button", name="You decide as ada").click()
        ben.page.get_by_label("Your name").fill("ben")
        ben.key("Enter")
        ada.key("a")
        expect(ada.page.locator(".decision-state")).to_contain_text("saved, by ada")
        ben.key("d")
        expect(ben.page.locator(".decision-state")).to_contain_text("saved, by ben")
        expect(ben.page.locator(".toast.strong")).to_contain_text("ada decided on 1")
        expect(ben.page.locator(".history li")).to_have_count(2)
        ada.page.reload()
        expect(ada.page.locator(".decision-state")).to_contain_text("saved, by ben")
    store = open_store(str(written.store))
    assert [each.by for each in decision_history(store, name)] == ["ada", "ben"]
    assert current_decisions(store)[name].verdict == "drop"


def test_a_killed_server_loses_nothing(
    opened: Browser, ingested: cli_runs.Ingested, prefect_home: Path, tmp_path: Path
) -> None:
    shutil.copytree(ingested.store, tmp_path / "store")
    where = ["dashboard", "--store", str(tmp_path / "store"), "--by", "ada", "--json"]
    process = cli_runs.start(prefect_home, *where, "--port", "0")
    assert process.stdout is not None
    url = json.loads(process.stdout.readline())["url"].rstrip("/")
    await_answer(url)
    try:
        with visitor(opened, url, forgiving=LOST) as here:
            page = here.go("#/browse")
            open_grid(page)
            expect(page.get_by_label("Class", exact=True)).to_be_visible()
            process.send_signal(signal.SIGKILL)
            process.wait(10)
            here.key("j", "d")
            expect(page.locator("#banner")).to_contain_text("One decision waits here")
            expect(page.locator(".mark").first).to_have_text("Drop · saving")
            page.get_by_role("link", name="Failures").click()
            process = cli_runs.start(prefect_home, *where, "--port", url.rpartition(":")[2])
            expect(page.locator("#banner")).to_be_hidden(timeout=40_000)
            expect(page.locator(".toast").last).to_contain_text("Saved: Drop on 1 motion")
            expect(page.locator("tbody")).to_contain_text("Broken")
        made = current_decisions(open_store(str(tmp_path / "store")))
        assert [each.verdict for each in made.values()] == ["drop"]
    finally:
        process.send_signal(signal.SIGINT)
        cli_runs.finish(process, 30)


def test_a_decision_whose_answer_was_lost_is_recorded_once_and_shows_as_saved(
    opened: Browser, written: Server
) -> None:
    """Once nothing comes, once half an answer; both times the server had recorded it."""
    name = motion_ids(written)[0]
    lost = [lambda route: route.abort(), lambda route: route.fulfill(status=200, body='{"rec')]

    def lose(route: Route) -> None:
        if not lost:
            return route.continue_()
        route.fetch()
        return lost.pop()(route)

    with visitor(opened, written.url, forgiving=re.compile("Failed to load resource")) as here:
        page = here.go(f"#/motion?id={name}")
        expect(page.locator(".decision-state")).to_have_text("Nobody has decided yet.")
        page.route("**/api/decisions", lose)
        here.key("d", "a")
        expect(page.locator(".decision-state")).to_contain_text(
            "Keep \N{EN DASH} saved", timeout=20_000
        )
        expect(page.locator(".toast.bad, .toast.strong")).to_have_count(0)
        page.unroute_all()
    made = decision_history(open_store(str(written.store)), name)
    assert [each.verdict for each in made] == ["drop", "keep"]


def test_what_waits_in_a_duplicated_tab_is_sent_by_the_first_alone(
    opened: Browser, written: Server
) -> None:
    """Browsers copy what a tab keeps; sent by both, each decision would be there twice."""
    name = motion_ids(written)[0]
    with visitor(opened, written.url, forgiving=re.compile("Failed to load resource")) as here:
        page = here.go(f"#/motion?id={name}")
        expect(page.locator(".decision-state")).to_have_text("Nobody has decided yet.")
        page.route("**/api/store", lambda route: route.abort())
        page.route("**/api/decisions", lambda route: route.abort())
        here.key("d", "a", "w")
        expect(page.locator("#saving")).to_have_text("Saving 3\N{HORIZONTAL ELLIPSIS}")
        kept = page.evaluate("() => JSON.stringify(sessionStorage)")
        copy = page.context.new_page()
        copy.add_init_script(f"Object.assign(sessionStorage, {kept})")
        page.unroute_all()
        copy.goto(page.url)
        expect(copy.locator(".toast")).to_contain_text("that this one was copied from")
        expect(page.locator(".decision-state")).to_contain_text(
            "Needs work \N{EN DASH} saved", timeout=20_000
        )
        for each in (copy, page):
            expect(each.locator("#saving")).to_be_hidden()
    made = decision_history(open_store(str(written.store)), name)
    assert [each.verdict for each in made] == ["drop", "keep", "needs-work"]


def test_what_the_tab_cannot_keep_is_not_sent_again(opened: Browser, written: Server) -> None:
    """A state that is too large to be kept must not leave an older one that lists it as unsent."""
    name = motion_ids(written)[0]
    with visitor(opened, written.url) as here:
        page = here.go(f"#/motion?id={name}")
        expect(page.locator(".decision-state")).to_have_text("Nobody has decided yet.")
        page.evaluate(
            "() => { const set = Storage.prototype.setItem;"
            " Storage.prototype.setItem = function (k, v) {"
            " if (v.includes('decision_ids')) throw new DOMException('full', 'QuotaExceededError');"
            " return set.call(this, k, v); }; }"
        )
        here.key("d")
        expect(page.locator(".decision-state")).to_contain_text("Drop \N{EN DASH} saved")
        kept = page.evaluate("() => JSON.parse(sessionStorage.getItem('crossdiff-decisions'))")
        assert kept == {"queue": [], "done": []}


# --- for everybody ------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_is_accessible_and_fits_a_telephone(
    opened: Browser, served: Server, scheme: str
) -> None:
    one, two, _ = motion_ids(served)
    pages = PAGES | {f"#/motion?id={one}": one[:12], f"#/compare?a={one}&b={two}": "Compare"}
    # What does not depend on colours needs to be looked at once.
    rules = {"runOnly": ["color-contrast"]} if scheme == "dark" else {}
    with visitor(opened, served.url, scheme=scheme, bypass_csp=True, forgiving=REFUSED_404) as here:
        page = here.go()
        for address, title in pages.items():
            page.evaluate("address => { location.hash = address; }", address)
            expect(page).to_have_title(re.compile(rf"{re.escape(title)}.* \u2013 CrossDiff"))
            await_no_wait(page)
            if address == "#/browse":
                page.locator(".cell-check input").first.check()
            found = Axe().run(page, options=rules).response["violations"]
            assert [(each["id"], each["nodes"][0]["html"]) for each in found] == [], address
            page.set_viewport_size({"width": 390, "height": 844})
            assert page.evaluate("document.documentElement.scrollWidth") <= 390, address
            page.set_viewport_size({"width": 1280, "height": 900})
        here.key("?")
        found = Axe().run(page, options=rules).response["violations"]
        assert [each["id"] for each in found] == []


@pytest.mark.parametrize("name", ["nowhere", "constructor"])
def test_a_page_that_there_is_not_is_the_overview_and_says_so(
    opened: Browser, served: Server, name: str
) -> None:
    with visitor(opened, served.url) as here:
        page = here.go(f"#/{name}")
        expect(page.locator(".toast").last).to_contain_text(f"There is no page “{name}”")
        expect(page).to_have_title(re.compile("^Overview"))


def test_a_store_with_nothing_in_it_says_so_on_every_page(opened: Browser, tmp_path: Path) -> None:
    create_store(tmp_path / "store")
    with (
        server(tmp_path / "store", tmp_path / "cache") as empty,
        visitor(opened, empty.url) as here,
    ):
        for address, words in {
            "#/": "This store holds no motions yet.",
            "#/browse": "This store holds no motions yet.",
            "#/failures": "No file has failed.",
            "#/activity": "Nobody has decided yet.",
            "#/ask": "No model is here to ask.",
        }.items():
            expect(here.go(address).locator("main")).to_contain_text(words)
