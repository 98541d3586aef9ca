"""A body of capsules around the bones of a rig, so that there is something to see."""

from dataclasses import dataclass

import numpy as np

from pipeline.arrays import Float32, Float64
from pipeline.export.rig import TIPS_M, Rig
from pipeline.render.palette import Limb, limb_of
from pipeline.skeletons import HUMANML3D

SIDES, RINGS = 12, 3
"""Corners around a bone; rings of each round end."""
TRUNK_RADIUS_M, NECK_RADIUS_M, HEAD_RADIUS_M = 0.082, 0.048, 0.095
THIGH_RADIUS_M, LIMB_RADIUS_M = 0.058, 0.038
HEAD_UP_M = 0.045
"""The head's middle lies this far beyond its joint."""
THICK = ("hip", "knee")
"""What the joint at the end of a thick leg bone is called."""
NARROW = ("neck", "head")
"""Bones of the trunk that end at these are thin."""
SHORTEST_M = 1e-4


@dataclass(frozen=True)
class BodyPart:
    """All capsules of one colour; each corner belongs wholly to one bone."""

    limb: Limb
    positions: Float32
    """(V, 3) metres, in the T-pose with the root at the origin."""
    normals: Float32
    """(V, 3) unit length."""
    bones: np.ndarray[tuple[int], np.dtype[np.uint8]]
    """(V,) index of the bone that moves each corner."""
    triangles: np.ndarray[tuple[int, int], np.dtype[np.uint16]]
    """(F, 3) indices of corners, counter-clockwise seen from outside."""

    def __repr__(self) -> str:
        return f"BodyPart({self.limb.name}, {len(self.positions)} corners)"


def body_parts(rig: Rig) -> list[BodyPart]:
    """The body in parts by limb, left and right in different colours.

    Args:
        rig: Any; a bone of no length gets no capsule.
    """
    found: dict[Limb, list[tuple[int, Float64, Float64, float]]] = {}
    for bone, start, end, radius, limb in _capsules(rig):
        if np.linalg.norm(end - start) > SHORTEST_M:
            found.setdefault(limb, []).append((bone, start, end, radius))
    return [_part(limb, capsules) for limb, capsules in found.items()]


def _capsules(rig: Rig) -> list[tuple[int, Float64, Float64, float, Limb]]:
    """Bone that moves it, both ends, radius and colour of every capsule."""
    out = []
    for bone, parent in enumerate(rig.parents):
        if parent >= 0 and not rig.is_helper(bone):
            joint = HUMANML3D.joint_names[rig.joints[bone]]
            out.append((parent, rig.rest[parent], rig.rest[bone], _radius(joint), limb_of(joint)))
        if rig.names[bone] in TIPS_M:
            joint = HUMANML3D.joint_names[rig.joints[bone]]
            out.append((bone, *_tip(rig, bone), limb_of(joint)))
    return out


def _tip(rig: Rig, bone: int) -> tuple[Float64, Float64, float]:
    start = rig.rest[bone]
    if rig.names[bone] == "Head":
        middle = start + np.array([0.0, HEAD_UP_M, 0.0])
        return start + 0.5 * (middle - start), middle, HEAD_RADIUS_M
    return start, start + np.asarray(TIPS_M[rig.names[bone]]), LIMB_RADIUS_M * 0.8


def _radius(joint: str) -> float:
    if limb_of(joint) is Limb.TRUNK:
        return NECK_RADIUS_M if joint in NARROW else TRUNK_RADIUS_M
    return THIGH_RADIUS_M if any(word in joint for word in THICK) else LIMB_RADIUS_M


def _part(limb: Limb, capsules: list[tuple[int, Float64, Float64, float]]) -> BodyPart:
    positions, normals, bones, triangles = [], [], [], []
    count = 0
    for bone, start, end, radius in capsules:
        corners, outward, faces = _capsule(start, end, radius)
        positions.append(corners)
        normals.append(outward)
        bones.append(np.full(len(corners), bone))
        triangles.append(faces + count)
        count += len(corners)
    return BodyPart(
        limb,
        np.concatenate(positions).astype(np.float32),
        np.concatenate(normals).astype(np.float32),
        np.concatenate(bones).astype(np.uint8),
        np.concatenate(triangles).astype(np.uint16),
    )


def _capsule(
    start: Float64, end: Float64, radius: float
) -> tuple[Float64, Float64, np.ndarray[tuple[int, int], np.dtype[np.int64]]]:
    """Corners, normals and faces: rings from one pole to the other, the equator twice."""
    axis = (end - start) / np.linalg.norm(end - start)
    helper = np.array([1.0, 0.0, 0.0]) if abs(axis[0]) < 0.9 else np.array([0.0, 0.0, 1.0])
    side = np.cross(axis, helper)
    side /= np.linalg.norm(side)
    other = np.cross(axis, side)
    around = np.linspace(0.0, 2.0 * np.pi, SIDES, endpoint=False)
    ring = np.cos(around)[:, None] * side + np.sin(around)[:, None] * other
    rises = np.linspace(-np.pi / 2.0, np.pi / 2.0, 2 * RINGS + 1)
    rises = np.insert(rises, RINGS, 0.0)
    outward = np.stack([np.cos(r) * ring + np.sin(r) * axis for r in rises])
    middles = np.stack([start if i <= RINGS else end for i in range(len(rises))])
    corners = middles[:, None] + radius * outward
    return corners.reshape(-1, 3), outward.reshape(-1, 3), _faces(len(rises))


def _faces(rings: int) -> np.ndarray[tuple[int, int], np.dtype[np.int64]]:
    """Two triangles for every field between two rings; at the poles only the one with an area."""
    lower, corner = np.meshgrid(np.arange(rings - 1), np.arange(SIDES), indexing="ij")
    a = lower * SIDES + corner
    b = lower * SIDES + (corner + 1) % SIDES
    first = np.stack([a, b, b + SIDES], axis=-1)[1:]
    second = np.stack([a, b + SIDES, a + SIDES], axis=-1)[:-1]
    return np.concatenate([first.reshape(-1, 3), second.reshape(-1, 3)])
