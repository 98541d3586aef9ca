"""Labels whose truth is known: their evidence beside their error."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from models.lifting.lift_metrics import MM_PER_METRE, per_joint_error, procrustes_align
from pipeline.arrays import AnyFloat, Float64
from pipeline.label_evidence import LabelEvidence


@dataclass(frozen=True)
class KnownLabel:
    """One label with truth."""

    name: str
    """Of the view that was labelled, within its source."""
    way: str
    """How it was labelled, see `models.lifting.calibration_file.way_of`."""
    group: str
    """Labels of one motion or clip are no independent measurements."""
    source: str
    """`mocap` or `synthetic`."""
    evidence: LabelEvidence
    joint_errors_m: Float64
    """(J,) mean error of each joint, metres, every frame aligned."""

    @property
    def error_m(self) -> float:
        """Its PA-MPJPE, metres."""
        return float(self.joint_errors_m.mean())

    @property
    def key(self) -> tuple[str, str]:
        """View and way: made once."""
        return self.name, self.way


def joint_errors(predicted: AnyFloat, truth: AnyFloat) -> Float64:
    """(J,) metres: mean over frames of each joint's error after Procrustes alignment.

    Its mean over joints is the motion's PA-MPJPE.

    Args:
        predicted: (T, J, 3) metres.
        truth: (T, J, 3) metres.
    """
    off = per_joint_error(procrustes_align(predicted, truth), truth)
    return np.asarray(off.mean(axis=0) / MM_PER_METRE)


def to_json(label: KnownLabel) -> str:
    """One line."""
    told = {name: getattr(label, name) for name in ("name", "way", "group", "source")}
    told["evidence"] = {name: _plain(value) for name, value in asdict(label.evidence).items()}
    told["joint_errors_m"] = _plain(label.joint_errors_m)
    return json.dumps(told, allow_nan=False)


def from_json(line: str) -> KnownLabel:
    """The way back.

    Raises:
        ValueError: Not such a line.
    """
    try:
        told = json.loads(line)
        known = {each.name for each in fields(LabelEvidence)}
        evidence = {name: _array(value) for name, value in told["evidence"].items()}
        if set(evidence) != known:
            raise ValueError(f"it has other evidence than {', '.join(sorted(known))}")
        name, way, group, source = (str(told[n]) for n in ("name", "way", "group", "source"))
        errors = _array(told["joint_errors_m"])
        return KnownLabel(name, way, group, source, LabelEvidence(**evidence), errors)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"no line of a label with truth: {error}") from error


def read_labels(file: Path) -> Iterator[KnownLabel]:
    """The labels of a file; a last line that a killed run left unfinished is passed over.

    Raises:
        ValueError: Another line is damaged; the sentence names the file.
    """
    lines = file.read_text(encoding="utf-8").splitlines(keepends=True)
    for number, line in enumerate(lines, start=1):
        if number == len(lines) and not line.endswith("\n"):
            return
        try:
            yield from_json(line)
        except ValueError as error:
            raise ValueError(
                f"{file}, line {number}: {error}; delete the file and run it again"
            ) from error


def append_labels(file: Path, labels: Iterable[KnownLabel]) -> Iterator[KnownLabel]:
    """Write each label as it comes, and pass it on; a line cut off before is dropped first."""
    file.parent.mkdir(parents=True, exist_ok=True)
    if file.exists():
        whole = file.read_bytes()
        file.write_bytes(whole[: whole.rfind(b"\n") + 1])
    with file.open("a", encoding="utf-8") as out:
        for label in labels:
            out.write(to_json(label) + "\n")
            out.flush()
            yield label


def _plain(value: Any) -> Any:  # noqa: ANN401 - a figure or an array of them
    if isinstance(value, np.ndarray):
        return [None if not np.isfinite(each) else round(float(each), 6) for each in value]
    return value if value is None else round(float(value), 6)


def _array(value: Any) -> Any:  # noqa: ANN401
    if isinstance(value, list):
        return np.array([np.nan if each is None else each for each in value], np.float64)
    return value
