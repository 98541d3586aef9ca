"""Joint positions to the rotations of an animation skeleton with bones of constant length.

Bone lengths are the clip's medians. What the positions say about rotations:

- Hips and chest (`Hips`, `Spine2`) have three bones each; their rotation is the one that fits these
  best (Kabsch 1976), so they have a full orientation.
- `Spine` and `Spine1` follow the straight way from the hips' orientation to the chest's (a third
  and two thirds of it), turned the least to point along their bone: the trunk's twist is spread.
- Every other bone is turned the least from its rest direction relative to its parent: **no twist
  about its own axis** beyond its parent's. Positions do not show twist of forearms, hands, head.
  Where the smallest rotation is not unique, it changes smoothly (see `turns.swings`).
- Head, hands and toes end in no joint: they keep their parent's orientation.
"""

from dataclasses import dataclass, replace

import numpy as np
from scipy.spatial.transform import Rotation

from pipeline import quaternions as quat
from pipeline.arrays import AnyFloat, Float64
from pipeline.export.rig import HUBS, Rig, children_of, make_rig, rest_directions
from pipeline.export.turns import same_sign, slerp, swings
from pipeline.physical.bones import bone_lengths, with_lengths
from pipeline.skeletons import HUMANML3D

PELVIS, CHEST = HUBS
SPINE_SHARES = {3: 1.0 / 3.0, 6: 2.0 / 3.0}
"""How far on the way from the hips' orientation to the chest's a joint of the spine is."""
SHORTEST_M = 1e-6


@dataclass(frozen=True)
class RigMotion:
    """A motion of a rig."""

    rig: Rig
    rotations: Float64
    """(T, B, 4) relative to the parent bone, (w, x, y, z)."""
    root: Float64
    """(T, 3) metres: where the hips are."""
    fps: float

    def __repr__(self) -> str:
        return f"RigMotion({self.rig}, {self.n_frames} frames, {self.fps:g} fps)"

    @property
    def n_frames(self) -> int:
        """T."""
        return len(self.root)


@dataclass(frozen=True)
class Deviation:
    """How far the joints of a rigged motion are from the positions it was made from."""

    mean_mm: float
    max_mm: float


def fit_rig(joints: AnyFloat, fps: float, *, helpers: bool = True) -> RigMotion:
    """Rotations that move a rig as the joints move.

    With helper bones the rig's joints are those of the body with constant bone lengths, to the
    accuracy of the numbers. Without them pelvis and chest are rigid, in the clip's mean shape, and
    the limbs hang on them: what that costs says `deviation`.

    Args:
        joints: (T, 22, 3) metres, Y up, HumanML3D's order.
        fps: Frames a second.
        helpers: See `make_rig`.

    Raises:
        ValueError: The joints have another shape, there is no frame, or a number is not finite.
    """
    if joints.ndim != 3 or joints.shape[1:] != (HUMANML3D.n_joints, 3) or not len(joints):
        raise ValueError(f"its joints are {joints.shape}, expected (frames, 22, 3)")
    if not np.isfinite(joints).all():
        raise ValueError("its joints hold numbers that are not finite")
    body = constant_bones(joints)
    lengths = bone_lengths(body, HUMANML3D)
    offsets = rest_directions() * lengths[:, None]
    if not helpers:
        for hub in HUBS:
            offsets = _with_mean_shape(body, hub, offsets)
    world = _world_turns(body, offsets)
    rig = make_rig(offsets, helpers=helpers)
    turns = np.stack([_bone_turn(rig, bone, world, body) for bone in range(len(rig.names))], axis=1)
    local = turns.copy()
    for bone, parent in enumerate(rig.parents):
        if parent >= 0:
            local[:, bone] = quat.multiply(quat.inverse(turns[:, parent]), turns[:, bone])
    return RigMotion(rig, same_sign(local), body[:, PELVIS], fps)


def constant_bones(joints: AnyFloat) -> Float64:
    """The motion (T, 22, 3) with each bone's median length throughout, joints near their places."""
    exact = joints.astype(np.float64)
    return with_lengths(exact, bone_lengths(exact, HUMANML3D), HUMANML3D)


def rig_joints(motion: RigMotion) -> Float64:
    """(T, 22, 3) metres: forward kinematics of the rig, in HumanML3D's order."""
    return bone_places(motion)[:, list(motion.rig.of_joint)]


