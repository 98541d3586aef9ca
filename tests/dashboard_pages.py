"""The dashboard in a real Chromium: servers, pages, and everything that a page complains about."""

import json
import re
import socket
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uvicorn
from chromium import FLAGS as PLAIN_FLAGS
from chromium import program
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from storage.dashboard.app import create_app
from storage.dashboard.asking import MotionMaker
from storage.dashboard.settings import Settings
from storage.store import open_store

FLAGS = [*PLAIN_FLAGS, "--enable-unsafe-swiftshader"]
"""WebGL by software, without a warning in the console."""
NO_WEBGL = [*PLAIN_FLAGS, "--disable-3d-apis"]
DRIVER_TALK = re.compile(r"GL Driver Message .*GPU stall due to ReadPixels")
"""What the software driver says when a page is composited; no fault of the page."""
START_S = 60.0
LOST = re.compile(
    r"Failed to load resource: (net::ERR_(CONN|CONT|EMPTY|INCOMPLETE)|.*status of 503)"
)
"""What the browser itself says when the server is gone."""


@dataclass
class Server:
    """A dashboard that answers in a thread of this process."""

    url: str
    store: Path
    stop: Callable[[], None] = field(repr=False)

    def get(self, path: str, **params: Any) -> Any:
        """An answer of the API, as the pages get it."""
        query = urllib.parse.urlencode(params)
        with urllib.request.urlopen(f"{self.url}/api/{path}?{query}", timeout=30) as answer:
            return json.load(answer)


@contextmanager
def server(
    store: Path, cache: Path, *, maker: MotionMaker | None = None, by: str = "ada"
) -> Iterator[Server]:
    """Serve a store on a free port until the block ends."""
    settings = Settings(by=by, port=0, cache=cache, check_every_s=0.2)
    app = create_app(open_store(store), settings, maker)
    with closing(socket.create_server(("127.0.0.1", 0))) as sock:
        config = uvicorn.Config(app, log_level="error", timeout_graceful_shutdown=1)
        runs = uvicorn.Server(config)
        thread = threading.Thread(target=runs.run, kwargs={"sockets": [sock]})
        thread.start()

        def stop() -> None:
            runs.should_exit = True
            thread.join(20)

        made = Server(f"http://127.0.0.1:{sock.getsockname()[1]}", store, stop)
        try:
            await_answer(made.url)
            yield made
        finally:
            stop()


def await_answer(url: str) -> None:
    """Wait until the store has been read."""
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"{url}/api/motions?limit=1", timeout=5):
                return
        except OSError:
            time.sleep(0.05)
    raise RuntimeError("the dashboard did not answer")


@contextmanager
def browser() -> Iterator[Browser]:
    """A headless Chromium without a network."""
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=program(), args=FLAGS)
        yield started
        started.close()


@contextmanager
def without_webgl(beside: Browser) -> Iterator[Browser]:
    """Another Chromium that has no WebGL at all."""
    started = beside.browser_type.launch(executable_path=program(), args=NO_WEBGL)
    yield started
    started.close()


@dataclass
class Visitor:
    """One person's browser window."""

    page: Page
    context: BrowserContext
    base: str
    complaints: list[str] = field(default_factory=list)

    def go(self, address: str = "#/") -> Page:
        """Open an address of the dashboard, as a link that somebody sent."""
        self.page.goto("about:blank")
        self.page.goto(f"{self.base}/{address}")
        return self.page

    def key(self, *keys: str) -> None:
        """Press keys, one after the other."""
        for key in keys:
            self.page.keyboard.press(key)


@contextmanager
def visitor(
    opened: Browser, base: str, *, width: int = 1280, scheme: str = "light", still: bool = True,
    forgiving: re.Pattern[str] | None = None, **options: Any,
) -> Iterator[Visitor]:  # fmt: skip
    """A window of its own; at its end nothing may have been complained about.

    Args:
        opened: The browser.
        base: Address of the dashboard, without a slash at its end.
        width: Of the window, pixels.
        scheme: light or dark.
        still: The visitor has asked for less motion: nothing plays by itself.
        forgiving: Complaints that the test brings about itself.
        options: More for the context.
    """
    context = opened.new_context(
        viewport={"width": width, "height": 900 if width > 500 else 844},
        color_scheme=scheme,  # type: ignore[arg-type]
        reduced_motion="reduce" if still else "no-preference",
        **options,
    )
    here = Visitor(context.new_page(), context, base)
    here.page.set_default_timeout(10_000)
    said = here.complaints.append
    here.page.on("console", lambda message: said(f"console: {message.text}"))
    here.page.on("pageerror", lambda error: said(f"error: {error}"))
    here.page.on("request", lambda request: _note_foreign(here, request.url))
    here.page.on("dialog", lambda dialog: (said(f"dialog: {dialog.message}"), dialog.dismiss()))
    yield here
    left = [text for text in here.complaints if not DRIVER_TALK.search(text)]
    if forgiving is not None:
        left = [text for text in left if not forgiving.search(text)]
    context.close()
    assert left == [], left


def _note_foreign(here: Visitor, url: str) -> None:
    if not url.startswith((f"{here.base}/", "data:", "blob:", "about:")):
        here.complaints.append(f"request to {url}")


def motion_ids(served: Server) -> list[str]:
    """All motions of a store, in the order of the grid."""
    return [row["motion_id"] for row in served.get("motions")["rows"]]


def await_no_wait(page: Page) -> None:
    """Until no part of the page says that it is loading."""
    expect(page.locator("main h1").first).to_be_attached()
    expect(page.locator("main .wait")).to_have_count(0)
