"""Progress bars on stderr: lively on a terminal, a line now and then in a log."""

import os
import sys
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

from tqdm import tqdm

T = TypeVar("T")
LIVE_S = 0.1
LOGGED_S = 10.0
EVERY_VARIABLE = "CROSSDIFF_PROGRESS_S"
"""Seconds between two lines of a log, for whoever reads it along."""


def progress(items: Iterable[T], what: str, unit: str) -> Iterator[T]:
    """Pass items on, with a bar that counts them."""
    yield from tqdm(items, **_style(what, unit))


def counter(total: int | None, what: str, unit: str) -> "tqdm[Any]":
    """A bar to `update` by hand; close it, or use it as a context."""
    return tqdm(total=total, **_style(what, unit))


def say(line: str) -> None:
    """Print a line on stderr, above the bar if there is one."""
    tqdm.write(line, file=sys.stderr)
    sys.stderr.flush()


def _style(what: str, unit: str) -> dict[str, Any]:
    logged = float(os.environ.get(EVERY_VARIABLE, LOGGED_S))
    interval = LIVE_S if sys.stderr.isatty() else logged
    return {
        "desc": what,
        "unit": unit,
        "file": sys.stderr,
        "mininterval": interval,
        "maxinterval": logged,
    }
