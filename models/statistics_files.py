"""Normalisation statistics from files that users have, and whether they can be what they claim.

Published weights come without statistics. HumanML3D and KIT-ML hold those of 3D features
(`Mean.npy`, `Std.npy`); those of 2D features come from data prepared here, or from the files that
the published code reads beside them.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file

from models.checkpoint_id import STATISTICS_FILE
from pipeline import representation2d, representation3d
from pipeline.array_files import read_npy
from pipeline.arrays import Float32, Float64
from pipeline.normalisation import Statistics
from pipeline.skeletons import Skeleton

NPY_NAMES = {
    "mean3": "Mean.npy",
    "std3": "Std.npy",
    "mean2": "Mean_complicate2d.npy",
    "std2": "Std_complicate2d.npy",
}
"""Field of `Statistics` -> the file that the published code reads it from."""
GROUP_TOLERANCE = 1e-3
"""Largest relative spread of the standard deviation inside a group that shares one."""
CONTACT_TOLERANCE = 0.05
"""HumanML3D's own file is 1 % off the value that its mean demands: it was summed in float32."""


class StatisticsError(ValueError):
    """Statistics that are missing or cannot be right; the message says what to give."""


def combine_statistics(
    places: Sequence[tuple[str, Mapping[str, Float32]]], skeleton: Skeleton
) -> tuple[Statistics, dict[str, str]]:
    """Statistics of both representations, each from the first place that has it.

    Args:
        places: Name and arrays (fields of `Statistics`, not necessarily all) of each place.
        skeleton: Whose features they normalise.

    Returns:
        The statistics, and which place gave "3D" and "2D".

    Raises:
        StatisticsError: Not all there, of another skeleton, or impossible.
    """
    found: dict[str, Float32] = {}
    sources: dict[str, str] = {}
    for place, arrays in places:
        for dimension, names in {"3D": ("mean3", "std3"), "2D": ("mean2", "std2")}.items():
            if dimension not in sources and all(name in arrays for name in names):
                found |= {name: arrays[name] for name in names}
                sources[dimension] = place
    missing = [dimension for dimension in ("3D", "2D") if dimension not in sources]
    if missing:
        files = [NPY_NAMES[f"{part}{d[0]}"] for d in missing for part in ("mean", "std")]
        raise StatisticsError(
            f"no statistics of the {' and '.join(missing)} features: give --stats a store that "
            f"`crossdiff prepare` filled, a checkpoint folder, or a folder with "
            f"{' and '.join(files)}"
        )
    return checked_statistics(found, skeleton), sources


def checked_statistics(arrays: Mapping[str, Float32], skeleton: Skeleton) -> Statistics:
    """Statistics that can be those of this skeleton's features.

    A contact is 0 or 1, so that its mean m demands the standard deviation sqrt(m (1 - m)): this
    tells the statistics that evaluators use, and a mean with another file's deviation.

    Raises:
        StatisticsError: Wrong widths, or values that features cannot have.
    """
    try:
        statistics = Statistics(**arrays)
    except ValueError as error:
        raise StatisticsError(f"the statistics cannot be used: {error}") from error
    for dimension, width, fields in (
        ("3D", skeleton.dim3, representation3d.field_slices(skeleton)),
        ("2D", skeleton.dim2, representation2d.field_slices(skeleton)),
    ):
        mean, std = (arrays[f"{part}{dimension[0]}"].astype(np.float64) for part in ("mean", "std"))
        if mean.shape != (width,):
            raise StatisticsError(
                f"{dimension} statistics have {len(mean)} numbers, {skeleton.name} has {width}"
            )
        wrong = _impossible(mean, std, fields, grouped=dimension == "3D")
        if wrong is not None:
            raise StatisticsError(
                f"these cannot be the mean and standard deviation of {dimension} features: {wrong}"
            )
    return statistics


def _impossible(
    mean: Float64, std: Float64, fields: Mapping[str, slice], *, grouped: bool
) -> str | None:
    """What is wrong, in words, or None; `grouped` where groups share one deviation for sure."""
    contact, std_contact = mean[fields["contacts"]], std[fields["contacts"]]
    if (np.abs(mean[fields["rotations"]]) > 1).any():
        return "the mean of a rotation entry is not within -1 and 1"
    if (contact < 0).any() or (contact > 1).any():
        return "the mean of a foot contact is not within 0 and 1"
    if np.ptp(mean[fields["positions"]]) == 0:
        return "all joints have one mean position (mean and standard deviation may be swapped)"
    if grouped and any(np.ptp(std[f]) > GROUP_TOLERANCE * std[f].max() for f in fields.values()):
        return "features of one group differ in standard deviation"
    demanded = float(np.sqrt(contact * (1 - contact)).mean())
    if abs(float(std_contact.mean()) - demanded) > CONTACT_TOLERANCE * max(demanded, 0.1):
        return (
            f"foot contacts vary by {std_contact.mean():.3f}, but their mean demands "
            f"{demanded:.3f} (an evaluator's statistics?)"
        )
    return None


def read_place(place: Path) -> dict[str, Float32]:
    """What a checkpoint folder, a `stats.safetensors` or a folder with `NPY_NAMES` holds.

    Raises:
        StatisticsError: It is not there, or a file in it is damaged.
    """
    file = place / STATISTICS_FILE if place.is_dir() else place
    try:
        if file.suffix == ".safetensors" and file.is_file():
            return {k: v for k, v in load_file(file).items() if k in NPY_NAMES}
        if not place.is_dir():
            raise StatisticsError(f"--stats {place}: no such file or folder")
        files = {key: place / name for key, name in NPY_NAMES.items()}
        return {k: _read_npy(f) for k, f in files.items() if f.is_file()}
    except (OSError, SafetensorError) as error:
        raise StatisticsError(f"--stats {place} cannot be read: {error}") from error


def _read_npy(file: Path) -> Float32:
    try:
        values = read_npy(file)
    except ValueError as error:
        raise StatisticsError(f"{file} is damaged or no .npy file of numbers") from error
    if values.ndim != 1 or values.dtype.kind not in "fiu":
        raise StatisticsError(f"{file} does not hold one row of numbers")
    return values.astype(np.float32)


def write_npy(statistics: Statistics, folder: Path) -> list[Path]:
    """Write the four files that the published code reads.

    Raises:
        FileExistsError: One of them is there already.
    """
    folder.mkdir(parents=True, exist_ok=True)
    files = {key: folder / name for key, name in NPY_NAMES.items()}
    there = [file for file in files.values() if file.exists()]
    if there:
        raise FileExistsError(f"{there[0]} is there already; choose another folder")
    for key, file in files.items():
        partial = file.with_suffix(".partial")
        with partial.open("wb") as out:
            np.save(out, statistics.arrays()[key])
        partial.replace(file)
    return list(files.values())
