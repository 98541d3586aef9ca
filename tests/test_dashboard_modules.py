"""The dashboard's own files: nothing from elsewhere, no data as HTML, small modules."""

import re
from pathlib import Path

import pytest

STATIC = Path(__file__).resolve().parent.parent / "storage" / "dashboard" / "static"
OWN = sorted(STATIC.glob("*.js"))
ALL = sorted(STATIC.rglob("*.js"))
IMPORT = re.compile(r"""^(?:import|export)\b[^'"`;]*?from\s+["']([^"']+)["']""", re.MULTILINE)
DYNAMIC = re.compile(r"""import\(["']([^"']+)["']\)""")
AS_HTML = re.compile(
    r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|srcdoc|\beval\(|new Function"
)
SECURE_ONLY = re.compile(
    r"randomUUID|crypto\.subtle|navigator\.(?:clipboard|serviceWorker|storage|locks)|\bcaches\."
)
"""What browsers have on this machine and over https alone."""
LONGEST = 350
RELEASE = "187"


def named(path: Path) -> str:
    return path.relative_to(STATIC).as_posix()


@pytest.mark.parametrize("path", ALL, ids=named)
def test_every_import_is_a_file_beside_it(path: Path) -> None:
    text = path.read_text()
    own = path in OWN
    for name in IMPORT.findall(text) + (DYNAMIC.findall(text) if own else []):
        assert name.startswith("."), f"a browser cannot find {name!r} without an import map"
        place = (path.parent / name).resolve()
        assert place.is_file() and place.is_relative_to(STATIC), name


@pytest.mark.parametrize("path", OWN, ids=named)
def test_data_never_becomes_html_or_code(path: Path) -> None:
    assert AS_HTML.findall(path.read_text()) == []


@pytest.mark.parametrize("path", OWN, ids=named)
def test_pages_work_over_plain_http_from_another_machine(path: Path) -> None:
    """`--host` serves just that."""
    assert SECURE_ONLY.findall(path.read_text()) == []


@pytest.mark.parametrize("path", OWN, ids=named)
def test_modules_are_small_and_say_what_they_are(path: Path) -> None:
    text = path.read_text()
    assert len(text.splitlines()) <= LONGEST
    assert text.startswith("/* ")


def test_the_page_has_nothing_inline_and_asks_for_nothing_foreign() -> None:
    page = (STATIC / "index.html").read_text()
    assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)", page)
    for place in re.findall(r"""(?:src|href)="([^"]+)\"""", page):
        assert place.startswith("#") or (STATIC / place.removeprefix("/static/")).is_file(), place


def test_three_js_is_the_release_that_the_readme_names() -> None:
    vendor = STATIC / "vendor"
    assert f"const REVISION = '{RELEASE}';" in (vendor / "three.core.js").read_text()
    assert f"0.{RELEASE}.0" in (vendor / "README.md").read_text()
    assert "Permission is hereby granted" in (vendor / "LICENSE.three").read_text()
