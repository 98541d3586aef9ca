"""Answers that every JSON reader takes: no NaN, no infinity, times as text, arrays flat."""

import json
import math
from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

import numpy as np
from starlette.responses import JSONResponse

from pipeline.arrays import AnyFloat, Bool


class StrictJson(JSONResponse):
    """JSON without NaN; what is not known is null."""

    def render(self, content: Any) -> bytes:  # noqa: ANN401 - anything with a JSON form
        """The body."""
        text = json.dumps(
            plain(content), ensure_ascii=False, allow_nan=False, separators=(",", ":")
        )
        return text.encode("utf-8")


def plain(value: Any) -> Any:  # noqa: ANN401 - any nesting of values
    """The same value in JSON's own types; NaN and infinities become null."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(name): plain(item) for name, item in value.items()}
    if isinstance(value, Flat):
        return value.numbers
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, np.generic):
        return plain(value.item())
    return value.isoformat() if isinstance(value, datetime | date) else value


class Flat:
    """An array as a flat list of JSON numbers, made fast and not looked at again."""

    def __init__(self, array: AnyFloat | Bool, digits: int = 4) -> None:
        """Round to `digits` decimals; what is not finite becomes null, booleans 0 and 1."""
        flat = np.asarray(array).reshape(-1)
        if flat.dtype == np.bool_:
            self.numbers: list[Any] = flat.astype(np.uint8).tolist()
            return
        known = np.isfinite(flat)
        self.numbers = np.round(flat.astype(np.float64), digits).tolist()
        for index in np.flatnonzero(~known).tolist():
            self.numbers[index] = None
