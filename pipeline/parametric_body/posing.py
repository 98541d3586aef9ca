"""Captured joints to a pose of the body: how far each bone is turned from rest, in the world.

Each bone is swung onto its captured direction. What a direction leaves open, the twist, comes from
the plane in which the knee or elbow bends and, where it is straight, from the rest pose carried
along. The captured skeleton and the body differ where joints have no anatomical place (shoulder
girdle, neck): there only the change from the captured skeleton's own upright posture is taken.
"""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter1d
from scipy.spatial.transform import Rotation

from pipeline.arrays import Float64
from pipeline.parametric_body.rest import RestBody
from pipeline.skeletons import HUMANML3D

JOINT = {name: i for i, name in enumerate(HUMANML3D.joint_names)}
NECK_TO_HEAD = np.array([0.0, 0.10, 0.016])
NECK_TO_SHOULDER = np.array([0.215, -0.083, -0.012])
"""Of the captured skeleton upright (means over walking); the left shoulder's."""
SPINE = {"spine05": 0.1, "spine04": 0.3, "spine03": 0.55, "spine02": 0.8, "spine01": 1.0}
"""How far each vertebra has come from the pelvis' rotation to the chest's."""
NECK = {"neck01": 0.25, "neck02": 0.5, "neck03": 0.8, "head": 1.0, "eye.L": 1.0, "eye.R": 1.0}
STRAIGHT_SINE, BENT_SINE = 0.15, 0.45
"""Sine of a knee's or elbow's bend at which its plane begins to count, and counts alone."""
SMOOTH_FRAMES = 2.0
"""Standard deviation of the smoothing of twists; directions are never smoothed."""


@dataclass(frozen=True)
class Pose:
    """A clip's posed bones."""

    turns: Float64
    """(T, B, 3, 3) rotation of each bone from rest, in the world."""
    heads: Float64
    """(T, B, 3) metres."""


def pose_body(body: RestBody, joints: Float64) -> Pose:
    """Pose the body like captured joints, its hips over theirs; the floor is not looked for.

    Args:
        body: At rest.
        joints: (T, 22, 3) metres, Y up, of `HUMANML3D`.
    """
    turns = bone_turns(body, joints)
    heads = np.zeros((len(joints), len(body.labels), 3))
    for bone, parent in enumerate(body.parents):
        if parent >= 0:
            offset = body.heads[bone] - body.heads[parent]
            heads[:, bone] = heads[:, parent] + turns[:, parent] @ offset
    hips = heads[:, [body.bone("upperleg01.L"), body.bone("upperleg01.R")]].mean(1)
    captured = joints[:, [JOINT["left_hip"], JOINT["right_hip"]]].mean(1)
    return Pose(turns, heads + (captured * leg_ratio(body, joints) - hips)[:, None])


def leg_ratio(body: RestBody, joints: Float64) -> float:
    """Length of the body's legs over the captured ones."""
    chain = [JOINT[f"left_{part}"] for part in ("hip", "knee", "ankle")]
    captured = np.linalg.norm(np.diff(joints[:, chain], axis=1), axis=-1).sum(1).mean()
    own = np.linalg.norm(np.diff(body.joints[chain], axis=0), axis=-1).sum()
    return float(own / captured)


def bone_turns(body: RestBody, joints: Float64) -> Float64:
    """(T, B, 3, 3) rotation of every bone from rest."""
    at = {name: joints[:, i] for name, i in JOINT.items()}
    pelvis, chest = _torso(at)
    turns = {"root": pelvis, "pelvis.L": pelvis, "pelvis.R": pelvis}
    turns |= {name: _between(pelvis, chest, share) for name, share in SPINE.items()}
    head = _frames(at["head"] - at["neck"], chest[..., 0]) @ _frame(NECK_TO_HEAD).T
    turns |= {name: _between(chest, head, share) for name, share in NECK.items()}
    for side, letter in (("left", "L"), ("right", "R")):
        turns |= _leg(body, at, side, letter, pelvis)
        turns |= _arm(body, at, side, letter, chest)
    return np.stack([turns[_carrier(label)] for label in body.labels], 1)


def _carrier(label: str) -> str:
    """Toes go with the foot, fingers with the hand."""
    name, _, side = label.partition(".")
    if name.startswith("toe"):
        return f"foot.{side}"
    if name.startswith(("finger", "metacarpal")):
        return f"wrist.{side}"
    return label


def _torso(at: dict[str, Float64]) -> tuple[Float64, Float64]:
    """(T, 3, 3) pelvis and chest; at rest both are the identity."""
    hips = (at["left_hip"] + at["right_hip"]) / 2
    pelvis = _from_x(at["left_hip"] - at["right_hip"], at["spine2"] - hips)
    across = at["left_shoulder"] - at["right_shoulder"]
    return pelvis, _frames(at["neck"] - at["spine2"], across)


