"""The skeleton that animation programs get: named bones in a T-pose, Y up, facing +Z, metres.

Bones are named as MotionBuilder names them, which Mixamo, LAFAN1 and most retargeting tools know;
left is the person's own and lies at +X. A bone has its name from the joint at its beginning:
`LeftArm` begins at the shoulder, `LeftForeArm` at the elbow, `LeftHand` at the wrist.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from pipeline.arrays import Float64
from pipeline.skeletons import HUMANML3D, Skeleton

BONE_NAMES = (
    "Hips", "LeftUpLeg", "RightUpLeg", "Spine", "LeftLeg", "RightLeg", "Spine1", "LeftFoot",
    "RightFoot", "Spine2", "LeftToeBase", "RightToeBase", "Neck", "LeftShoulder", "RightShoulder",
    "Head", "LeftArm", "RightArm", "LeftForeArm", "RightForeArm", "LeftHand", "RightHand",
)  # fmt: skip
"""By HumanML3D's joint order."""
HUBS = (0, 9)
"""Joints with several bones: pelvis and chest."""
HELPER_SUFFIX = "Helper"
"""Of the bones without length at the hubs: `LeftUpLegHelper` lies before `LeftUpLeg`."""
T_POSE = (
    (0.0, 0.0, 0.0), (0.60, -0.80, 0.0), (-0.60, -0.80, 0.0), (0.0, 1.0, 0.0), (0.0, -1.0, 0.0),
    (0.0, -1.0, 0.0), (0.0, 1.0, 0.0), (0.0, -1.0, 0.0), (0.0, -1.0, 0.0), (0.0, 1.0, 0.0),
    (0.0, -0.42, 0.91), (0.0, -0.42, 0.91), (0.0, 1.0, 0.0), (0.80, 0.60, 0.0), (-0.80, 0.60, 0.0),
    (0.0, 0.87, 0.50), (0.95, 0.30, 0.0), (-0.95, 0.30, 0.0), (1.0, 0.0, 0.0), (-1.0, 0.0, 0.0),
    (1.0, 0.0, 0.0), (-1.0, 0.0, 0.0),
)  # fmt: skip
"""Direction of the bone that ends at each joint; made unit vectors before use."""
TIPS_M = {
    "Head": (0.0, 0.16, 0.0),
    "LeftHand": (0.10, 0.0, 0.0),
    "RightHand": (-0.10, 0.0, 0.0),
    "LeftToeBase": (0.0, 0.0, 0.06),
    "RightToeBase": (0.0, 0.0, 0.06),
}
"""Metres from the last joint of a limb to where its bone is drawn to end: no joint is there."""


@dataclass(frozen=True)
class Rig:
    """A tree of bones; parents come before their children, a limb's bones follow one another."""

    names: tuple[str, ...]
    parents: tuple[int, ...]
    """(B,) index of the parent bone, -1 for the root."""
    offsets: Float64
    """(B, 3) metres from the parent's beginning to the bone's, in the T-pose."""
    joints: tuple[int, ...]
    """(B,) HumanML3D's joint at the bone's beginning."""
    ends: tuple[int, ...]
    """(B,) HumanML3D's joint that the bone turns towards, or -1: several, or none."""

    def __repr__(self) -> str:
        return f"Rig({len(self.names)} bones)"

    @cached_property
    def of_joint(self) -> tuple[int, ...]:
        """(22,) the bone that begins at each joint and is named after it."""
        named = {name: i for i, name in enumerate(self.names)}
        return tuple(named[name] for name in BONE_NAMES)

    @cached_property
    def rest(self) -> Float64:
        """(B, 3) metres: where bones begin in the T-pose, the root at the origin."""
        out = np.zeros_like(self.offsets)
        for bone, parent in enumerate(self.parents):
            out[bone] = self.offsets[bone] + (out[parent] if parent >= 0 else 0.0)
        return out

    def is_helper(self, bone: int) -> bool:
        """Whether a bone only carries the turn of one bone of a hub."""
        return self.names[bone].endswith(HELPER_SUFFIX)


def rest_directions() -> Float64:
    """(22, 3) unit vectors of `T_POSE`; zero for the root."""
    raw = np.asarray(T_POSE, dtype=np.float64)
    return np.asarray(raw / np.maximum(np.linalg.norm(raw, axis=-1, keepdims=True), 1e-9))


def make_rig(offsets: Float64, *, helpers: bool, skeleton: Skeleton = HUMANML3D) -> Rig:
    """The tree of bones, depth first.

    Args:
        offsets: (22, 3) metres from each joint's parent in the T-pose.
        helpers: Put a bone without length before every bone that leaves a hub. Pelvis and chest
            then need not be rigid, as those of estimated and generated bodies are not.
        skeleton: HumanML3D's.
    """
    names: list[str] = []
    parents: list[int] = []
    places: list[Float64] = []
    joints: list[int] = []
    ends: list[int] = []

    def add(name: str, parent: int, offset: Float64, joint: int, end: int) -> int:
        for column, value in zip(
            (names, parents, places, joints, ends), (name, parent, offset, joint, end), strict=True
        ):
            column.append(value)  # type: ignore[attr-defined]
        return len(names) - 1

    def grow(joint: int, parent: int, offset: Float64) -> None:
        children = children_of(joint, skeleton)
        end = children[0] if len(children) == 1 else -1
        bone = add(BONE_NAMES[joint], parent, offset, joint, end)
        for child in children:
            above = bone
            if helpers and joint in HUBS:
                above = add(BONE_NAMES[child] + HELPER_SUFFIX, bone, np.zeros(3), joint, child)
            grow(child, above, offsets[child])

    grow(0, -1, np.zeros(3))
    return Rig(tuple(names), tuple(parents), np.stack(places), tuple(joints), tuple(ends))


def children_of(joint: int, skeleton: Skeleton) -> Sequence[int]:
    """Joints whose parent this one is."""
    return [child for child, parent in enumerate(skeleton.parents) if parent == joint]
