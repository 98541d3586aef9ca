"""How the report writes numbers."""

import json
from collections.abc import Callable
from typing import Any

UNKNOWN = "\u2013"
THIN_SPACE = "\u202f"


def count(value: int) -> str:
    """A whole number with thin spaces between thousands."""
    return f"{value:,}".replace(",", THIN_SPACE)


def short(value: float | None) -> str:
    """Three significant digits; a dash when not known."""
    return UNKNOWN if value is None else f"{value:.3g}"


def tenths(value: float | None) -> str:
    """One decimal; a dash when not known."""
    return UNKNOWN if value is None else f"{value:,.1f}".replace(",", THIN_SPACE)


def percent(value: float) -> str:
    """A share in percent, one decimal under ten."""
    return f"{value:.0%}" if value == 0 or value >= 0.1 else f"{value:.1%}"


def pretty_json(text: str) -> str:
    """A JSON text with indents."""
    return json.dumps(json.loads(text), indent=2, sort_keys=True, ensure_ascii=False)


FILTERS: dict[str, Callable[..., Any]] = {
    "count": count,
    "short": short,
    "tenths": tenths,
    "percent": percent,
    "pretty_json": pretty_json,
}
