"""Generated motions on disk: one NPZ each, and an index of what a run wrote."""

import json
import re
import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.arrays import Float32
from pipeline.render.out_files import replaced_when_done

INDEX_FILE = "generated.json"
NAME_LETTERS = 40
"""Letters of the sentence in a file's name."""


def file_stem(number: int, caption: str, copy: int) -> str:
    """A file name without its ending: `03_a-person-walks_1` for any sentence in any language.

    Args:
        number: Of the sentence (or chain) in the run, from 0.
        caption: The sentence; letters other than a-z and 0-9 become hyphens.
        copy: Which motion of this sentence, from 0.
    """
    plain = unicodedata.normalize("NFKD", caption[: 4 * NAME_LETTERS]).lower()
    bare = "".join(letter for letter in plain if not unicodedata.combining(letter))
    words = re.sub(r"[^a-z0-9]+", "-", bare).strip("-")[:NAME_LETTERS].strip("-")
    return f"{number:02d}_{words or 'motion'}_{copy}"


def write_motion(
    out: Path, joints: Float32, features: Float32, facts: Mapping[str, Any], fps: float
) -> None:
    """Write one motion; the file appears whole or not at all.

    `joints` (T, J, 3) in metres, Y up, or (T, J, 2) of a projected view; `features` (T, D), not
    normalised; `fps`; and each fact under its name: numbers, texts, lists of either. It is read
    with `numpy.load(path)`, which runs no code (`allow_pickle=False`).

    Args:
        out: The `.npz` file.
        joints: See above.
        features: See above.
        facts: What the motion was made from.
        fps: Frames a second.

    Raises:
        ValueError: `out` cannot be written, or a fact is no number, text or list of them.
    """
    arrays = {name: np.asarray(value) for name, value in facts.items()}
    wrong = [name for name, array in arrays.items() if array.dtype.kind not in "biufU"]
    if wrong:
        raise ValueError(f"{wrong[0]} cannot be kept in an NPZ file: give numbers or text")
    with replaced_when_done(out, ".npz") as unfinished, unfinished.open("wb") as file:
        held: dict[str, Any] = {"joints": joints, "features": features, "fps": np.float64(fps)}
        np.savez_compressed(file, **held, **arrays)


def begin_index(folder: Path) -> Path:
    """Make the folder, without an index: its absence says that a run has not ended.

    Raises:
        ValueError: The folder cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / INDEX_FILE).unlink(missing_ok=True)
    except OSError as error:
        raise ValueError(f"cannot write to {folder}: {error.strerror or error}") from error
    return folder / INDEX_FILE


def write_index(
    path: Path, lineage: Mapping[str, Any], motions: Sequence[Mapping[str, Any]]
) -> None:
    """Write `generated.json`: what the run was made with, and its files."""
    text = json.dumps({**lineage, "motions": list(motions)}, indent=2, ensure_ascii=False)
    with replaced_when_done(path, ".json") as unfinished:
        unfinished.write_text(text + "\n", encoding="utf-8")


def read_sentences(path: Path) -> tuple[str, ...]:
    """Sentences of a text file, one a line; empty lines do not count.

    Raises:
        ValueError: No such file, not UTF-8 text, or no sentence in it.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not a UTF-8 text file") from error
    except OSError as error:
        raise ValueError(f"cannot read {path}: {error.strerror or error}") from error
    found = tuple(line.strip() for line in lines if line.strip())
    if not found:
        raise ValueError(f"{path} holds no sentence: write one a line")
    return found
