"""A human body skinned to a rig: Anny's average adult, in the proportions of the rig's bones.

The body is posed like the rig's T-pose at the rig's size. What then is left between a joint of the
body and the rig's is taken away along the bones: a corner moves as the joints at both ends of its
bone do, in proportion to where it lies between them, so that limbs become longer or shorter and
stay as thick as they are.
"""

from dataclasses import dataclass
from enum import Enum
from functools import lru_cache

import numpy as np

from pipeline.arrays import Float32, Float64, Int64
from pipeline.export.rig import Rig, children_of
from pipeline.parametric_body.posed import PosedBody
from pipeline.parametric_body.posing import JOINT, pose_body
from pipeline.parametric_body.rest import RestBody, read_body, vertex_normals
from pipeline.physical.bones import bone_lengths
from pipeline.render.palette import Colour
from pipeline.skeletons import HUMANML3D

INFLUENCES = 4
"""Bones that one corner may hang on: what every glTF reader takes."""
SHORTEST_BONE = 1e-6
"""Of all bones' length together."""
TRUNK = {
    "root": "pelvis", "pelvis": "pelvis", "spine05": "pelvis", "spine04": "spine1",
    "spine03": "spine2", "spine02": "spine3", "spine01": "spine3",
    "neck01": "neck", "neck02": "neck", "neck03": "neck", "head": "head", "eye": "head",
}  # fmt: skip
"""Joint of ours that carries what a bone of Anny's carries."""
LIMBS = {
    "upperleg01": "hip", "upperleg02": "hip", "lowerleg01": "knee", "lowerleg02": "knee",
    "foot": "ankle", "toe": "foot", "clavicle": "collar", "shoulder01": "collar",
    "upperarm01": "shoulder", "upperarm02": "shoulder", "lowerarm01": "elbow",
    "lowerarm02": "elbow", "wrist": "wrist", "finger": "wrist", "metacarpal": "wrist",
}  # fmt: skip
"""The same of both sides; toes and fingers by the beginning of their names."""
TOWARDS = {"pelvis": "spine1", "spine3": "neck"}
"""Of joints with several bones: the one along which their part of the body stretches."""


class Cloth(Enum):
    """A part of the body with one colour: plain clothes, so that limbs can be told apart."""

    SKIN = (196, 150, 122)
    SHIRT = (86, 122, 160)
    TROUSERS = (62, 66, 78)
    SHOES = (38, 38, 42)

    @property
    def colour(self) -> Colour:
        """Red, green, blue, 0 to 255."""
        red, green, blue = self.value
        return red, green, blue


WORN = {
    Cloth.SHIRT: ("spine1", "spine2", "spine3", "collar", "shoulder"),
    Cloth.TROUSERS: ("pelvis", "hip", "knee"),
    Cloth.SHOES: ("ankle", "foot"),
}
"""Joints whose part of the body each covers; the rest is skin."""


@dataclass(frozen=True)
class HumanMesh:
    """A surface in a rig's T-pose, with the root at the origin."""

    positions: Float32
    """(V, 3) metres."""
    normals: Float32
    """(V, 3) unit length."""
    bones: np.ndarray[tuple[int, int], np.dtype[np.uint8]]
    """(V, 4) indices of the rig's bones that move each corner."""
    weights: Float32
    """(V, 4) how much; together 1."""
    triangles: dict[Cloth, np.ndarray[tuple[int, int], np.dtype[np.uint16]]]
    """(F, 3) indices of corners, counter-clockwise seen from outside, by colour."""

    def __repr__(self) -> str:
        return f"HumanMesh({len(self.positions)} corners)"


