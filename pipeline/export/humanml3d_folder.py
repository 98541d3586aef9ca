"""A folder in HumanML3D's own layout, which its loaders read.

`new_joint_vecs/NAME.npy` (T-1, 263) feature rows, `new_joints/NAME.npy` (T-1, 22, 3) the joints
recovered from them, `texts/NAME.txt` with a line `caption#tokens#0.0#0.0` a caption, the lists
`train.txt`, `val.txt`, `test.txt` and `all.txt`, and `Mean.npy` and `Std.npy` of the training split
(of everything where there is no training split).
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.array_files import read_npy
from pipeline.export.exported import ExportMotion
from pipeline.export.one_file import joints_of, skeleton_of
from pipeline.motion_folder import TEXTS, VECTORS
from pipeline.normalisation import Moments
from pipeline.render.out_files import replaced_when_done
from pipeline.representation3d import field_slices, recover_joints
from pipeline.skeletons import Skeleton

JOINTS = "new_joints"
SPLITS = ("train", "val", "test")
UNSPLIT = "train"
"""Where motions without a split go."""
NO_CAPTION = (
    "it has no caption, without which HumanML3D's loaders leave a motion out: give it one with "
    "`crossdiff decide MOTION_ID --caption`"
)


def begin_folder(folder: Path) -> None:
    """Make the folders.

    Raises:
        OSError: They cannot be made.
    """
    for name in (VECTORS, JOINTS, TEXTS):
        (folder / name).mkdir(parents=True, exist_ok=True)


def write_folder_motion(motion: ExportMotion, folder: Path, name: str) -> dict[str, Any]:
    """Write the three files of one motion, the text last.

    Args:
        motion: With 3D, features and captions; `tokens` beside each caption.
        folder: From `begin_folder`.
        name: File name without ending.

    Returns:
        `frames` (feature rows), `fps`, `seconds`, `split`, and `kept_by_loaders`: whether its
        length is one that the data sets' loaders take.

    Raises:
        ValueError: It has no 3D, no features or no caption.
    """
    joints_of(motion)
    skeleton = skeleton_of(motion)
    if motion.features is None:
        raise ValueError("it has no feature rows")
    if not motion.captions:
        raise ValueError(NO_CAPTION)
    rows = np.asarray(motion.features, np.float32)
    if not len(rows):
        raise ValueError("it has a single frame, and a feature row says what lies between two")
    _save(folder / VECTORS / f"{name}.npy", rows)
    _save(folder / JOINTS / f"{name}.npy", recover_joints(rows, skeleton))
    tokens = motion.tokens or [""] * len(motion.captions)
    lines = [
        f"{_one_line(text)}#{_one_line(words)}#0.0#0.0"
        for text, words in zip(motion.captions, tokens, strict=True)
    ]
    with replaced_when_done(folder / TEXTS / f"{name}.txt", ".txt") as unfinished:
        unfinished.write_text("\n".join(lines) + "\n", encoding="utf-8")
    shortest, longest = skeleton.clip_rows
    return {
        "frames": len(rows),
        "fps": motion.fps,
        "seconds": round(len(rows) / motion.fps, 3),
        "split": motion.split or UNSPLIT,
        "kept_by_loaders": shortest <= len(rows) <= longest,
    }


def finish_folder(folder: Path, splits: Mapping[str, str], skeleton: Skeleton) -> None:
    """Write the lists of names and the statistics.

    Args:
        folder: With all motions.
        splits: Name -> train, val or test.
        skeleton: Of all of them.
    """
    for split in SPLITS:
        _write_list(folder / f"{split}.txt", [n for n, where in splits.items() if where == split])
    _write_list(folder / "all.txt", list(splits))
    measured = [n for n, where in splits.items() if where == "train"] or list(splits)
    moments = Moments.of(read_npy(folder / VECTORS / f"{name}.npy") for name in measured)
    mean, std = moments.grouped(field_slices(skeleton))
    _save(folder / "Mean.npy", mean)
    _save(folder / "Std.npy", std)


def _write_list(path: Path, names: Sequence[str]) -> None:
    with replaced_when_done(path, ".txt") as unfinished:
        unfinished.write_text("".join(f"{name}\n" for name in sorted(names)), encoding="utf-8")


def _save(path: Path, values: np.ndarray[Any, Any]) -> None:
    with replaced_when_done(path, ".npy") as unfinished, unfinished.open("wb") as file:
        np.save(file, values, allow_pickle=False)


def _one_line(text: str) -> str:
    """Without the letters that part the fields and the lines: the loaders split at every `#`."""
    return " ".join(text.replace("#", " ").split())
