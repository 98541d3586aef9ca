"""A template into one HTML file that needs no network and runs nothing but its own script."""

import base64
import hashlib
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from pipeline.render.out_files import check_out_file, replaced_when_done
from pipeline.render.player_data import player_rig
from pipeline.skeletons import Skeleton
from storage.lineage import code_commit, code_version

SHARED = "flows.html"
SHARED_STYLES = ("base.css",)
SHARED_SCRIPTS = ("sort.js", "player.js")


def page_environment(package: str) -> Environment:
    """Templates of a package's folder `templates`, over those that all pages share.

    Args:
        package: E.g. `flows.report`.
    """
    return Environment(
        loader=ChoiceLoader([PackageLoader(package), PackageLoader(SHARED)]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def render_document(  # the name of a template and what it shows
    environment: Environment,
    template: str,
    *,
    styles: Sequence[str],
    scripts: Sequence[str],
    skeletons: Iterable[Skeleton],
    **facts: Any,  # noqa: ANN401
) -> str:
    """The page's HTML, with the style and script that its own policy lets through by their hash.

    Args:
        environment: From `page_environment`.
        template: Extends `base.html.j2`.
        styles: The page's own style sheets, after the shared one.
        scripts: The page's own scripts, after the shared ones.
        skeletons: Those of the motions that its players show.
        facts: What the template shows.
    """
    style = _joined(environment, (*SHARED_STYLES, *styles))
    script = _joined(environment, (*SHARED_SCRIPTS, *scripts))
    return environment.get_template(template).render(
        **facts,
        made_at=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        code_version=code_version(),
        code_commit=code_commit(),
        rigs={skeleton.name: player_rig(skeleton) for skeleton in skeletons},
        script=Markup(script),  # noqa: S704 - our own file
        script_hash=_csp_hash(script),
        style=Markup(style),  # noqa: S704 - our own file
        style_hash=_csp_hash(style),
    )


def write_document(page: str, out_html: Path | str) -> Path:
    """Write a page; the file appears whole or not at all.

    Returns:
        The file's absolute path.

    Raises:
        ValueError: `out_html` cannot be written.
    """
    target = check_out_file(out_html, ".html")
    with replaced_when_done(target, ".html") as unfinished:
        try:
            unfinished.write_text(page, encoding="utf-8")
        except OSError as error:
            raise ValueError(f"cannot write {target}: {error.strerror or error}") from error
    return target


def _joined(environment: Environment, names: Iterable[str]) -> str:
    """The text of scripts or style sheets, as it will stand in the page."""
    if environment.loader is None:
        raise ValueError("the templates have no loader")
    return "\n".join(environment.loader.get_source(environment, name)[0] for name in names)


def _csp_hash(text: str) -> str:
    """The hash by which the page's own policy allows this text and no other to run."""
    digest = hashlib.sha256(text.encode()).digest()
    return f"sha256-{base64.b64encode(digest).decode('ascii')}"
