"""A page in a real Chromium that has no network, with everything it complains about."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Page, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--autoplay-policy=no-user-gesture-required",
]


def program() -> str:
    """The Chromium of this machine."""
    found = next((place for name in NAMES if (place := shutil.which(name))), None)
    if found is None:
        pytest.skip(f"no Chromium found: none of {', '.join(NAMES)} is on the PATH")
    return found


@dataclass
class Visit:
    page: Page
    complaints: list[str] = field(default_factory=list)
    """Console messages, uncaught errors, and requests to anywhere but the file itself."""


@contextmanager
def visit(html: Path, *, width: int = 1280, scheme: str = "light") -> Iterator[Visit]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program(), args=FLAGS)
        context = browser.new_context(
            viewport={"width": width, "height": 900},
            color_scheme=scheme,  # type: ignore[arg-type]
        )
        here = Visit(context.new_page())
        here.page.on("console", lambda message: here.complaints.append(message.text))
        here.page.on("pageerror", lambda error: here.complaints.append(str(error)))
        here.page.on("dialog", lambda dialog: here.complaints.append(dialog.message))
        here.page.on("request", lambda request: _note_request(here, request.url))
        here.page.goto(html.as_uri())
        yield here
        browser.close()


def _note_request(here: Visit, url: str) -> None:
    if not url.startswith(("file:", "data:")):
        here.complaints.append(f"request to {url}")
