"""A folder of BVH files: what they have in common, and each one as raw clips of 22 joints."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from pipeline.arrays import Float64
from pipeline.bvh_families import find_joint_map
from pipeline.bvh_file import BvhError, read_bvh
from pipeline.bvh_joint_maps import JointMap, apply_joint_map
from pipeline.bvh_kinematics import joint_positions, resample, turned_upright
from pipeline.kinematics import facing_direction
from pipeline.skeletons import HUMANML3D

Unit = Literal["auto", "m", "cm", "mm", "inch"]
Up = Literal["auto", "x", "y", "z", "-x", "-y", "-z"]
METRES = {"m": 1.0, "cm": 0.01, "mm": 0.001, "inch": 0.0254}
UNKNOWN = "unknown"
PLAUSIBLE_LEG_M = (0.5, 1.2)
"""Thigh and shin together, of people from small children to giants."""
POSSIBLE_LEG_M = (0.25, 1.6)
"""Outside of this a unit that somebody named is wrong."""
SURVEYED = 8
"""Files that are looked at for what the folder has in common."""
BACKWARD = -0.3
"""Share of the foot's length that points backwards when left and right are swapped."""
_J = {name: i for i, name in enumerate(HUMANML3D.joint_names)}


@dataclass(frozen=True)
class BvhOptions:
    """What the user said about the files."""

    joint_map: JointMap | None = None
    """None: a built-in one, found for each file."""
    unit: Unit = "auto"
    up: Up = "auto"
    skip_frames: int = 0
    """Frames of the file to leave out at its start (a T-pose, say)."""

    def __post_init__(self) -> None:
        if self.skip_frames < 0:
            raise ValueError(f"--skip-frames must not be negative, got {self.skip_frames}")


@dataclass(frozen=True)
class BvhConventions:
    """What a folder's files have in common."""

    up: str
    """Axis that points up: `y`, `z`, `-x`, ..."""
    unit: str
    """m, cm, mm, inch, or unknown. A motion is scaled to the canonical leg in any case."""
    leg: float
    """Median length of thigh and shin over the files, in their unit."""
    maps: tuple[str, ...]
    """Joint maps that fit."""
    surveyed: int
    """Files this was judged from."""

    def sentence(self) -> str:
        """For the report."""
        unit = self.unit if self.unit != UNKNOWN else "an unknown unit"
        return (
            f"joint map {', '.join(self.maps)}; up is {self.up}; lengths are in {unit} "
            f"(a leg has {self.leg:.4g}), judged from {self.surveyed} files"
        )


def find_bvh_files(folder: Path) -> list[Path]:
    """All BVH files below a folder, in the order of their names.

    Raises:
        ValueError: There is no folder, or no such file in it.
    """
    if not folder.is_dir():
        raise ValueError(f"no folder {folder}")
    files = sorted(p for p in folder.rglob("*") if p.suffix.lower() == ".bvh" and p.is_file())
    if not files:
        raise ValueError(f"{folder} holds no .bvh file")
    return files