def human_mesh(rig: Rig) -> HumanMesh:
    """The average adult with the bones of a rig.

    Args:
        rig: Of HumanML3D's joints, with helper bones or without.

    Raises:
        ValueError: A bone has no length.
    """
    body, carried = _average()
    wanted = rig.rest[list(rig.of_joint)]
    _check_bones(wanted)
    posed = pose_body(body, wanted[None])
    whole = PosedBody(body, posed)
    sizes = [bone_lengths(joints[None], HUMANML3D).sum() for joints in (wanted, body.joints)]
    scale = float(sizes[0] / sizes[1])
    own = scale * whole.joints()[0]
    surface = scale * whole.vertices(0).astype(np.float64)
    positions = surface + _stretched(surface, own, wanted, carried)
    joints = np.argsort(-carried, axis=1, kind="stable")[:, :INFLUENCES]
    weights = np.take_along_axis(carried, joints, axis=1)
    return HumanMesh(
        positions=positions.astype(np.float32),
        normals=vertex_normals(positions, body.faces).astype(np.float32),
        bones=np.asarray(rig.of_joint, np.uint8)[np.where(weights > 0, joints, 0)],
        weights=(weights / weights.sum(axis=1, keepdims=True)).astype(np.float32),
        triangles=_dressed(body.faces, carried),
    )


def joint_of_bone(label: str) -> int:
    """The joint that carries what a bone of Anny's carries.

    Raises:
        KeyError: No such bone is known.
    """
    name, _, side = label.partition(".")
    if name in TRUNK:
        return JOINT[TRUNK[name]]
    part = next(part for start, part in LIMBS.items() if name.startswith(start))
    return JOINT[f"{'left' if side == 'L' else 'right'}_{part}"]


@lru_cache(maxsize=1)
def _average() -> tuple[RestBody, Float64]:
    """The body, and (V, 22) how much each joint carries each corner."""
    body = read_body()
    by_joint = np.array([joint_of_bone(label) for label in body.labels])
    carried = np.zeros((len(body.vertices), HUMANML3D.n_joints))
    corners = np.arange(len(body.vertices))
    for column in range(body.bones.shape[1]):
        np.add.at(carried, (corners, by_joint[body.bones[:, column]]), body.weights[:, column])
    return body, carried


def _check_bones(joints: Float64) -> None:
    """Refuse joints (22, 3) of which two neighbours lie in one place: no body has such bones."""
    lengths = np.linalg.norm(joints[1:] - joints[list(HUMANML3D.parents[1:])], axis=-1)
    short = lengths <= SHORTEST_BONE * lengths.sum()
    if short.any():
        name = HUMANML3D.joint_names[1 + int(short.argmax())]
        raise ValueError(
            f"its bone to {name} has no length, so that no human body fits it: export it with "
            "--body capsules"
        )


def _stretched(surface: Float64, own: Float64, wanted: Float64, carried: Float64) -> Float64:
    """(V, 3) by which corners move when the body's joints (22, 3) go to the wanted ones."""
    moved = wanted - own
    out = np.zeros_like(surface)
    for joint, name in enumerate(HUMANML3D.joint_names):
        children = children_of(joint, HUMANML3D)
        part = np.tile(moved[joint], (len(surface), 1))
        if children:
            end = JOINT[TOWARDS[name]] if name in TOWARDS else children[0]
            bone = own[end] - own[joint]
            share = ((surface - own[joint]) @ bone / (bone @ bone)).clip(0.0, 1.0)
            part = moved[joint] + share[:, None] * (moved[end] - moved[joint])
        out += carried[:, [joint]] * part
    return out


def _dressed(
    faces: Int64, carried: Float64
) -> dict[Cloth, np.ndarray[tuple[int, int], np.dtype[np.uint16]]]:
    """Faces by what covers the joint that carries them most."""
    most = carried[faces].sum(axis=1).argmax(axis=1)
    parts = [name.removeprefix("left_").removeprefix("right_") for name in HUMANML3D.joint_names]
    worn = {part: cloth for cloth, covered in WORN.items() for part in covered}
    cloths = [worn.get(part, Cloth.SKIN) for part in parts]
    return {
        cloth: faces[np.isin(most, [j for j, on in enumerate(cloths) if on is cloth])].astype(
            np.uint16
        )
        for cloth in Cloth
    }
