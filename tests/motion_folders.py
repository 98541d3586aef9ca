"""Small folders in the exact layout of HumanML3D and KIT-ML, for tests."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from synthetic_motion import random_motion

from pipeline.arrays import Float32, Float64
from pipeline.canonical import canonicalise, mirror
from pipeline.kinematics import canonical_offsets
from pipeline.representation3d import features_from_canonical
from pipeline.skeletons import HUMANML3D, Skeleton

LINE = "a man walks to the left.#a/DET man/NOUN walk/VERB to/ADP the/DET left/NOUN#0.0#0.0"
OTHER = "someone turns left#someone/PRON turn/VERB left/ADV#nan#nan"


def raw_motion(seed: int, rows: int, skeleton: Skeleton = HUMANML3D) -> Float64:
    """(rows + 1, J, 3) in the skeleton's own length unit."""
    return random_motion(seed, rows + 1, skeleton, turns=0.3) / skeleton.metres_per_unit


def vectors(
    seed: int, rows: int, skeleton: Skeleton = HUMANML3D, *, mirrored: bool = False
) -> Float32:
    """(rows, D3) features of a random motion, or of its mirror image."""
    joints = raw_motion(seed, rows, skeleton)
    joints = mirror(joints, skeleton) if mirrored else joints
    known = skeleton.canonical_lengths is not None
    offsets = canonical_offsets(skeleton) if known else None
    return features_from_canonical(canonicalise(joints, skeleton, offsets), skeleton)


def write_folder(
    path: Path,
    arrays: Mapping[str, np.ndarray],
    splits: Mapping[str, Sequence[str]],
    texts: Mapping[str, Sequence[str]] | None = None,
    under: str = "new_joint_vecs",
) -> None:
    """ID.npy, ID.txt and the lists of ids."""
    for name in (under, "texts"):
        (path / name).mkdir(parents=True, exist_ok=True)
    for motion_id, values in arrays.items():
        np.save(path / under / f"{motion_id}.npy", values)
        lines = (texts or {}).get(motion_id, [LINE, OTHER])
        (path / "texts" / f"{motion_id}.txt").write_text("\n".join(lines) + "\n")
    for name, ids in splits.items():
        (path / f"{name}.txt").write_text("\n".join(ids) + "\n")
