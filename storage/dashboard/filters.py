"""What a curator asks for, as SQL with bound values: names in it are this module's own."""

from dataclasses import dataclass, fields
from typing import Literal

from storage.dashboard.settings import PAGE_ROWS, SEARCH_CHARS
from storage.decisions import VERDICTS

NONE = "none"
"""Asks for motions on which nothing was decided."""
SORTS = {
    "motion_id": "place",
    "label_score": "label_score",
    "reprojection": "reprojection",
    "seconds": "seconds",
    "decided_at": "decided_at",
    "action": "action",
}
_EQUAL = {
    "dataset": "dataset",
    "action": "action",
    "split": "split",
    "source_kind": "source_kind",
    "view": "view_name",
    "visible": "visible",
    "verdict": "verdict",
}
_BOUNDS = {
    "min_score": ("label_score", ">="),
    "max_score": ("label_score", "<="),
    "min_reprojection": ("reprojection", ">="),
    "max_reprojection": ("reprojection", "<="),
    "min_seconds": ("seconds", ">="),
    "max_seconds": ("seconds", "<="),
    "min_skating": ("skating", ">="),
    "max_skating": ("skating", "<="),
    "min_coverage": ("coverage", ">="),
    "max_coverage": ("coverage", "<="),
}

Order = Literal["asc", "desc"]


@dataclass(frozen=True, kw_only=True)
class MotionFilter:
    """Which motions; None asks nothing, "" asks for motions without the value."""

    dataset: str | None = None
    action: str | None = None
    split: str | None = None
    source_kind: str | None = None
    view: str | None = None
    visible: str | None = None
    verdict: str | None = None
    min_score: float | None = None
    max_score: float | None = None
    min_reprojection: float | None = None
    max_reprojection: float | None = None
    min_seconds: float | None = None
    max_seconds: float | None = None
    min_skating: float | None = None
    max_skating: float | None = None
    min_coverage: float | None = None
    max_coverage: float | None = None
    q: str | None = None
    """Words that captions, action or id must hold, all of them."""

    def __post_init__(self) -> None:
        """Refuse what no motion could have."""
        if self.verdict is not None and self.verdict not in (*VERDICTS, NONE, ""):
            raise ValueError(f"verdict is {', '.join(VERDICTS)} or {NONE}")
        if self.q is not None and len(self.q) > SEARCH_CHARS:
            raise ValueError(f"a search has at most {SEARCH_CHARS} characters")

    def where(self) -> tuple[str, dict[str, object]]:
        """The condition on the view `shown`, and the values to bind."""
        parts: list[str] = []
        values: dict[str, object] = {}
        for name in (field.name for field in fields(self)):
            value = getattr(self, name)
            if value is None:
                continue
            if name in _BOUNDS:
                column, sign = _BOUNDS[name]
                parts.append(f"{column} {sign} ${name}")
                values[name] = value
            elif name in _EQUAL and (value == "" or (name == "verdict" and value == NONE)):
                parts.append(f"coalesce({_EQUAL[name]}, '') = ''")
            elif name in _EQUAL:
                parts.append(f"{_EQUAL[name]} = ${name}")
                values[name] = value
        for number, word in enumerate((self.q or "").lower().split()):
            parts.append(f"contains(words, $word{number})")
            values[f"word{number}"] = word
        return " AND ".join(parts) or "true", values


@dataclass(frozen=True)
class Page:
    """Which rows of the answer, in which order."""

    sort: str = "motion_id"
    order: Order = "asc"
    offset: int = 0
    limit: int = PAGE_ROWS

    def __post_init__(self) -> None:
        """Refuse an order that there is not."""
        if self.sort not in SORTS:
            raise ValueError(f"sort is one of {', '.join(SORTS)}")
        if self.order not in ("asc", "desc"):
            raise ValueError("order is asc or desc")
        if not (self.offset >= 0 and 1 <= self.limit <= PAGE_ROWS):
            raise ValueError(f"offset is at least 0 and limit 1 to {PAGE_ROWS}")

    @property
    def order_by(self) -> str:
        """The ORDER BY clause; what is not known comes last, ties by id."""
        direction = self.order.upper()
        return f"{SORTS[self.sort]} {direction} NULLS LAST, place"
