"""Read a packed motion-capture archive: `<name>.npz` with joints and `<name>.json` with labels."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.arrays import Float32

METRES_PER_UNIT = 1e-4
"""The archive stores positions as int16 tenths of a millimetre, x and z relative to the pelvis."""


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


def read_archive(folder: Path, name: str, min_frames: int = 20) -> Iterator[MocapClip]:
    """Clips of one part of the archive that are long enough and have no marker swap.

    Raises:
        ValueError: The two files are not there.
    """
    arrays, labels = folder / f"{name}.npz", folder / f"{name}.json"
    if not arrays.is_file() or not labels.is_file():
        raise ValueError(f"no mocap part '{name}' in {folder}: expected {name}.npz and {name}.json")
    with np.load(arrays, allow_pickle=False) as packed:
        q, root = packed["q"], packed["root_xz"]
        starts, lengths = packed["start"], packed["length"]
    records = json.loads(labels.read_text())
    for record, start, length in zip(records, starts, lengths, strict=True):
        if record["glitch"] or length < min_frames:
            continue
        joints = q[start : start + length].astype(np.float32) * np.float32(METRES_PER_UNIT)
        joints[:, :, [0, 2]] += root[start : start + length, None]
        yield MocapClip(
            clip_id=record["id"],
            split=record["split"],
            action=str(record["label"]),
            captions=tuple(c["text"] for c in record["captions"]),
            source=record["source"],
            joints=joints,
        )
