"""Write GLB (binary glTF 2.0): a skinned body with one animation, metres, Y up.

The body is one of capsules, or a human one (`anny_mesh`). Nodes are named as the rig's bones.
Rotations are LINEAR samplers at every bone that turns, the root has a translation as well. In the
node's own pose (no animation) the body stands in a T-pose on the floor, facing +Z.

A motion's floor lies where its lowest joint is. The human body has soles below that joint: with it
the root is raised by their thickness (`asset.extras.raised_m`), so that feet stand on the floor.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import pygltflib as gltf
from numpy.typing import NDArray

from pipeline.arrays import Float32, Float64, UInt8
from pipeline.export.anny_mesh import human_mesh
from pipeline.export.body_mesh import body_parts
from pipeline.export.inverse_kinematics import RigMotion
from pipeline.export.rig import Rig
from pipeline.render.out_files import replaced_when_done
from pipeline.render.palette import Colour

BodyKind = Literal["capsules", "anny"]
GENERATOR = "crossdiff"
ANNY_NOTICE = (
    "Body mesh: Anny, (C) 2025 NAVER Corporation (Apache-2.0), made of MakeHuman's assets (CC0 1.0)"
)
STILL = 1e-7
"""A bone whose quaternions change less is not animated."""
TYPES = {1: gltf.SCALAR, 3: gltf.VEC3, 4: gltf.VEC4, 16: gltf.MAT4}
COMPONENTS = {
    np.dtype(np.float32): gltf.FLOAT,
    np.dtype(np.uint8): gltf.UNSIGNED_BYTE,
    np.dtype(np.uint16): gltf.UNSIGNED_SHORT,
}
ALIGNMENT = 4
"""Bytes at whose multiples every array begins."""
ROUGHNESS = 0.8


@dataclass
class _Buffer:
    """Arrays one after another, each with a view and an accessor of the file."""

    model: gltf.GLTF2
    data: bytearray = field(default_factory=bytearray)

    def add(
        self, values: np.ndarray[Any, Any], *, target: int | None = None, bounds: bool = False
    ) -> int:
        """Append (N,) or (N, K) values; returns the accessor's index."""
        flat = np.ascontiguousarray(values).reshape(len(values), -1)
        self.data.extend(b"\0" * (-len(self.data) % ALIGNMENT))
        view = gltf.BufferView(
            buffer=0, byteOffset=len(self.data), byteLength=flat.nbytes, target=target
        )
        self.data.extend(flat.tobytes())
        self.model.bufferViews.append(view)
        limits = {"min": flat.min(0).tolist(), "max": flat.max(0).tolist()} if bounds else {}
        self.model.accessors.append(
            gltf.Accessor(
                bufferView=len(self.model.bufferViews) - 1,
                componentType=COMPONENTS[flat.dtype],
                count=len(flat),
                type=TYPES[flat.shape[1]],
                **limits,
            )
        )
        return len(self.model.accessors) - 1


def write_glb(
    motion: RigMotion,
    out: Path,
    *,
    name: str,
    about: Mapping[str, Any] | None = None,
    body: BodyKind = "capsules",
) -> None:
    """Write a motion as a GLB file that appears whole or not at all.

    Args:
        motion: Of any rig with fewer than 256 bones.
        out: A `.glb` file.
        name: Of the animation.
        about: Plain values to keep in the file's `asset.extras`.
        body: `anny` is a human one in the clip's bone lengths.

    Raises:
        ValueError: `out` cannot be written.
    """
    rig = motion.rig
    human = body == "anny"
    parts = _human(rig) if human else _capsules(rig)
    joint = float(rig.rest[:, 1].min())
    raised = joint - min(float(part.positions[:, 1].min()) for part in parts) if human else 0.0
    floor = np.array([0.0, raised - joint, 0.0])
    extras = dict(about or {}) | ({"raised_m": round(raised, 6)} if human else {})
    notice = ANNY_NOTICE if human else None
    model = gltf.GLTF2(
        asset=gltf.Asset(version="2.0", generator=GENERATOR, copyright=notice, extras=extras),
        scene=0,
    )
    buffer = _Buffer(model)
    model.nodes = _bone_nodes(rig, floor)
    _add_body(buffer, rig, floor, parts)
    _add_animation(buffer, motion, name, raised)
    model.scenes = [gltf.Scene(nodes=[0, len(model.nodes) - 1])]
    model.buffers = [gltf.Buffer(byteLength=len(buffer.data))]
    model.set_binary_blob(bytes(buffer.data))
    with replaced_when_done(out, ".glb") as unfinished:
        unfinished.write_bytes(b"".join(model.save_to_bytes()))


class _Part(NamedTuple):
    """Corners in the T-pose with the root at the origin, and the faces of every colour on them."""

    positions: Float32
    normals: Float32
    bones: UInt8
    """(V, 4)"""
    weights: Float32
    """(V, 4)"""
    faces: list[tuple[str, Colour, NDArray[np.uint16]]]


