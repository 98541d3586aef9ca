"""Write BVH: the animation file that every 3D program reads.

Y up, body facing +Z in its first frame, T-pose offsets, root with position channels, rotations in
the order Z, X, Y at every joint; helper bones have an offset of zero.
"""

from pathlib import Path
from typing import Literal

import numpy as np
from scipy.spatial.transform import Rotation

from pipeline.arrays import Float64
from pipeline.export.inverse_kinematics import RigMotion
from pipeline.export.rig import TIPS_M, Rig
from pipeline.render.out_files import replaced_when_done

BvhUnit = Literal["cm", "m"]
UNITS_PER_METRE: dict[BvhUnit, float] = {"cm": 100.0, "m": 1.0}
ROTATION_CHANNELS = "Zrotation Xrotation Yrotation"
POSITION_CHANNELS = "Xposition Yposition Zposition"
INDENT = "\t"
LOCKED = 1.0 - 1e-10
"""Sine of the X angle beyond which Z and Y turn about one axis."""


def write_bvh(motion: RigMotion, out: Path, unit: BvhUnit = "cm") -> None:
    """Write a motion as a BVH file that appears whole or not at all.

    Args:
        motion: Of any rig.
        out: A `.bvh` file.
        unit: Of lengths; most programs take a BVH's numbers for centimetres.

    Raises:
        ValueError: `out` cannot be written.
    """
    scale = UNITS_PER_METRE[unit]
    angles = euler_angles(motion.rotations)
    columns = [motion.root * scale, *(angles[:, bone] for bone in range(angles.shape[1]))]
    values = np.concatenate(columns, axis=1)
    lines = ["HIERARCHY", *_joint_lines(motion.rig, 0, 0, scale)]
    lines += ["MOTION", f"Frames: {motion.n_frames}", f"Frame Time: {1.0 / motion.fps:.9f}"]
    lines += [" ".join(f"{value:.6f}" for value in row) for row in values.tolist()]
    with replaced_when_done(out, ".bvh") as unfinished:
        unfinished.write_text("\n".join(lines) + "\n", encoding="ascii")


def euler_angles(rotations: Float64) -> Float64:
    """(T, B, 3) degrees about Z, X and Y, in this order, of quaternions (T, B, 4).

    A rotation has two triples; of both, plus whole turns, each frame gets the one nearest to the
    frame before, so that curves in an editor do not jump. Where X is a quarter turn only the sum of
    the other two is known (gimbal lock): Y then stays as it was.
    """
    frames, bones = rotations.shape[:2]
    flat = rotations.reshape(-1, 4)[:, [1, 2, 3, 0]]
    matrices = Rotation.from_quat(flat).as_matrix().reshape(frames, bones, 3, 3)
    out = np.zeros((frames, bones, 3))
    for frame, matrix in enumerate(matrices):
        before = out[max(frame - 1, 0)]
        first = _angles_of(matrix, before[:, 2])
        second = np.stack([first[:, 0] + np.pi, np.pi - first[:, 1], first[:, 2] + np.pi], -1)
        near = [_nearest(found, before) for found in (first, second)]
        far = [np.abs(found - before).sum(axis=-1, keepdims=True) for found in near]
        out[frame] = np.where(far[0] <= far[1], *near)
    return np.asarray(np.rad2deg(out))


def _angles_of(matrix: Float64, y_before: Float64) -> Float64:
    """(B, 3) radians about Z, X, Y of rotation matrices (B, 3, 3) = Rz Rx Ry."""
    sine = np.clip(matrix[:, 2, 1], -1.0, 1.0)
    locked = np.abs(sine) > LOCKED
    z = np.arctan2(-matrix[:, 0, 1], matrix[:, 1, 1])
    y = np.arctan2(-matrix[:, 2, 0], matrix[:, 2, 2])
    sum_of_both = np.arctan2(matrix[:, 1, 0], matrix[:, 0, 0])
    z = np.where(locked, sum_of_both - np.sign(sine) * y_before, z)
    return np.stack([z, np.arcsin(sine), np.where(locked, y_before, y)], axis=-1)


def _nearest(angles: Float64, before: Float64) -> Float64:
    """The same angles plus whole turns, nearest to those before."""
    return np.asarray(angles + 2.0 * np.pi * np.round((before - angles) / (2.0 * np.pi)))


def _joint_lines(rig: Rig, bone: int, depth: int, scale: float) -> list[str]:
    pad = INDENT * depth
    name = rig.names[bone]
    channels = ROTATION_CHANNELS if depth else f"{POSITION_CHANNELS} {ROTATION_CHANNELS}"
    lines = [
        f"{pad}{'JOINT' if depth else 'ROOT'} {name}", pad + "{",
        f"{pad}{INDENT}OFFSET {_numbers(rig.offsets[bone] * scale)}",
        f"{pad}{INDENT}CHANNELS {len(channels.split())} {channels}",
    ]  # fmt: skip
    for child in (i for i, parent in enumerate(rig.parents) if parent == bone):
        lines += _joint_lines(rig, child, depth + 1, scale)
    if name in TIPS_M:
        tip = _numbers(np.asarray(TIPS_M[name]) * scale)
        lines += [f"{pad}{INDENT}End Site", f"{pad}{INDENT}{{"]
        lines += [f"{pad}{INDENT}{INDENT}OFFSET {tip}", f"{pad}{INDENT}}}"]
    return [*lines, pad + "}"]


def _numbers(values: Float64) -> str:
    return " ".join(f"{value:.6f}" for value in values.tolist())
