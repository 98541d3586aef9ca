"""Fixtures shared by all tests: where the shared data lies, and the sample clips."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import cli_runs
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


@pytest.fixture(scope="session")
def prefect_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Prefect's files, away from the user's own."""
    return tmp_path_factory.mktemp("prefect")


@pytest.fixture(scope="session")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sample clips, a broken file and a copy; see `cli_runs.make_videos`."""
    return cli_runs.make_videos(tmp_path_factory.mktemp("videos"))


@pytest.fixture(scope="session")
def ingested(
    videos: Path, prefect_home: Path, tmp_path_factory: pytest.TempPathFactory
) -> cli_runs.Ingested:
    """What one undisturbed `crossdiff ingest` of `videos` made, in shards of two."""
    store = tmp_path_factory.mktemp("ingested") / "store"
    done = cli_runs.run(prefect_home, *cli_runs.ingest_arguments(videos, store))
    assert done.status == 0, done.stderr
    return cli_runs.Ingested(store, done)


@pytest.fixture(scope="session")
def prefect_api(
    ingested: cli_runs.Ingested, prefect_home: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[cli_runs.PrefectApi]:
    """A real Prefect server, for tests that watch one or start many runs.

    It starts from the database that the earlier run left: making one takes ten seconds.
    """
    home = tmp_path_factory.mktemp("prefect_server")
    for file in prefect_home.glob("prefect.db*"):
        shutil.copy2(file, home)
    with cli_runs.prefect_server(home) as api:
        yield api


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item):
    """In CI, a test that needs the shared data (or the browser) must not skip."""
    outcome = yield
    report = outcome.get_result()
    needed = {"shared", "browser"} & {mark.name for mark in item.iter_markers()}
    if report.skipped and needed and os.environ.get("CI"):
        report.outcome = "failed"
        report.longrepr = f"skipped in CI, where {' and '.join(sorted(needed))} must be there"