def bone_places(motion: RigMotion) -> Float64:
    """(T, B, 3) metres: where every bone begins."""
    places: list[Float64] = []
    turns: list[Float64] = []
    for bone, parent in enumerate(motion.rig.parents):
        turn, place = motion.rotations[:, bone], motion.root
        if parent >= 0:
            place = places[parent] + quat.rotate(turns[parent], motion.rig.offsets[bone])
            turn = quat.multiply(turns[parent], turn)
        places.append(place)
        turns.append(turn)
    return np.stack(places, axis=1)


def deviation(motion: RigMotion, joints: AnyFloat) -> Deviation:
    """Distance between the rig's joints and the positions (T, 22, 3) it was made from."""
    apart = np.linalg.norm(rig_joints(motion) - joints, axis=-1) * 1000.0
    return Deviation(float(apart.mean()), float(apart.max()))


def at_fps(motion: RigMotion, fps: float) -> RigMotion:
    """The motion at another frame rate: rotations by slerp, the root in straight lines.

    Frame 0 stays; the last frame is the last one inside the motion.

    Raises:
        ValueError: The rate is not between 1 and 1000.
    """
    if not 1.0 <= fps <= 1000.0:
        raise ValueError(f"--fps {fps:g}: give 1 to 1000 frames a second")
    if fps == motion.fps:
        return motion
    count = int(np.floor((motion.n_frames - 1) * fps / motion.fps + 1e-6)) + 1
    where = np.minimum(np.arange(count) * motion.fps / fps, motion.n_frames - 1.0)
    before = np.minimum(where.astype(np.int64), max(motion.n_frames - 2, 0))
    after = np.minimum(before + 1, motion.n_frames - 1)
    share = where - before
    turned = slerp(motion.rotations[before], motion.rotations[after], share[:, None])
    root = motion.root[before] * (1.0 - share[:, None]) + motion.root[after] * share[:, None]
    return replace(motion, rotations=same_sign(turned), root=root, fps=fps)


def _world_turns(body: Float64, offsets: Float64) -> dict[int, Float64]:
    """(T, 4) orientation of every joint, by joint."""
    world = {hub: _hub_turn(body, hub, offsets) for hub in HUBS}
    for joint, parent in enumerate(HUMANML3D.parents):
        children = children_of(joint, HUMANML3D)
        if joint in HUBS:
            continue
        if not children:
            world[joint] = world[parent]
            continue
        base = world[parent]
        if joint in SPINE_SHARES:
            base = slerp(world[PELVIS], world[CHEST], SPINE_SHARES[joint])
        world[joint] = _towards(body, joint, children[0], base)
    return world


def _bone_turn(rig: Rig, bone: int, world: dict[int, Float64], body: Float64) -> Float64:
    """(T, 4) orientation of a bone; a helper points from its hub along the one bone it carries."""
    joint = rig.joints[bone]
    if not rig.is_helper(bone):
        return world[joint]
    return _towards(body, joint, rig.ends[bone], world[joint])


def _towards(body: Float64, joint: int, end: int, base: Float64) -> Float64:
    """(T, 4) `base`, turned the least so that the bone from joint to end points along it."""
    rest = rest_directions()[end]
    bone = body[:, end] - body[:, joint]
    length = np.linalg.norm(bone, axis=-1, keepdims=True)
    local = quat.rotate(quat.inverse(base), bone / np.maximum(length, SHORTEST_M))
    local = np.where(length > SHORTEST_M, local, rest)
    return quat.multiply(base, swings(rest, local))


def _hub_turn(body: Float64, hub: int, offsets: Float64) -> Float64:
    """(T, 4) rotation that fits the hub's rest bones best to those of each frame (Kabsch)."""
    children = list(children_of(hub, HUMANML3D))
    seen = body[:, children] - body[:, [hub]]
    left, _, right = np.linalg.svd(np.einsum("tci,cj->tij", seen, offsets[children]))
    mirrored = np.linalg.det(left) * np.linalg.det(right) < 0.0
    left[mirrored, :, 2] *= -1.0
    turns = Rotation.from_matrix(left @ right).as_quat()
    return np.asarray(turns[:, [3, 0, 1, 2]])


def _with_mean_shape(body: Float64, hub: int, offsets: Float64) -> Float64:
    """Rest offsets whose bones of the hub are the clip's mean ones, of unchanged length."""
    children = list(children_of(hub, HUMANML3D))
    turn = _hub_turn(body, hub, offsets)
    seen = body[:, children] - body[:, [hub]]
    mean = quat.rotate(quat.inverse(turn)[:, None], seen).mean(axis=0)
    size = np.linalg.norm(offsets[children], axis=-1, keepdims=True)
    length = np.linalg.norm(mean, axis=-1, keepdims=True)
    out = offsets.copy()
    out[children] = mean * size / np.maximum(length, SHORTEST_M)
    return out
