"""Read a folder in the layout of HumanML3D and KIT-ML: vectors or joints, texts and splits."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.array_files import read_npy
from pipeline.arrays import Float32, Float64
from pipeline.caption_files import SPLITS, Caption, read_text_file
from pipeline.skeletons import KIT, SKELETONS, Skeleton
from pipeline.splits import split_of

VECTORS, RAW_JOINTS, TEXTS = "new_joint_vecs", "joints", "texts"
UNSPLIT_LISTS = ("all.txt", "train_val.txt")
"""Lists whose ids are used only where train, val and test are not given."""
MIRROR_PREFIX = "M"


@dataclass(frozen=True)
class MotionFolder:
    """What lies in the folder."""

    path: Path
    skeleton: Skeleton
    splits: Mapping[str, str]
    """By motion id, in the order of ids: train, val or test."""
    raw: bool
    """Only raw joints are there: features are computed."""

    def file(self, motion_id: str) -> Path:
        """Where a motion's numbers lie."""
        return self.path / (RAW_JOINTS if self.raw else VECTORS) / f"{motion_id}.npy"


def open_motion_folder(path: Path, skeleton: Skeleton) -> MotionFolder:
    """Find the motions of a folder and their splits.

    Without train.txt, val.txt and test.txt an id's split follows from the id, the same for a
    motion and its mirrored copy.

    Raises:
        ValueError: Not such a folder, or an id in two splits; says what is missing.
    """
    has_vectors, has_joints = ((path / name).is_dir() for name in (VECTORS, RAW_JOINTS))
    if not has_vectors and not has_joints:
        raise ValueError(f"{path} holds neither {VECTORS}/ nor {RAW_JOINTS}/ with a .npy a motion")
    if not (path / TEXTS).is_dir():
        raise ValueError(f"{path} holds no {TEXTS}/ with a .txt a motion")
    folder = MotionFolder(path, skeleton, {}, raw=not has_vectors)
    splits = _listed(path) or {
        i: split_of(i.removeprefix(MIRROR_PREFIX)) for i in _all_ids(path, folder)
    }
    if not splits:
        raise ValueError(f"{folder.file('*').parent} holds no .npy file")
    return MotionFolder(path, skeleton, dict(sorted(splits.items())), raw=not has_vectors)


def _listed(path: Path) -> dict[str, str]:
    out: dict[str, str] = {}
    for split in SPLITS:
        for motion_id in _ids(path / f"{split}.txt"):
            if out.setdefault(motion_id, split) != split:
                raise ValueError(f"{motion_id} is in {out[motion_id]}.txt and in {split}.txt")
    return out


def _all_ids(path: Path, folder: MotionFolder) -> list[str]:
    for name in UNSPLIT_LISTS:
        if ids := _ids(path / name):
            return ids
    return [file.stem for file in folder.file("*").parent.glob("*.npy")]


def _ids(path: Path) -> list[str]:
    """Ids of a list, none when it is not there.

    Raises:
        ValueError: A line is a path and not an id.
    """
    if not path.is_file():
        return []
    ids = [line.strip() for line in path.read_text(encoding="utf-8", errors="replace").split("\n")]
    wrong = [i for i in ids if "/" in i or "\\" in i or "\0" in i or i in (".", "..")]
    if wrong:
        raise ValueError(f"{path.name} holds '{wrong[0][:40]}', which is no motion id")
    return [i for i in ids if i]


def read_captions_of(folder: MotionFolder, motion_id: str) -> tuple[Caption, ...]:
    """The captions of one motion.

    Raises:
        ValueError: There are none, or the text file is not in the data sets' form.
    """
    path = folder.path / TEXTS / f"{motion_id}.txt"
    if not path.is_file():
        raise ValueError(f"it has no captions: {TEXTS}/{motion_id}.txt is missing")
    captions = read_text_file(path)
    if not captions:
        raise ValueError(f"it has no captions: {TEXTS}/{motion_id}.txt is empty")
    return captions


def hash_of(folder: MotionFolder, motion_id: str) -> str:
    """SHA-256 (hex) of the motion's numbers and captions."""
    digest = hashlib.sha256(folder.file(motion_id).read_bytes())
    digest.update((folder.path / TEXTS / f"{motion_id}.txt").read_bytes())
    return digest.hexdigest()


def read_vectors(folder: MotionFolder, motion_id: str) -> Float32:
    """(T, D3) feature rows as they lie in the file, not normalised.

    Raises:
        ValueError: Missing, not an array, of another width, or with values that are not finite.
    """
    rows = _load(folder, motion_id)
    width = folder.skeleton.dim3
    if rows.ndim != 2 or rows.shape[1] != width:
        other = [s for s in SKELETONS.values() if rows.ndim == 2 and s.dim3 == rows.shape[1]]
        hint = f": prepare it with `crossdiff prepare {_command(other[0])}`" if other else ""
        raise ValueError(f"its vectors are {rows.shape}, expected (frames, {width}){hint}")
    return rows.astype(np.float32)


def read_raw_joints(folder: MotionFolder, motion_id: str) -> Float64:
    """(T, J, 3) raw joints; further joints (hands) are dropped.

    Raises:
        ValueError: Missing, not an array, too few joints, or values that are not finite.
    """
    joints = _load(folder, motion_id)
    wanted = folder.skeleton.n_joints
    if joints.ndim != 3 or joints.shape[1] < wanted or joints.shape[2] != 3:
        raise ValueError(f"its joints are {joints.shape}, expected (frames, {wanted}, 3)")
    return joints[:, :wanted].astype(np.float64)


def _load(folder: MotionFolder, motion_id: str) -> Float64:
    path = folder.file(motion_id)
    where = f"{path.parent.name}/{path.name}"
    if not path.is_file():
        raise ValueError(f"{where} is missing")
    try:
        values = read_npy(path)
    except ValueError:
        raise ValueError(f"{where} is not a NumPy array of numbers, or it is cut off") from None
    if values.dtype.kind not in "fiu":
        raise ValueError(f"{where} does not hold numbers")
    if not np.isfinite(values).all():
        raise ValueError(f"{where} holds values that are not finite")
    return values


def _command(skeleton: Skeleton) -> str:
    return "kitml" if skeleton is KIT else "humanml3d"
