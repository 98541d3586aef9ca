"""Read a packed motion-capture archive: `<name>.npz` with joints and `<name>.json` with labels."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.array_files import UNREADABLE
from pipeline.arrays import Float32
from pipeline.rejects import Reject

METRES_PER_UNIT = 1e-4
"""The archive stores positions as int16 tenths of a millimetre, x and z relative to the pelvis."""
MIN_FRAMES = 20
"""One second."""
_ARRAYS = ("q", "root_xz", "start", "length")
_LABELS = ("id", "split", "captions", "label", "source", "glitch")


@dataclass(frozen=True)
class MocapClip:
    """One captured clip before any canonicalisation."""

    clip_id: str
    split: str
    """train, val or test."""
    action: str
    captions: tuple[str, ...]
    source: str
    joints: Float32
    """(T, 22, 3) metres, Y up, HumanML3D order."""


def read_archive(folder: Path, name: str, min_frames: int = MIN_FRAMES) -> Iterator[MocapClip]:
    """Clips of one part of the archive that are long enough and have no marker swap.

    Raises:
        ValueError: The two files are not there, or hold something else.
    """
    for item in read_archive_items(folder, name, min_frames):
        if isinstance(item, MocapClip):
            yield item


def count_archive(folder: Path, name: str) -> int:
    """Clips that one part of the archive lists, good or bad.

    Raises:
        ValueError: The label file is not there, or holds something else.
    """
    return len(_read_labels(folder, name))


def read_archive_items(
    folder: Path, name: str, min_frames: int = MIN_FRAMES
) -> Iterator[MocapClip | Reject]:
    """Every clip of one part of the archive, or why it cannot be used.

    Args:
        folder: Holds `<name>.npz` and `<name>.json`.
        name: The part.
        min_frames: Shorter clips are rejects.

    Raises:
        ValueError: The two files are not there, or hold something else.
    """
    labels = _read_labels(folder, name)
    arrays = _read_arrays(folder, name)
    if not len(labels) == len(arrays["start"]) == len(arrays["length"]):
        raise ValueError(
            f"{name}.json in {folder} lists {len(labels)} clips, {name}.npz holds "
            f"{len(arrays['start'])}: the two files do not belong together"
        )
    for number, record in enumerate(labels):
        try:
            yield _clip(record, arrays, number, min_frames)
        except ValueError as error:
            yield Reject(str(record.get("id", f"{name} #{number}")), str(error))


def _clip(
    record: Mapping[str, Any],
    arrays: Mapping[str, np.ndarray[Any, Any]],
    number: int,
    min_frames: int,
) -> MocapClip:
    missing = [key for key in _LABELS if key not in record]
    if missing:
        raise ValueError(f"its labels lack {', '.join(missing)}")
    if record["glitch"]:
        raise ValueError("it is marked as a glitch: markers were swapped")
    start, length = int(arrays["start"][number]), int(arrays["length"][number])
    q, root = arrays["q"], arrays["root_xz"]
    if length < min_frames:
        raise ValueError(f"it has {length} frames, at least {min_frames} are needed")
    if start < 0 or start + length > min(len(q), len(root)):
        raise ValueError(f"its frames {start} to {start + length} lie outside the archive")
    joints = q[start : start + length].astype(np.float32)
    if joints.ndim != 3 or joints.shape[2] != 3:
        raise ValueError(f"its joints are {joints.shape}, expected (T, 22, 3)")
    joints *= np.float32(METRES_PER_UNIT)
    joints[:, :, [0, 2]] += root[start : start + length, None]
    return MocapClip(
        clip_id=str(record["id"]),
        split=str(record["split"]),
        action=str(record["label"]),
        captions=_captions(record["captions"]),
        source=str(record["source"]),
        joints=joints,
    )


def _captions(records: object) -> tuple[str, ...]:
    if not isinstance(records, list) or not all(
        isinstance(record, dict) and isinstance(record.get("text"), str) for record in records
    ):
        raise ValueError('its captions are not a list of {"text": a sentence}')
    return tuple(record["text"] for record in records)


def _files(folder: Path, name: str) -> tuple[Path, Path]:
    files = folder / f"{name}.npz", folder / f"{name}.json"
    if not all(file.is_file() for file in files):
        there = sorted({f.stem for f in folder.glob("*.npz")}) if folder.is_dir() else []
        known = f"; it has {', '.join(there)}" if there else ""
        raise ValueError(
            f"no mocap part '{name}' in {folder}: expected {name}.npz and {name}.json{known}"
        )
    return files


def _read_labels(folder: Path, name: str) -> list[dict[str, Any]]:
    file = _files(folder, name)[1]
    try:
        records = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{file} is not JSON: {error}") from error
    if not isinstance(records, list) or not all(isinstance(r, dict) for r in records):
        raise ValueError(f"{file} is not a list of clips with their labels")
    return records


def _read_arrays(folder: Path, name: str) -> dict[str, np.ndarray[Any, Any]]:
    file = _files(folder, name)[0]
    try:
        with np.load(file, allow_pickle=False) as packed:
            missing = [key for key in _ARRAYS if key not in packed]
            if missing:
                raise ValueError(f"arrays {', '.join(missing)} are missing")
            return {key: packed[key] for key in _ARRAYS}
    except UNREADABLE as error:
        raise ValueError(f"{file} is not a mocap archive: {error}") from error
