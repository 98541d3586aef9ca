"""An evaluation into one HTML file that needs nothing else."""

import re
from pathlib import Path

from flows.evaluation_page.drawn import draw_chart, draw_scene, draw_table, skeletons_of
from flows.evaluation_page.model import Page
from flows.html.document import page_environment, render_document, write_document
from pipeline.render.camera import AZIMUTH_DEG

ANCHOR = re.compile(r"[A-Za-z][A-Za-z0-9-]*")
TAKEN = ("main", "rigs", "warnings", "facts")
"""Anchors that the page itself uses."""


def write_page(page: Page, out_html: Path) -> Path:
    """Write an evaluation's page; it opens from disk.

    Args:
        page: What it says. All texts are shown as they are, never taken for HTML.
        out_html: The `.html` file to write; replaced when it exists.

    Returns:
        The file's absolute path.

    Raises:
        ValueError: The page contradicts itself, or `out_html` cannot be written.
    """
    return write_document(render_page(page), out_html)


def render_page(page: Page) -> str:
    """The page's HTML.

    Raises:
        ValueError: An anchor is used twice or is none, or a table's rows do not fit its columns.
    """
    _check_anchors(page)
    scenes = {section.anchor: [draw_scene(s) for s in section.scenes] for section in page.sections}
    return render_document(
        page_environment("flows.evaluation_page"),
        "evaluation.html.j2",
        styles=("evaluation.css",),
        scripts=("evaluation.js",),
        skeletons=skeletons_of([scene for drawn in scenes.values() for scene in drawn]),
        page=page,
        tables={s.anchor: [draw_table(table) for table in s.tables] for s in page.sections},
        charts={s.anchor: [draw_chart(chart) for chart in s.charts] for s in page.sections},
        scenes=scenes,
        azimuth_deg=AZIMUTH_DEG,
    )


def _check_anchors(page: Page) -> None:
    anchors = [section.anchor for section in page.sections]
    for anchor in anchors:
        if not ANCHOR.fullmatch(anchor) or anchor in TAKEN or anchors.count(anchor) > 1:
            raise ValueError(
                f"a section's anchor is '{anchor}': it must be a letter followed by letters, "
                f"digits and dashes, occur once, and be none of {', '.join(TAKEN)}"
            )
