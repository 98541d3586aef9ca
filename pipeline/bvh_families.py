"""Joint names of the common BVH skeletons, so that most files need no joint map."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pipeline.bvh_file import END_SUFFIX
from pipeline.bvh_joint_maps import JointMap, Point

_PARTS = ("hip", "knee", "ankle", "foot", "shoulder", "elbow", "wrist")


@dataclass(frozen=True)
class Family:
    """How one program or data set names the joints; `{s}` is the side."""

    name: str
    sides: tuple[str, str]
    """Words for left and right."""
    limbs: tuple[tuple[str, ...], ...]
    """Alternatives for hip, knee, ankle, foot (its ball), shoulder, elbow, wrist."""
    trunk: tuple[str, ...]
    """From the hips up; those that a skeleton does not have are left out."""
    neck: str = "Neck"
    head: str = "Head"
    needs: tuple[str, ...] = ()
    """Joints that tell this skeleton from another one with the same names."""
    exact: tuple[str, ...] = ()
    """Joints of HumanML3D that are named like this skeleton's own and taken as they are."""
    renamed: tuple[tuple[str, str], ...] = ()
    """Joints of HumanML3D that this skeleton has under another name, taken where they are there."""

    def alternatives(self) -> dict[str, tuple[str, ...]]:
        """Names to look for, by HumanML3D's joint."""
        out: dict[str, tuple[str, ...]] = {"neck": (self.neck,), "head": (self.head,)}
        for side, word in zip(("left", "right"), self.sides, strict=True):
            for part, names in zip(_PARTS, self.limbs, strict=True):
                out[f"{side}_{part}"] = tuple(name.format(s=word) for name in names)
            ankle = out[f"{side}_ankle"][0]
            out[f"{side}_foot"] = (*out[f"{side}_foot"], ankle + END_SUFFIX)
        return out


_MOTION_BUILDER = (
    ("{s}UpLeg",), ("{s}Leg",), ("{s}Foot",), ("{s}ToeBase", "{s}Toe"),
    ("{s}Arm",), ("{s}ForeArm",), ("{s}Hand",),
)  # fmt: skip
_SMPL = tuple((f"{{s}}_{part}",) for part in _PARTS)
_SMPL_TRUNK = ("pelvis", "spine1", "spine2", "spine3")

