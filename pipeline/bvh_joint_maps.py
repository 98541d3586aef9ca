"""Which joints of a BVH skeleton stand for HumanML3D's 22: built-in maps, and map files.

A map names the sixteen joints that every body has. Pelvis, spine and collars lie on no landmark,
and every program puts them elsewhere, so they are placed between the others at the proportions of
HumanML3D's body unless the map names them.
"""

import json
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.arrays import Float64
from pipeline.bvh_file import BvhError
from pipeline.skeletons import HUMANML3D

DERIVED = ("pelvis", "spine1", "spine2", "spine3", "left_collar", "right_collar")
"""Joints that a map may leave out."""
REQUIRED = tuple(name for name in HUMANML3D.joint_names if name not in DERIVED)
TRUNK = "trunk"
HIPS_TO_PELVIS_M = 0.0878
"""Middle of the hips to the pelvis on HumanML3D's body."""
_LENGTHS = HUMANML3D.canonical_lengths or ()
_TRUNK_M = np.cumsum([HIPS_TO_PELVIS_M, *(_LENGTHS[j] for j in (3, 6, 9, 12))])
TRUNK_SHARES = dict(
    zip(("pelvis", "spine1", "spine2", "spine3"), (_TRUNK_M / _TRUNK_M[-1]).tolist(), strict=False)
)
"""How far up the way from the middle of the hips to the neck."""
COLLAR_WEIGHTS = {"spine3": 0.30, "neck": 0.34, "shoulder": 0.36}
"""A collar between spine3, neck and shoulder: least squares on HumanML3D's motion 012314 (spread
2 cm); it sums to one."""


@dataclass(frozen=True)
class Point:
    """A place on the way through joints of the file's skeleton."""

    along: tuple[tuple[str, ...], ...]
    """Corners of the way; each is a joint or the mean of several."""
    at: float = 0.0
    """Share of the way's length, 0 at its first corner."""

    def names(self) -> set[str]:
        """Every joint that is used."""
        return {name for corner in self.along for name in corner}


@dataclass(frozen=True)
class JointMap:
    """Points for the joints of HumanML3D."""

    name: str
    """For the report: a built-in map's name, or the file's."""
    points: Mapping[str, Point]
    """By HumanML3D's joint names, at least `REQUIRED`."""
    trunk: tuple[tuple[str, ...], ...] = ()
    """Corners between the hips and the neck."""

    def names(self) -> set[str]:
        """Every joint of the file that the map uses."""
        return set().union(*(p.names() for p in self.points.values()), *map(set, self.trunk))

    def to_json(self) -> dict[str, object]:
        """Plain values, for a data set's recipe."""
        points = {name: {"along": p.along, "at": p.at} for name, p in self.points.items()}
        return {TRUNK: self.trunk, **points}


def read_joint_map(path: Path) -> JointMap:
    """A map from a TOML or JSON file: `left_hip = "LeftUpLeg"`, `trunk = ["Hips", "Spine"]`.

    A joint is a name, a list of names (their mean), or `{along = [...], at = 0.5}`.

    Raises:
        ValueError: Not readable, joints missing or unknown; says which.
    """
    try:
        text = path.read_text(encoding="utf-8")
        values = json.loads(text) if path.suffix.lower() == ".json" else tomllib.loads(text)
    except (OSError, ValueError) as error:
        raise ValueError(f"joint map {path.name} cannot be read: {error}") from error
    if not isinstance(values, dict):
        raise ValueError(f"joint map {path.name} must give a joint for each name")
    trunk = values.pop(TRUNK, [])
    unknown = sorted(set(values) - set(HUMANML3D.joint_names))
    missing = [name for name in REQUIRED if name not in values]
    if unknown:
        raise ValueError(
            f"joint map {path.name} names '{unknown[0]}'; known are {TRUNK} and "
            f"{', '.join(HUMANML3D.joint_names)}"
        )
    if missing:
        raise ValueError(f"joint map {path.name} lacks {', '.join(missing)}")
    points = {name: _point(value, name, path.name) for name, value in values.items()}
    found = JointMap(path.name, points, tuple(_corner(v, TRUNK, path.name) for v in trunk))
    _refuse_empty(found)
    return found


def _refuse_empty(joint_map: JointMap) -> None:
    """A printed template has empty names for what is to be filled in."""
    used = {name: point.names() for name, point in joint_map.points.items()}
    used[TRUNK] = set().union(*joint_map.trunk)
    empty = [ours for ours, names in used.items() if not all(map(str.strip, names))]
    if empty:
        raise ValueError(
            f"joint map {joint_map.name} is still empty at {', '.join(empty)}: fill in which joint "
            "of your skeleton each one is"
        )


