"""BVH files written from known joints or from a random tree, for tests."""

from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from pipeline import quaternions as quat
from pipeline.arrays import Float64
from pipeline.kinematics import bone_offsets, inverse_kinematics
from pipeline.skeletons import HUMANML3D

ROOT_CHANNELS = "Xposition Yposition Zposition Zrotation Xrotation Yrotation"
JOINT_CHANNELS = "Zrotation Xrotation Yrotation"

Tree = tuple[str, tuple[float, float, float], list["Tree"]]
"""Name, offset, children."""


def world_rotations(joints: Float64) -> Float64:
    """(T, J, 4) turn of the bone that ends at each joint, from its rest direction."""
    local = inverse_kinematics(joints, HUMANML3D)
    world = local.copy()
    for chain in HUMANML3D.chains:
        turn = local[:, 0]
        for joint in chain[1:]:
            turn = quat.multiply(turn, local[:, joint])
            world[:, joint] = turn
    return world


def euler_zxy(q: Float64) -> Float64:
    """(T, 3) degrees, Z then X then Y, of (T, 4) quaternions (w first)."""
    return Rotation.from_quat(q[:, [1, 2, 3, 0]]).as_euler("ZXY", degrees=True)


def write_humanml3d_bvh(
    path: Path, joints: Float64, fps: float, *, scale: float = 100.0, up: str = "y"
) -> None:
    """Joints (T, 22, 3) with constant bones as a BVH whose joints have HumanML3D's names.

    Before every joint lies a pivot without length that carries its bone's rotation, so that bones
    of one parent turn freely.
    """
    world, offsets = world_rotations(joints), bone_offsets(joints[0], HUMANML3D) * scale
    root = joints[:, 0] * scale
    if up == "z":
        quarter = np.array([np.sqrt(0.5), np.sqrt(0.5), 0.0, 0.0])  # y to z, about x
        root, world = quat.rotate(quarter, root), quat.multiply(quarter, world)
    names = HUMANML3D.joint_names
    lines, columns = ["HIERARCHY"], [root, np.zeros((len(joints), 3))]
    still = np.zeros((len(joints), 3))

    def emit(joint: int, turned_by: Float64, depth: int) -> None:
        pad = "  " * depth
        for child in [j for p, j in HUMANML3D.bones if p == joint]:
            local = quat.multiply(quat.inverse(turned_by), world[:, child])
            numbers = " ".join(f"{v:.8f}" for v in offsets[child])
            lines.extend([
                f"{pad}JOINT pivot of {names[child]}", pad + "{", f"{pad}OFFSET 0 0 0",
                f"{pad}CHANNELS 3 {JOINT_CHANNELS}",
                f"{pad}JOINT {names[child]}", pad + "{", f"{pad}OFFSET {numbers}",
                f"{pad}CHANNELS 3 {JOINT_CHANNELS}",
            ])  # fmt: skip
            columns.extend([euler_zxy(local), still])
            emit(child, world[:, child], depth + 1)
            lines.extend([pad + "}", pad + "}"])

    lines += ["ROOT pelvis", "{", "OFFSET 0 0 0", f"CHANNELS 6 {ROOT_CHANNELS}"]
    identity = np.tile([1.0, 0.0, 0.0, 0.0], (len(joints), 1))
    emit(0, identity, 1)
    lines.append("}")
    save(path, lines, np.concatenate(columns, axis=1), fps)


def save(path: Path, hierarchy: list[str], values: Float64, fps: float) -> None:
    """Write a hierarchy's lines and the channels' values (T, C)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    motion = ["MOTION", f"Frames: {len(values)}", f"Frame Time: {1 / fps:.7f}"]
    rows = [" ".join(f"{v:.8f}" for v in row) for row in values]
    path.write_text("\n".join([*hierarchy, *motion, *rows]) + "\n", encoding="utf-8")


def tree_lines(tree: Tree, channels: str = JOINT_CHANNELS, depth: int = 0) -> list[str]:
    """The HIERARCHY of a tree: six channels at the root, `channels` elsewhere, tips at the ends."""
    name, offset, children = tree
    said = channels if depth else ROOT_CHANNELS
    pad = "\t" * depth
    out = ["HIERARCHY"] if depth == 0 else []
    out += [
        f"{pad}{'JOINT' if depth else 'ROOT'} {name}", pad + "{",
        f"{pad}\tOFFSET {offset[0]} {offset[1]} {offset[2]}",
        f"{pad}\tCHANNELS {len(said.split())} {said}",
    ]  # fmt: skip
    for child in children:
        out += tree_lines(child, channels, depth + 1)
    if not children:
        out += [pad + "\tEnd Site", pad + "\t{", pad + "\t\tOFFSET 0.0 3.0 1.0", pad + "\t}"]
    return [*out, pad + "}"]


def chain(*bones: tuple[str, tuple[float, float, float]]) -> list[Tree]:
    """Joints one after another."""
    out: list[Tree] = []
    for name, offset in reversed(bones):
        out = [(name, offset, out)]
    return out


def mixamo(prefix: str = "mixamorig:") -> Tree:
    """A T-pose in centimetres with Mixamo's names: left is +x, the body faces +z."""

    def side(word: str, x: float) -> tuple[list[Tree], list[Tree]]:
        p = prefix + word
        leg = chain(
            (p + "UpLeg", (9.0 * x, -5.0, 0.0)), (p + "Leg", (0.0, -42.0, 0.0)),
            (p + "Foot", (0.0, -41.0, 0.0)), (p + "ToeBase", (0.0, -9.0, 14.0)),
        )  # fmt: skip
        arm = chain(
            (p + "Shoulder", (6.0 * x, 11.0, 0.0)), (p + "Arm", (12.0 * x, 0.0, 0.0)),
            (p + "ForeArm", (27.0 * x, 0.0, 0.0)), (p + "Hand", (26.0 * x, 0.0, 0.0)),
        )  # fmt: skip
        return leg, arm

    (left_leg, left_arm), (right_leg, right_arm) = side("Left", 1.0), side("Right", -1.0)
    neck = chain((prefix + "Neck", (0.0, 15.0, 0.0)), (prefix + "Head", (0.0, 9.0, 2.0)))
    chest: Tree = (prefix + "Spine2", (0.0, 13.0, 0.0), [*neck, *left_arm, *right_arm])
    spine: Tree = (
        prefix + "Spine", (0.0, 10.0, 0.0), [(prefix + "Spine1", (0.0, 12.0, 0.0), [chest])],
    )  # fmt: skip
    return (prefix + "Hips", (0.0, 0.0, 0.0), [spine, *left_leg, *right_leg])


SWING_DEG = 5.0


def swinging(tree: Tree, frames: int, seed: int = 0, height: float = 97.0) -> Float64:
    """(T, C) channel values: every joint swings gently about its rest."""
    rng = np.random.default_rng(seed)
    joints = sum(1 for line in tree_lines(tree) if "CHANNELS" in line)
    time = np.arange(frames)[:, None] / 30.0
    speed, phase = rng.uniform(0.5, 3.0, (2, 3 * joints))
    angles = SWING_DEG * np.sin(time * speed + phase)
    walk = np.concatenate([time * 20.0, np.full_like(time, height), time * 50.0], axis=1)
    return np.concatenate([walk, angles], axis=1)
