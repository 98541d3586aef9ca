"""How fast the dashboard is in a browser: a script, not a test.

    crossdiff dashboard --store STORE --port 8455 &
    python tests/benchmarks/dashboard_browser.py http://127.0.0.1:8455 [--times 12]

Headless Chromium with software WebGL, every time a new window with an empty cache. Prints seconds,
sorted, and their median: `first page` until the first card stands, `filter` from a choice of class
until the first card of it stands, `viewer` from the grid and `window` opened by a motion's own link
until the skeleton was drawn (from the start of the page's own clock).
"""

import argparse
import statistics
import sys
import time
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from chromium import FLAGS, program

SIZE = {"width": 1280, "height": 900}
CARD = ".cell[data-id]"
REST_MS = 1500
"""Before a motion is opened from the grid: what the page fetches ahead is there by then."""
WATCH = """new MutationObserver((_, watch) => {
  if (!document.querySelector('.viewer[data-kind]')) return;
  window.drawnAfter_s = performance.now() / 1000;
  watch.disconnect();
}).observe(document, { subtree: true, childList: true, attributes: true });"""
FILTER = """async (value) => {
  const began = performance.now();
  const choice = document.querySelector('select[name=action]');
  choice.value = value;
  choice.dispatchEvent(new Event('change'));
  for (;;) {
    await new Promise((done) => setTimeout(done, 4));
    const title = document.querySelector('.cell[data-id] .cell-title');
    if (title?.textContent === value) return (performance.now() - began) / 1000;
  }
}"""
OPEN = """async (id) => {
  const began = performance.now();
  location.hash = `#/motion?id=${id}`;
  for (;;) {
    await new Promise((done) => setTimeout(done, 4));
    const shown = document.querySelector('h1 code')?.textContent;
    if (shown === id && document.querySelector('.viewer[data-kind]')) {
      return (performance.now() - began) / 1000;
    }
  }
}"""


def new_page(browser: Browser) -> Page:
    """A window of its own, nothing cached."""
    page = browser.new_context(viewport=SIZE).new_page()
    page.goto("about:blank")
    return page


def from_the_grid(browser: Browser, url: str, turn: int, found: dict[str, list[float]]) -> str:
    """The grid, two filters and a motion; returns the motion's id."""
    page = new_page(browser)
    began = time.perf_counter()
    page.goto(f"{url}/#/browse")
    page.wait_for_selector(CARD)
    found["first page"].append(time.perf_counter() - began)
    page.wait_for_selector("select[name=action]")
    page.wait_for_timeout(REST_MS)
    options = "[...document.querySelector('select[name=action]').options].map((o) => o.value)"
    for value in page.evaluate(options)[1:3]:
        found["filter"].append(page.evaluate(FILTER, value))
    page.goto("about:blank")
    page.goto(f"{url}/#/browse")
    page.wait_for_selector(CARD)
    ids: list[str] = page.eval_on_selector_all(CARD, "cards => cards.map((c) => c.dataset.id)")
    page.wait_for_timeout(REST_MS)
    motion = ids[turn % len(ids)]
    found["viewer"].append(page.evaluate(OPEN, motion))
    page.context.close()
    return motion


def by_its_link(browser: Browser, url: str, motion: str) -> float:
    """Seconds from the page's start until the skeleton was drawn."""
    page = new_page(browser)
    page.add_init_script(WATCH)
    page.goto(f"{url}/#/motion?id={motion}")
    page.wait_for_selector(".viewer[data-kind]")
    seconds: float = page.evaluate("window.drawnAfter_s")
    page.context.close()
    return seconds


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("url")
    parser.add_argument("--times", type=int, default=12)
    given = parser.parse_args()
    found: dict[str, list[float]] = {
        name: [] for name in ("first page", "filter", "viewer", "window")
    }
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=program(), args=[*FLAGS, "--enable-unsafe-swiftshader"]
        )
        for turn in range(given.times):
            motion = from_the_grid(browser, given.url, turn, found)
            found["window"].append(by_its_link(browser, given.url, motion))
        browser.close()
    for name, seconds in found.items():
        shown = " ".join(f"{s:.2f}" for s in sorted(seconds))
        print(f"{name:<11} median {statistics.median(seconds):.2f}: {shown}")


if __name__ == "__main__":
    main()