def _point(value: object, joint: str, file: str) -> Point:
    if not isinstance(value, dict):
        return Point((_corner(value, joint, file),))
    along, at = value.get("along"), value.get("at")
    if set(value) != {"along", "at"} or not isinstance(along, list) or not along:
        raise ValueError(f"joint map {file}: {joint} needs along = [joints] and at = a share")
    if not isinstance(at, int | float) or not 0.0 <= at <= 1.0:
        raise ValueError(f"joint map {file}: {joint} has at = {at}, not a share from 0 to 1")
    return Point(tuple(_corner(v, joint, file) for v in along), float(at))


def _corner(value: object, joint: str, file: str) -> tuple[str, ...]:
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, list) or not names or not all(isinstance(n, str) for n in names):
        raise ValueError(f"joint map {file}: {joint} must be a joint's name or a list of names")
    return tuple(names)


def missing_joints(joint_map: JointMap, names: Sequence[str]) -> list[str]:
    """Joints that the map uses and a skeleton does not have."""
    return sorted(joint_map.names() - set(names))


def apply_joint_map(positions: Mapping[str, Float64], joint_map: JointMap) -> Float64:
    """HumanML3D's joints from those of the file.

    Args:
        positions: Per joint name (T, 3).
        joint_map: Which are which.

    Returns:
        (T, 22, 3), in the unit and axes of `positions`.

    Raises:
        BvhError: The skeleton lacks joints of the map.
    """
    missing = missing_joints(joint_map, list(positions))
    if missing:
        raise BvhError(f"the skeleton lacks {', '.join(missing)} of joint map '{joint_map.name}'")
    ours = {name: _place(positions, point) for name, point in joint_map.points.items()}
    hips = (ours["left_hip"] + ours["right_hip"]) / 2.0
    trunk = [hips, *(_mean(positions, corner) for corner in joint_map.trunk), ours["neck"]]
    for name, share in TRUNK_SHARES.items():
        ours.setdefault(name, _along(trunk, share))
    for side in ("left", "right"):
        corners = {"spine3": ours["spine3"], "neck": ours["neck"]}
        corners["shoulder"] = ours[f"{side}_shoulder"]
        weighted = [COLLAR_WEIGHTS[name] * place for name, place in corners.items()]
        ours.setdefault(f"{side}_collar", np.sum(weighted, axis=0))
    return np.stack([ours[name] for name in HUMANML3D.joint_names], axis=1)


def _mean(positions: Mapping[str, Float64], corner: tuple[str, ...]) -> Float64:
    return np.asarray(np.mean([positions[name] for name in corner], axis=0))


def _place(positions: Mapping[str, Float64], point: Point) -> Float64:
    return _along([_mean(positions, corner) for corner in point.along], point.at)


def _along(corners: Sequence[Float64], share: float) -> Float64:
    """(T, 3) the point after a share of the way's length, frame by frame."""
    steps = np.diff(np.stack(corners), axis=0)
    lengths = np.linalg.norm(steps, axis=-1)
    left = lengths.sum(axis=0) * share
    out = np.array(corners[0], dtype=np.float64)
    for step, length in zip(steps, lengths, strict=True):
        part = np.clip(left, 0.0, length)
        out += step * (part / np.maximum(length, 1e-9))[:, None]
        left = left - part
    return out


def map_template(names: Sequence[str], guess: JointMap | None) -> str:
    """A map file to fill in, as TOML, with the skeleton's joints in comments.

    Args:
        names: Joints of the skeleton.
        guess: What is known already.
    """
    points = guess.points if guess else {}
    lines = [
        "# Which joint of your skeleton is which. A joint is a name, a list of names (their mean),",
        '# or {along = ["A", "B"], at = 0.5}. Left and right are the person\'s own.',
        "# Joints of your skeleton:",
        *(f"#   {_one_line(name)}" for name in names),
        "# From the hips up, without the neck:",
        f"{TRUNK} = [{', '.join(_quoted(c) for c in guess.trunk) if guess else ''}]",
        *(f"{n} = {_quoted(points[n].along[0] if n in points else ('',))}" for n in REQUIRED),
        f"# Optional, otherwise placed between the others: {', '.join(DERIVED)}",
    ]
    return "\n".join(lines) + "\n"


def _quoted(corner: tuple[str, ...]) -> str:
    texts = [json.dumps(name) for name in corner]
    return texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"


def _one_line(name: str) -> str:
    return re.sub(r"[\x00-\x1f\x7f]", " ", name)