def _leg(
    body: RestBody, at: dict[str, Float64], side: str, letter: str, pelvis: Float64
) -> dict[str, Float64]:
    rest = [body.joints[JOINT[f"{side}_{part}"]] for part in ("hip", "knee", "ankle", "foot")]
    posed = [at[f"{side}_{part}"] for part in ("hip", "knee", "ankle", "foot")]
    hinge = np.array([1.0, 0.0, 0.0])
    thigh, shin, bent = _two_bones(rest[:3], posed[:3], hinge, pelvis)
    foot = _frames(posed[3] - posed[2], bent) @ _frame(rest[3] - rest[2], hinge).T
    return {
        f"upperleg01.{letter}": thigh,
        f"upperleg02.{letter}": thigh,
        f"lowerleg01.{letter}": shin,
        f"lowerleg02.{letter}": shin,
        f"foot.{letter}": foot,
    }


def _arm(
    body: RestBody, at: dict[str, Float64], side: str, letter: str, chest: Float64
) -> dict[str, Float64]:
    mirrored = np.array([1.0 if side == "left" else -1.0, 1.0, 1.0])
    to_shoulder = at[f"{side}_shoulder"] - at["neck"]
    girdle = _swing(chest @ (NECK_TO_SHOULDER * mirrored), to_shoulder) @ chest
    rest = [body.joints[JOINT[f"{side}_{part}"]] for part in ("shoulder", "elbow", "wrist")]
    posed = [at[f"{side}_{part}"] for part in ("shoulder", "elbow", "wrist")]
    hinge = _unit(np.cross(rest[1] - rest[0], rest[2] - rest[1]))
    upper, lower, _ = _two_bones(rest, posed, hinge, chest)
    return {
        f"clavicle.{letter}": girdle,
        f"shoulder01.{letter}": girdle,
        f"upperarm01.{letter}": upper,
        f"upperarm02.{letter}": upper,
        f"lowerarm01.{letter}": lower,
        f"lowerarm02.{letter}": lower,
        f"wrist.{letter}": lower,
    }


def _two_bones(
    rest: list[Float64], posed: list[Float64], hinge: Float64, parent: Float64
) -> tuple[Float64, Float64, Float64]:
    """A limb's two bones, and the axis (T, 3) about which the lower one bends.

    Args:
        rest: Three joints (3,) of the limb.
        posed: The same, (T, 3).
        hinge: (3,) the axis at rest: the cross product of the bones' directions.
        parent: (T, 3, 3) what the limb hangs on.
    """
    first, second = _unit(posed[1] - posed[0]), _unit(posed[2] - posed[1])
    carried = _swing(parent @ _unit(rest[1] - rest[0]), first) @ parent @ hinge
    normal = np.cross(first, second)
    sine = np.linalg.norm(normal, axis=-1, keepdims=True)
    sure = np.clip((sine - STRAIGHT_SINE) / (BENT_SINE - STRAIGHT_SINE), 0.0, 1.0)
    axis = (1 - sure) * carried + sure * normal / np.maximum(sine, 1e-9)
    axis = gaussian_filter1d(axis, SMOOTH_FRAMES, axis=0, mode="nearest")
    upper = _frames(first, axis) @ _frame(rest[1] - rest[0], hinge).T
    lower = _frames(second, axis) @ _frame(rest[2] - rest[1], hinge).T
    return upper, lower, axis


def _unit(vectors: Float64) -> Float64:
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.asarray(vectors / np.maximum(length, 1e-9))


def _frames(y: Float64, x: Float64) -> Float64:
    """(T, 3, 3) columns x, y, z: y as given, x as near as it can be."""
    y = _unit(y)
    z = _unit(np.cross(x, y))
    return np.stack([np.cross(y, z), y, z], -1)


def _frame(y: Float64, x: Float64 | None = None) -> Float64:
    return np.asarray(_frames(y[None], (np.array([1.0, 0.0, 0.0]) if x is None else x)[None])[0])


def _from_x(x: Float64, y: Float64) -> Float64:
    """(T, 3, 3) columns x, y, z: x as given, y as near as it can be."""
    x = _unit(x)
    z = _unit(np.cross(x, y))
    return np.stack([x, np.cross(z, x), z], -1)


def _swing(before: Float64, after: Float64) -> Float64:
    """(T, 3, 3) the shortest rotation from one direction to another (Rodrigues)."""
    a, b = _unit(before), _unit(after)
    axis = np.cross(a, b)
    sine, cosine = np.linalg.norm(axis, axis=-1), np.einsum("ti,ti->t", a, b)
    turn = _unit(axis) * np.arctan2(sine, cosine)[:, None]
    return np.asarray(Rotation.from_rotvec(turn).as_matrix())


def _between(a: Float64, b: Float64, share: float) -> Float64:
    """(T, 3, 3) a share of the way from one rotation to another."""
    way = Rotation.from_matrix(np.swapaxes(a, -1, -2) @ b).as_rotvec() * share
    return np.asarray(a @ Rotation.from_rotvec(way).as_matrix())
