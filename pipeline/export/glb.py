"""Write GLB (binary glTF 2.0): a skinned body of capsules with one animation, metres, Y up.

Nodes are named as the rig's bones. Rotations are LINEAR samplers at every bone that turns, the root
has a translation as well. In the node's own pose (no animation) the body stands in a T-pose on the
floor, facing +Z.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pygltflib as gltf

from pipeline.arrays import Float64
from pipeline.export.body_mesh import BodyPart, body_parts
from pipeline.export.inverse_kinematics import RigMotion
from pipeline.export.rig import Rig
from pipeline.render.out_files import replaced_when_done
from pipeline.render.palette import Colour

GENERATOR = "crossdiff"
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
    motion: RigMotion, out: Path, *, name: str, about: Mapping[str, Any] | None = None
) -> None:
    """Write a motion as a GLB file that appears whole or not at all.

    Args:
        motion: Of any rig with fewer than 256 bones.
        out: A `.glb` file.
        name: Of the animation.
        about: Plain values to keep in the file's `asset.extras`.

    Raises:
        ValueError: `out` cannot be written.
    """
    rig = motion.rig
    floor = np.array([0.0, -float(rig.rest[:, 1].min()), 0.0])
    model = gltf.GLTF2(
        asset=gltf.Asset(version="2.0", generator=GENERATOR, extras=dict(about or {})), scene=0
    )
    buffer = _Buffer(model)
    model.nodes = _bone_nodes(rig, floor)
    _add_body(buffer, rig, floor)
    _add_animation(buffer, motion, name)
    model.scenes = [gltf.Scene(nodes=[0, len(model.nodes) - 1])]
    model.buffers = [gltf.Buffer(byteLength=len(buffer.data))]
    model.set_binary_blob(bytes(buffer.data))
    with replaced_when_done(out, ".glb") as unfinished:
        unfinished.write_bytes(b"".join(model.save_to_bytes()))


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


def _add_body(buffer: _Buffer, rig: Rig, floor: Float64) -> None:
    """The mesh, its skin, and the node that shows it."""
    model = buffer.model
    bind = np.tile(np.eye(4, dtype=np.float32), (len(rig.names), 1, 1))
    bind[:, :3, 3] = -(rig.rest + floor)
    # glTF keeps matrices column after column.
    matrices = buffer.add(bind.transpose(0, 2, 1).reshape(-1, 16))
    joints = list(range(len(rig.names)))
    model.skins = [gltf.Skin(name="Body", inverseBindMatrices=matrices, skeleton=0, joints=joints)]
    primitives = []
    for part in body_parts(rig):
        model.materials.append(_material(part))
        primitives.append(_primitive(buffer, part, floor, len(model.materials) - 1))
    model.meshes = [gltf.Mesh(name="Body", primitives=primitives)]
    model.nodes.append(gltf.Node(name="Body", mesh=0, skin=0))


def _primitive(buffer: _Buffer, part: BodyPart, floor: Float64, material: int) -> gltf.Primitive:
    count = len(part.positions)
    bones = np.zeros((count, 4), np.uint8)
    bones[:, 0] = part.bones
    weights = np.zeros((count, 4), np.float32)
    weights[:, 0] = 1.0
    corners = (part.positions + floor).astype(np.float32)
    attributes = gltf.Attributes(
        POSITION=buffer.add(corners, target=gltf.ARRAY_BUFFER, bounds=True),
        NORMAL=buffer.add(part.normals, target=gltf.ARRAY_BUFFER),
        JOINTS_0=buffer.add(bones, target=gltf.ARRAY_BUFFER),
        WEIGHTS_0=buffer.add(weights, target=gltf.ARRAY_BUFFER),
    )
    corner_numbers = part.triangles.reshape(-1)
    indices = buffer.add(corner_numbers, target=gltf.ELEMENT_ARRAY_BUFFER)
    return gltf.Primitive(attributes=attributes, indices=indices, material=material)


def _material(part: BodyPart) -> gltf.Material:
    surface = gltf.PbrMetallicRoughness(
        baseColorFactor=[*_linear(part.limb.colour), 1.0],
        metallicFactor=0.0,
        roughnessFactor=ROUGHNESS,
    )
    return gltf.Material(name=part.limb.name.lower(), pbrMetallicRoughness=surface)


def _linear(colour: Colour) -> list[float]:
    """An sRGB colour as glTF wants it (IEC 61966-2-1)."""
    values = np.asarray(colour) / 255.0
    curved = ((values + 0.055) / 1.055) ** 2.4
    return [round(float(v), 5) for v in np.where(values <= 0.04045, values / 12.92, curved)]


def _add_animation(buffer: _Buffer, motion: RigMotion, name: str) -> None:
    times = (np.arange(motion.n_frames) / motion.fps).astype(np.float32)
    clock = buffer.add(times, bounds=True)
    samplers: list[gltf.AnimationSampler] = []
    channels: list[gltf.AnimationChannel] = []

    def animate(bone: int, path: str, values: np.ndarray[Any, Any]) -> None:
        output = buffer.add(values)
        samplers.append(gltf.AnimationSampler(input=clock, output=output, interpolation="LINEAR"))
        target = gltf.AnimationChannelTarget(node=bone, path=path)
        channels.append(gltf.AnimationChannel(sampler=len(samplers) - 1, target=target))

    animate(0, "translation", motion.root.astype(np.float32))
    for bone in range(len(motion.rig.names)):
        turns = motion.rotations[:, bone]
        away_from_rest = np.abs(turns[:, 1:]).max() > STILL
        if bone == 0 or away_from_rest:
            animate(bone, "rotation", turns[:, [1, 2, 3, 0]].astype(np.float32))
    buffer.model.animations = [gltf.Animation(name=name, samplers=samplers, channels=channels)]
