"""`metrics.json`: an evaluation as plain values, every number finite."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from flows.evaluation_page.model import Page
from flows.evaluation_page.values import is_finite
from models.evaluation.intervals import Interval
from pipeline.render.out_files import replaced_when_done


def described(page: Page) -> dict[str, Any]:
    """What a page says about its scores: `title`, `facts`, `warnings`.

    Raises:
        ValueError: Two facts have one name.
    """
    facts = dict(page.facts)
    if len(facts) < len(page.facts):
        names = [name for name, _ in page.facts]
        doubled = sorted({name for name in names if names.count(name) > 1})
        raise ValueError(f"an evaluation tells a fact twice: {', '.join(doubled)}")
    return {"title": page.title, "facts": facts, "warnings": list(page.warnings)}


def finite(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values as JSON holds them; an `Interval` becomes mean, ci95, n and values.

    Raises:
        ValueError: A number is not finite, or something has no JSON form; it is named.
    """
    return {str(name): _plain(value, str(name)) for name, value in values.items()}


def write_json(path: Path, values: Mapping[str, Any]) -> None:
    """Write with sorted keys; the file appears whole or not at all.

    Raises:
        ValueError: The file cannot be written, or a number is not finite.
    """
    text = json.dumps(values, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False)
    with replaced_when_done(path, ".json") as unfinished:
        try:
            unfinished.write_text(f"{text}\n", encoding="utf-8")
        except OSError as error:
            raise ValueError(f"cannot write {path}: {error.strerror or error}") from error


def read_json(path: Path) -> dict[str, Any]:
    """What `write_json` wrote; empty when there is nothing that can be read."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _plain(value: object, where: str) -> Any:  # noqa: ANN401 - any JSON value
    if isinstance(value, Interval):
        return _plain(value.to_json(), where)
    if isinstance(value, Mapping):
        return {str(name): _plain(inner, f"{where}.{name}") for name, inner in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_plain(inner, f"{where}[{number}]") for number, inner in enumerate(value)]
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        return _finite(value, where)
    if isinstance(value, Path | datetime):
        return str(value)
    raise ValueError(f"{where} of the evaluation is a {type(value).__name__}, expected a number")


def _finite(value: float, where: str) -> float:
    if not is_finite(value):
        raise ValueError(f"{where} of the evaluation is not finite: {value}")
    return float(value)
