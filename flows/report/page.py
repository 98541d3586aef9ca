"""Numbers and pictures into one HTML file that needs nothing else."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from flows.html.document import page_environment, render_document, write_document
from flows.quality_figures import FIGURES, QualityFigure
from flows.report.formats import FILTERS
from flows.report.gallery import make_cards
from flows.report.queries import (
    FAILURES_SHOWN,
    ask_numbers,
    ask_quality,
    choose_motions,
    dataset_names,
)
from pipeline.render.camera import AZIMUTH_DEG
from pipeline.render.charts import Histogram, histogram, stacked
from pipeline.render.out_files import check_out_file
from pipeline.skeletons import HUMANML3D
from storage.catalog import connect
from storage.errors import StoreError, told_plainly
from storage.store import Store, open_store
from storage.versions import newest_version

MOTIONS_SHOWN = 40
"""Motions with pictures: about 50 kB of page each."""
SHARE_BAR_WIDTH = 100.0
"""Units of the stage bar's view box."""


@dataclass(frozen=True)
class QualityChart:
    """One quality figure's histogram."""

    figure: QualityFigure
    histogram: Histogram | None
    """None when no motion has the figure."""


def write_report(store_url: str, out_html: Path | str, dataset: str | None = None) -> Path:
    """Write the report of a store, or of one of its data sets.

    Args:
        store_url: The store, or `STORE@VERSION`.
        out_html: The `.html` file to write; replaced when it exists.
        dataset: Only this data set; None for all.

    Returns:
        The file's absolute path.

    Raises:
        StoreError: The store cannot be read or has no such data set.
        ValueError: `out_html` cannot be written.
    """
    target = check_out_file(out_html, ".html")
    return write_document(render_page(_one_version(store_url), dataset), target)


def render_page(store: Store, dataset: str | None = None) -> str:
    """The report's HTML.

    Raises:
        StoreError: The store cannot be read or has no such data set.
    """
    with told_plainly(f"report on {store.location}"), connect(store) as connection:
        dataset = _known_dataset(connection, store, dataset)
        facts = _facts(connection, dataset)
        chosen = choose_motions(connection, dataset, MOTIONS_SHOWN)
    environment = page_environment("flows.report")
    environment.filters.update(FILTERS)
    return render_document(
        environment,
        "report.html.j2",
        styles=("report.css",),
        scripts=("report.js",),
        skeletons=(HUMANML3D,),
        **facts,
        cards=make_cards(store, chosen),
        dataset=dataset,
        store=store.location,
        turn_deg=AZIMUTH_DEG,
    )


def _one_version(store_url: str) -> Store:
    """The store, held at one version, so that an ingest meanwhile does not tear the page."""
    store = open_store(store_url)
    if store.location.version is not None:
        return store
    return open_store(f"{store.location}@{newest_version(store.location).videos}")


def _known_dataset(
    connection: duckdb.DuckDBPyConnection, store: Store, dataset: str | None
) -> str | None:
    """The data set asked for; the only one there is when none was asked for; None for several."""
    known = dataset_names(connection)
    if dataset is None:
        return known[0] if len(known) == 1 else None
    if dataset not in known:
        there = f"it has {', '.join(known)}" if known else "it has none yet"
        raise StoreError(f"{store.location} has no data set '{dataset}': {there}")
    return dataset


def _facts(connection: duckdb.DuckDBPyConnection, dataset: str | None) -> dict[str, Any]:
    numbers = ask_numbers(connection, dataset)
    values = [(figure, ask_quality(connection, figure.column, dataset)) for figure in FIGURES]
    charts = [
        QualityChart(f, histogram(v, f.limits, higher_is_better=f.higher_is_better))
        for f, v in values
    ]
    seconds = [stage["seconds"] for stage in numbers.stages]
    return {
        "numbers": numbers,
        "total_seconds": sum(seconds),
        "stage_bars": stacked(seconds, SHARE_BAR_WIDTH),
        "charts": charts,
        "failures_shown": FAILURES_SHOWN,
    }