FAMILIES = (
    Family(
        "HumanML3D", ("left", "right"), _SMPL, _SMPL_TRUNK, needs=_SMPL_TRUNK,
        exact=(*_SMPL_TRUNK, "left_collar", "right_collar"),
    ),
    Family(
        "SMPL", ("L", "R"), _SMPL, _SMPL_TRUNK, needs=_SMPL_TRUNK,
        exact=(*_SMPL_TRUNK, "left_collar", "right_collar"),
    ),
    # What `crossdiff export` writes: HumanML3D's joints under MotionBuilder's names.
    Family(
        "CrossDiff export", ("Left", "Right"), _MOTION_BUILDER,
        ("Hips", "Spine", "Spine1", "Spine2"), needs=("SpineHelper", "NeckHelper"),
        renamed=(
            ("pelvis", "Hips"), ("spine1", "Spine"), ("spine2", "Spine1"), ("spine3", "Spine2"),
            ("left_collar", "LeftShoulder"), ("right_collar", "RightShoulder"),
        ),
    ),
    # Its Neck lies on the thorax (a bone of no length): the neck proper begins at Neck1.
    Family(
        "CMU (Hahne)", ("Left", "Right"), _MOTION_BUILDER,
        ("Hips", "LowerBack", "Spine", "Spine1"), neck="Neck1", needs=("LHipJoint", "LowerBack"),
    ),
    Family(
        "MotionBuilder (Mixamo, LAFAN1)", ("Left", "Right"), _MOTION_BUILDER,
        ("Hips", "LowerBack", "Spine", "Spine1", "Spine2", "Spine3", "Spine4"),
    ),
    Family(
        "Biovision (Xsens MVN, 3ds Max)", ("Left", "Right"),
        (
            ("{s}Hip",), ("{s}Knee",), ("{s}Ankle",), ("{s}Toe", "{s}ToeBase"),
            ("{s}Shoulder", "{s}UpArm"), ("{s}Elbow", "{s}LowArm"), ("{s}Wrist", "{s}Hand"),
        ),
        ("Hips", "Spine", "Chest", "Chest2", "Chest3", "Chest4"),
    ),
    Family(
        "3ds Max Biped", ("L", "R"),
        (
            ("{s} Thigh",), ("{s} Calf",), ("{s} Foot",), ("{s} Toe0", "{s} Toe"),
            ("{s} UpperArm",), ("{s} Forearm",), ("{s} Hand",),
        ),
        ("Pelvis", "Spine", "Spine1", "Spine2", "Spine3"),
    ),
    Family(
        "Bandai-Namco", ("L", "R"),
        (
            ("UpperLeg_{s}",), ("LowerLeg_{s}",), ("Foot_{s}",), ("Toes_{s}", "Toe_{s}"),
            ("UpperArm_{s}",), ("LowerArm_{s}",), ("Hand_{s}",),
        ),
        ("Hips", "Spine", "Chest", "UpperChest"),
    ),
    Family(
        "Unity humanoid", ("Left", "Right"),
        (
            ("{s}UpperLeg",), ("{s}LowerLeg",), ("{s}Foot",), ("{s}Toes", "{s}Toe"),
            ("{s}UpperArm",), ("{s}LowerArm",), ("{s}Hand",),
        ),
        ("Hips", "Spine", "Chest", "UpperChest"),
    ),
    Family(
        "Poser (DAZ)", ("l", "r"),
        (
            ("{s}Thigh",), ("{s}Shin",), ("{s}Foot",), ("{s}Toe",),
            ("{s}Shldr",), ("{s}ForeArm",), ("{s}Hand",),
        ),
        ("hip", "abdomen", "chest"), neck="neck", head="head",
    ),
    Family(
        "CMU (Acclaim names)", ("l", "r"),
        (
            ("{s}femur",), ("{s}tibia",), ("{s}foot",), ("{s}toes",),
            ("{s}humerus",), ("{s}radius",), ("{s}wrist", "{s}hand"),
        ),
        ("root", "lowerback", "upperback", "thorax"), neck="upperneck", head="head",
    ),
)  # fmt: skip


def find_joint_map(names: Sequence[str]) -> tuple[JointMap | None, str]:
    """The built-in map that fits a skeleton.

    Case, spaces, underscores, a name space (`mixamorig:`) and a common beginning (`Bip01`) do not
    matter.

    Returns:
        The map and "", or None and what the nearest map misses, as part of a sentence.
    """
    nearest: tuple[int, str] | None = None
    for family in FAMILIES:
        for prefix in _prefixes(family, names):
            found, missing = _match(family, names, prefix)
            if found is not None:
                return found, ""
            if nearest is None or len(missing) < nearest[0]:
                nearest = (len(missing), f"the nearest, '{family.name}', finds no {missing[0]}")
    return None, nearest[1] if nearest else "no joint has a name that a built-in map knows"


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.rpartition(":")[2].lower())


def _prefixes(family: Family, names: Sequence[str]) -> Iterator[str]:
    """What may stand before every name, judged from the left knee."""
    keys = [_plain(name) for name in family.alternatives()["left_knee"]]
    found = {
        plain.removesuffix(key)
        for plain in map(_plain, names)
        for key in keys
        if plain.endswith(key)
    }
    yield from sorted(found, key=len)


def _match(family: Family, names: Sequence[str], prefix: str) -> tuple[JointMap | None, list[str]]:
    have: dict[str, str] = {}
    for name in names:
        have.setdefault(_plain(name), name)

    def find(*wanted: str) -> str | None:
        keys = [key for name in wanted for key in (prefix + _plain(name), _plain(name))]
        return next((have[key] for key in keys if key in have), None)

    found = {ours: find(*theirs) for ours, theirs in family.alternatives().items()}
    for ours in family.exact:
        found[ours] = find(ours, ours.replace("left", "L").replace("right", "R"))
    missing = [ours for ours, theirs in found.items() if theirs is None]
    missing += [name for name in family.needs if find(name) is None]
    if missing:
        return None, missing
    trunk = tuple((name,) for name in map(find, family.trunk) if name is not None)
    found |= {ours: find(theirs) for ours, theirs in family.renamed}
    points = {ours: Point(((name,),)) for ours, name in found.items() if name is not None}
    return JointMap(family.name, points, trunk), []