def survey(files: Sequence[Path], options: BvhOptions) -> BvhConventions:
    """Judge the up axis and the unit from some of the files, evenly spread.

    One file may show a handstand; the folder's people stand on their feet.

    Raises:
        ValueError: None of them can be used; says why the first one cannot.
    """
    step = max(1, len(files) // SURVEYED)
    bodies: list[Float64] = []
    maps: list[str] = []
    first_error = ""
    for file in files[::step]:
        try:
            joints, name, _ = _mapped(file, options)
        except (BvhError, OSError) as error:
            first_error = first_error or f"{file.name}: {error}"
            continue
        bodies.append(joints)
        maps.append(name)
    if not bodies:
        raise ValueError(f"none of the BVH files can be used; {first_error}")
    legs = [_leg_length(joints) for joints in bodies]
    up = _up_axis(bodies) if options.up == "auto" else options.up
    units = {_unit_of(leg) for leg in legs} if options.unit == "auto" else {str(options.unit)}
    unit = units.pop() if len(units) == 1 else UNKNOWN
    return BvhConventions(up, unit, float(np.median(legs)), tuple(sorted(set(maps))), len(bodies))


def read_clip(file: Path, options: BvhOptions, known: BvhConventions) -> Float64:
    """One file as HumanML3D's 22 joints at 20 fps, Y up, in the file's own length unit.

    Returns:
        (T, 22, 3), neither retargeted nor on the floor.

    Raises:
        BvhError: The file cannot be used; says why.
        OSError: The file cannot be read.
    """
    joints, _, fps = _mapped(file, options)
    upright = turned_upright({"": joints.reshape(-1, 3)}, known.up)[""].reshape(joints.shape)
    leg = _leg_length(upright)
    shortest, longest = POSSIBLE_LEG_M
    if options.unit != "auto" and not shortest <= leg * METRES[options.unit] <= longest:
        raise BvhError(f"a leg has {leg:.4g}: that is not in {options.unit}, leave --unit to auto")
    if not leg > 0:
        raise BvhError("its legs have no length: the joint map or the file is wrong")
    if _toes_forward(upright) < BACKWARD:
        raise BvhError(
            "the toes point backwards: the joint map has left and right swapped, or --up is wrong"
        )
    return resample(upright, fps, HUMANML3D.fps)


def joint_map_for(names: Sequence[str], options: BvhOptions) -> JointMap:
    """The user's map, or the built-in one that fits.

    Raises:
        BvhError: None fits; says what is missing and how to write a map.
    """
    if options.joint_map is not None:
        return options.joint_map
    found, lacks = find_joint_map(names)
    if found is None:
        raise BvhError(
            f"no built-in joint map fits ({lacks}); print a template with --print-map, fill it in, "
            "and give it with --joint-map"
        )
    return found


def _mapped(file: Path, options: BvhOptions) -> tuple[Float64, str, float]:
    """(T, 22, 3) joints in the file's axes and rate, the map's name, and frames a second."""
    bvh = read_bvh(file)
    positions = joint_positions(bvh)
    joint_map = joint_map_for(list(positions), options)
    kept: Mapping[str, Float64] = {n: p[options.skip_frames :] for n, p in positions.items()}
    if len(bvh.values) <= options.skip_frames + 1:
        raise BvhError(f"it has {len(bvh.values)} frames: that is no motion")
    joints = apply_joint_map(kept, joint_map)
    if not np.ptp(joints, axis=0).max() > 0:
        raise BvhError("nothing moves in it")
    return joints, joint_map.name, bvh.fps


def _leg_length(joints: Float64) -> float:
    bones = [("left_hip", "left_knee"), ("left_knee", "left_ankle")]
    bones += [("right_hip", "right_knee"), ("right_knee", "right_ankle")]
    lengths = [np.linalg.norm(joints[:, _J[a]] - joints[:, _J[b]], axis=-1) for a, b in bones]
    return float(np.median(np.sum(lengths, axis=0)) / 2.0)


def _up_axis(bodies: Sequence[Float64]) -> str:
    """The axis that bodies are longest along, from the ankles to the neck."""
    total = np.zeros(3)
    for joints in bodies:
        ankles = (joints[:, _J["left_ankle"]] + joints[:, _J["right_ankle"]]) / 2.0
        body = np.median(joints[:, _J["neck"]] - ankles, axis=0)
        total += body / max(float(np.linalg.norm(body)), 1e-9)
    axis = int(np.abs(total).argmax())
    return ("-" if total[axis] < 0 else "") + "xyz"[axis]


def _unit_of(leg: float) -> str:
    shortest, longest = PLAUSIBLE_LEG_M
    fits = [name for name, metres in METRES.items() if shortest <= leg * metres <= longest]
    return fits[0] if fits else UNKNOWN


def _toes_forward(joints: Float64) -> float:
    """Median share of the feet's length that points where hips and shoulders face."""
    forward = facing_direction(joints, HUMANML3D)
    shares = []
    for side in ("left", "right"):
        foot = joints[:, _J[f"{side}_foot"]] - joints[:, _J[f"{side}_ankle"]]
        length = np.maximum(np.linalg.norm(foot, axis=-1), 1e-9)
        shares.append((foot * forward).sum(axis=-1) / length)
    return float(np.median(shares))