def _capsules(rig: Rig) -> list[_Part]:
    """Each corner belongs wholly to one bone."""
    parts = []
    for part in body_parts(rig):
        bones = np.zeros((len(part.positions), 4), np.uint8)
        bones[:, 0] = part.bones
        weights = np.zeros((len(part.positions), 4), np.float32)
        weights[:, 0] = 1.0
        faces = [(part.limb.name.lower(), part.limb.colour, part.triangles)]
        parts.append(_Part(part.positions, part.normals, bones, weights, faces))
    return parts


def _human(rig: Rig) -> list[_Part]:
    mesh = human_mesh(rig)
    faces = [(c.name.lower(), c.colour, t) for c, t in mesh.triangles.items()]
    return [_Part(mesh.positions, mesh.normals, mesh.bones, mesh.weights, faces)]


def _bone_nodes(rig: Rig, floor: Float64) -> list[gltf.Node]:
    places = rig.offsets + np.where(np.array(rig.parents)[:, None] < 0, floor, 0.0)
    return [
        gltf.Node(
            name=name,
            translation=places[bone].astype(np.float32).tolist(),
            children=[child for child, parent in enumerate(rig.parents) if parent == bone],
        )
        for bone, name in enumerate(rig.names)
    ]


def _add_body(buffer: _Buffer, rig: Rig, floor: Float64, parts: list[_Part]) -> None:
    """The mesh, its skin, and the node that shows it."""
    model = buffer.model
    bind = np.tile(np.eye(4, dtype=np.float32), (len(rig.names), 1, 1))
    bind[:, :3, 3] = -(rig.rest + floor)
    # glTF keeps matrices column after column.
    matrices = buffer.add(bind.transpose(0, 2, 1).reshape(-1, 16))
    joints = list(range(len(rig.names)))
    model.skins = [gltf.Skin(name="Body", inverseBindMatrices=matrices, skeleton=0, joints=joints)]
    primitives = []
    for part in parts:
        primitives += _primitives(buffer, part, floor)
    model.meshes = [gltf.Mesh(name="Body", primitives=primitives)]
    model.nodes.append(gltf.Node(name="Body", mesh=0, skin=0))


def _primitives(buffer: _Buffer, part: _Part, floor: Float64) -> list[gltf.Primitive]:
    """One of each colour; all share the part's corners."""
    attributes = gltf.Attributes(
        POSITION=buffer.add(
            (part.positions + floor).astype(np.float32), target=gltf.ARRAY_BUFFER, bounds=True
        ),
        NORMAL=buffer.add(part.normals, target=gltf.ARRAY_BUFFER),
        JOINTS_0=buffer.add(part.bones, target=gltf.ARRAY_BUFFER),
        WEIGHTS_0=buffer.add(part.weights, target=gltf.ARRAY_BUFFER),
    )
    out = []
    for name, colour, triangles in part.faces:
        buffer.model.materials.append(_material(name, colour))
        out.append(
            gltf.Primitive(
                attributes=attributes,
                indices=buffer.add(triangles.reshape(-1), target=gltf.ELEMENT_ARRAY_BUFFER),
                material=len(buffer.model.materials) - 1,
            )
        )
    return out


def _material(name: str, colour: Colour) -> gltf.Material:
    surface = gltf.PbrMetallicRoughness(
        baseColorFactor=[*_linear(colour), 1.0], metallicFactor=0.0, roughnessFactor=ROUGHNESS
    )
    return gltf.Material(name=name, pbrMetallicRoughness=surface)


def _linear(colour: Colour) -> list[float]:
    """An sRGB colour as glTF wants it (IEC 61966-2-1)."""
    values = np.asarray(colour) / 255.0
    curved = ((values + 0.055) / 1.055) ** 2.4
    return [round(float(v), 5) for v in np.where(values <= 0.04045, values / 12.92, curved)]


def _add_animation(buffer: _Buffer, motion: RigMotion, name: str, raised: float) -> None:
    times = (np.arange(motion.n_frames) / motion.fps).astype(np.float32)
    clock = buffer.add(times, bounds=True)
    samplers: list[gltf.AnimationSampler] = []
    channels: list[gltf.AnimationChannel] = []

    def animate(bone: int, path: str, values: np.ndarray[Any, Any]) -> None:
        output = buffer.add(values)
        samplers.append(gltf.AnimationSampler(input=clock, output=output, interpolation="LINEAR"))
        target = gltf.AnimationChannelTarget(node=bone, path=path)
        channels.append(gltf.AnimationChannel(sampler=len(samplers) - 1, target=target))

    way_up = np.array([0.0, raised, 0.0])
    animate(0, "translation", (motion.root + way_up).astype(np.float32))
    for bone in range(len(motion.rig.names)):
        turns = motion.rotations[:, bone]
        away_from_rest = np.abs(turns[:, 1:]).max() > STILL
        if bone == 0 or away_from_rest:
            animate(bone, "rotation", turns[:, [1, 2, 3, 0]].astype(np.float32))
    buffer.model.animations = [gltf.Animation(name=name, samplers=samplers, channels=channels)]
