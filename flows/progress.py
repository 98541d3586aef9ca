"""Progress bars on stderr: lively on a terminal, a line now and then in a log."""

import sys
from collections.abc import Iterable
from typing import Any, TypeVar

from tqdm import tqdm

T = TypeVar("T")
LIVE_S = 0.1
LOGGED_S = 10.0


def progress(items: Iterable[T] | None, what: str, unit: str, total: int | None = None) -> "tqdm[T]":
    """A bar over `items`, or one to `update` by hand when there are none."""
    terminal = sys.stderr.isatty()
    settings: dict[str, Any] = {
        "desc": what,
        "unit": unit,
        "total": total,
        "file": sys.stderr,
        "mininterval": LIVE_S if terminal else LOGGED_S,
        "maxinterval": LOGGED_S,
    }
    return tqdm(items, **settings)
