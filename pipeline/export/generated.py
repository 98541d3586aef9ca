"""Read an NPZ that `crossdiff generate` (or an export) wrote."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.array_files import UNREADABLE
from pipeline.export.exported import ExportMotion
from pipeline.skeletons import HUMANML3D, SKELETONS

MAX_BYTES = 256 << 20
"""Ten minutes of motion have some 20 MB."""
ARRAYS = ("joints", "features", "fps")
TOLD = ("caption", "captions", "sentences", "starts", "copy", "joint_names", "motion_id")
"""Facts that are no lineage."""


def read_generated(path: Path) -> ExportMotion:
    """The motion of an NPZ file.

    Its id is the file's name; what else the file says (checkpoint, seed, ...) is its lineage.

    Raises:
        ValueError: There is no such file, or it is none that `crossdiff generate` writes.
    """
    held = _read(path)
    missing = [name for name in ARRAYS if name not in held]
    if missing:
        raise ValueError(
            f"{path} holds no '{missing[0]}': give an NPZ file that `crossdiff generate` wrote"
        )
    joints, features, fps = (held[name] for name in ARRAYS)
    if joints.dtype.kind != "f" or features.dtype.kind != "f" or not _is_number(fps):
        raise ValueError(f"{path} does not hold the arrays of a motion")
    if not 1.0 <= float(fps) <= 1000.0:
        raise ValueError(f"{path} says {float(fps):g} frames a second, which is no frame rate")
    plain = {name: _plain(array) for name, array in held.items() if name not in ARRAYS}
    return ExportMotion(
        motion_id=str(plain.get("motion_id") or path.stem),
        joints=joints,
        features=features if features.ndim == 2 else None,
        fps=float(fps),
        joint_set=_skeleton(plain, joints),
        captions=tuple(_texts(plain.get("captions")) or _texts(plain.get("caption"))),
        action=str(plain.get("action") or "") or None,
        split=str(plain.get("split") or "") or None,
        lineage={
            name.removeprefix("lineage_"): value
            for name, value in plain.items()
            if name not in (*TOLD, "action", "split", "joint_set")
        },
    )


def digest_of(path: Path) -> str:
    """SHA-256 (hex) of a file.

    Raises:
        ValueError: There is no such file.
    """
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise ValueError(f"cannot read {path}: {error.strerror or error}") from error


def _read(path: Path) -> dict[str, np.ndarray[Any, Any]]:
    try:
        size = path.stat().st_size
    except OSError as error:
        raise ValueError(f"cannot read {path}: {error.strerror or error}") from error
    if size > MAX_BYTES:
        raise ValueError(f"{path} has {size >> 20} MiB, and at most {MAX_BYTES >> 20} are read")
    try:
        loaded = np.load(path, allow_pickle=False)
        if not isinstance(loaded, np.lib.npyio.NpzFile):
            raise ValueError("one array")
        with loaded:
            return {name: loaded[name] for name in loaded.files}
    except UNREADABLE as error:
        raise ValueError(f"{path} is damaged or no NPZ file of a motion") from error


def _is_number(array: np.ndarray[Any, Any]) -> bool:
    return array.shape == () and array.dtype.kind in "iuf"


def _plain(array: np.ndarray[Any, Any]) -> object:
    """A fact as JSON can hold it: numbers and texts as they are, anything else in words."""
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        return str(array.tolist())
    values = array.tolist()
    return values if array.dtype.kind in "biufU" else str(values)


def _skeleton(plain: dict[str, Any], joints: np.ndarray[Any, Any]) -> str:
    named = plain.get("skeleton") or plain.get("joint_set")
    if isinstance(named, str):
        return named
    fits = [
        s.name for s in SKELETONS.values() if joints.ndim == 3 and s.n_joints == joints.shape[1]
    ]
    return fits[0] if fits else HUMANML3D.name


def _texts(value: object) -> list[str]:
    values = value if isinstance(value, list) else [value]
    return [str(text) for text in values if text]
