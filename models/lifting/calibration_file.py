"""`label_score.json` beside a checkpoint's weights: what its labels' scores are made with."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from models.checkpoint_id import ID_DIGITS, SHIPPED
from models.lifting.label_config import LabelConfig
from models.lifting.label_score import (
    FIGURES,
    HALF_SCORE_M,
    JOINT_FIGURES,
    Calibration,
    Figure,
    Term,
)

CALIBRATION_FILE = "label_score.json"
FORMAT = 1
PLAIN_WAY = "plain"
"""The lift alone, as the paper makes labels."""
LARGEST_FILE = 1 << 20
"""Bytes; a calibration is a few thousand."""


class CalibrationError(ValueError):
    """A calibration file that cannot be used; the message says why and what to do."""


@dataclass(frozen=True)
class Calibrations:
    """All calibrations of one checkpoint."""

    checkpoint_id: str
    by_way: Mapping[str, Calibration]
    lineage: Mapping[str, Any]
    """Data, numbers, date and code that they were fitted with."""


def way_of(
    *,
    ensemble: str = "none",
    refine: bool = False,
    guesses: bool = False,
    second_opinion: bool = False,
    body_joints: bool = False,
) -> str:
    """How labels are made, in one name: `plain`, `flip`, `flip+refine`, ...

    Clean-up after the lift is not part of it: it moves joints by millimetres.
    """
    parts = [
        PLAIN_WAY if ensemble == "none" else ensemble,
        *(["refine"] if refine else []),
        *(["guesses"] if guesses else []),
        *(["second-opinion"] if second_opinion else []),
        *(["body-joints"] if body_joints else []),
    ]
    return "+".join(parts)


def way_of_labels(config: LabelConfig, *, second_opinion: bool) -> str:
    """`way_of` for the labels of a configuration.

    Args:
        config: How labels are made.
        second_opinion: Whether one is in them: asking for it does not make sure that there is one.
    """
    return way_of(
        ensemble=config.ensemble,
        refine=config.refine,
        guesses=config.guesses,
        second_opinion=second_opinion,
        body_joints=config.body_joints,
    )


def load_calibration(
    checkpoint_id: str, way: str = PLAIN_WAY, folder: Path | None = None
) -> Calibration | None:
    """The calibration of a checkpoint's labels; None where nobody measured it.

    Args:
        checkpoint_id: Of the weights that lift; their hash counts, not the folder's name.
        way: How the labels are made, see `way_of`.
        folder: The checkpoint's; None, and besides: the shipped weights'.

    Raises:
        CalibrationError: A file that is damaged.
    """
    for place in dict.fromkeys((*([] if folder is None else [folder]), *_shipped())):
        file = place / CALIBRATION_FILE
        if not file.is_file():
            continue
        found = read_calibrations(file)
        if _same_weights(found.checkpoint_id, checkpoint_id) and way in found.by_way:
            return found.by_way[way]
    return None


def why_unscored(checkpoint_id: str, way: str) -> str:
    """The sentence for labels that get no score."""
    return (
        f"labels get no score: nobody measured how far labels of {checkpoint_id} made the way "
        f"'{way}' are off; fit it with `python -m tests.benchmarks.label_calibration`"
    )


def read_calibrations(file: Path) -> Calibrations:
    """Read a file; one that has not changed since is not read again.

    Raises:
        CalibrationError: It cannot be read, or is no calibration of this version.
    """
    try:
        now = file.stat()
        if now.st_size > LARGEST_FILE:
            raise ValueError("it is far too large")
        return _read_file(file, now.st_mtime_ns, now.st_size)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise CalibrationError(
            f"{file} is no calibration that this version reads ({error}): fit it again, or delete "
            "it to label without scores"
        ) from error


def write_calibrations(
    file: Path, calibrations: Sequence[Calibration], lineage: Mapping[str, Any]
) -> None:
    """Write a file; it appears whole or not at all.

    Raises:
        ValueError: Calibrations of several checkpoints, or none.
    """
    ids = {each.checkpoint_id for each in calibrations}
    if len(ids) != 1:
        raise ValueError(f"a file holds the calibrations of one checkpoint, got {len(ids)}")
    told = {
        "format": FORMAT,
        "checkpoint_id": ids.pop(),
        "error": "PA-MPJPE in metres, mean over frames, each aligned by a similarity transform",
        "score": f"1 / (1 + (error / {HALF_SCORE_M})^2)",
        "half_score_m": HALF_SCORE_M,
        "figures": {name: _words(figure) for name, figure in (FIGURES | JOINT_FIGURES).items()},
        "lineage": dict(lineage),
        "ways": {each.way: _way(each) for each in calibrations},
    }
    partial = file.with_suffix(".partial")
    partial.write_text(json.dumps(told, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    partial.replace(file)


@lru_cache(maxsize=8)
def _read_file(file: Path, _changed_ns: int, _size: int) -> Calibrations:
    """Every label asks for its calibration."""
    return _read(json.loads(file.read_text(encoding="utf-8")))


def _shipped() -> tuple[Path, ...]:
    """Folders of the weights that come with the package."""
    return tuple(sorted(path.parent for path in SHIPPED.parent.glob(f"*/{CALIBRATION_FILE}")))


def _same_weights(one: str, other: str) -> bool:
    """By the hash at the end: who renames a folder keeps its weights."""
    return one[-ID_DIGITS:] == other[-ID_DIGITS:]


def _words(figure: Figure) -> str:
    """How a figure enters the sum."""
    value = "1 - value" if figure.turned else "value"
    entering = value if figure.floor is None else f"log({value} + {figure.floor:g})"
    return f"{figure.words}: {entering}"


def _way(calibration: Calibration) -> dict[str, Any]:
    return {
        "terms": [_term(term) for term in calibration.terms],
        "curve": [[round(x, 5), round(y, 5)] for x, y in calibration.curve],
        "joint_terms": [_term(term) for term in calibration.joint_terms],
        "joint_usual": [round(each, 5) for each in calibration.joint_usual],
    }


def _term(term: Term) -> dict[str, Any]:
    return {"figure": term.figure, "weight": round(term.weight, 6), "usual": round(term.usual, 6)}


def _read(told: Mapping[str, Any]) -> Calibrations:
    if told["format"] != FORMAT:
        raise ValueError(f"it has format {told['format']}, not {FORMAT}")
    if told["half_score_m"] != HALF_SCORE_M:
        raise ValueError(f"its score is a half at {told['half_score_m']} m, not {HALF_SCORE_M}")
    checkpoint_id = str(told["checkpoint_id"])
    by_way = {
        str(way): Calibration(
            checkpoint_id=checkpoint_id,
            way=str(way),
            terms=tuple(_read_term(term, FIGURES) for term in each["terms"]),
            curve=tuple((_number(x), _number(y)) for x, y in each["curve"]),
            joint_terms=tuple(_read_term(term, JOINT_FIGURES) for term in each["joint_terms"]),
            joint_usual=tuple(_number(value) for value in each["joint_usual"]),
        )
        for way, each in told["ways"].items()
    }
    return Calibrations(checkpoint_id, by_way, dict(told["lineage"]))


def _read_term(told: Mapping[str, Any], known: Mapping[str, Figure]) -> Term:
    if told["figure"] not in known:
        raise ValueError(f"no figure of the evidence is called '{told['figure']}'")
    return Term(str(told["figure"]), _number(told["weight"]), _number(told["usual"]))


def _number(value: Any) -> float:  # noqa: ANN401 - from JSON
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"{value!r} is no number")
    return float(value)
