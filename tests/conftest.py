"""Fixtures shared by all tests: where the shared data lies, and the sample clips."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def shared_root() -> Path | None:
    """The shared test data: $CROSSDIFF_SHARED, or `shared` beside the checkout."""
    named = os.environ.get("CROSSDIFF_SHARED")
    for candidate in [Path(named)] if named else [ROOT.parent / "shared"]:
        if (candidate / "reference").is_dir():
            return candidate
    return None


@pytest.fixture(scope="session")
def shared() -> Path:
    root = shared_root()
    if root is None:
        pytest.skip("shared test data not found: set CROSSDIFF_SHARED to its folder")
    return root


@pytest.fixture(scope="session")
def samples() -> Path:
    """The project's own rendered clips with known 3D."""
    return ROOT / "tests" / "samples"


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item):
    """In CI, a test that needs the shared data (or the browser) must not skip."""
    outcome = yield
    report = outcome.get_result()
    needed = {"shared", "browser"} & {mark.name for mark in item.iter_markers()}
    if report.skipped and needed and os.environ.get("CI"):
        report.outcome = "failed"
        report.longrepr = f"skipped in CI, where {' and '.join(sorted(needed))} must be there"
