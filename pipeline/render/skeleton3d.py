"""A 3D skeleton drawn into a picture: limbs by depth, on a floor, in a three-quarter view."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.arrays import AnyFloat, Float64, UInt8
from pipeline.render import canvas
from pipeline.render.camera import AZIMUTH_DEG, FollowCamera, at_frame, follow_camera
from pipeline.render.ground import draw_ground, draw_path, draw_shadow
from pipeline.render.palette import BACKDROP, OUTLINE, Colour, Edge, Limb, mix, rig
from pipeline.skeletons import HUMANML3D, Skeleton

BONE_WIDTH_M = 0.062
JOINT_RADIUS_M = 0.036
HEAD_RADIUS_M = 0.105
HEAD_BEYOND_M = 0.045
"""The head's middle lies this far beyond the head joint, away from the neck."""
OUTLINE_PX = 1.5
FAR_DIM = 0.42
"""Share of the backdrop in the colour of what is farthest from the camera."""


@dataclass(frozen=True)
class SkeletonScene:
    """A clip with the camera that shows it."""

    joints: Float64
    """(T, J, 3) metres, y up."""
    fps: float
    camera: FollowCamera
    skeleton: Skeleton = HUMANML3D

    @property
    def n_frames(self) -> int:
        """T."""
        return len(self.joints)


def skeleton_scene(
    joints3d: AnyFloat,
    fps: float,
    size: tuple[int, int],
    azimuth_deg: float = AZIMUTH_DEG,
    skeleton: Skeleton = HUMANML3D,
) -> SkeletonScene:
    """Make a clip ready for drawing; camera direction and scale then hold for all its frames.

    Args:
        joints3d: (T, J, 3) metres, y up, ground at y = 0.
        fps: Frames a second.
        size: (width, height) of the pictures, pixels.
        azimuth_deg: Turn of the body about y; 0 shows a body that faces +z from the front.
        skeleton: Whose joints they are.

    Raises:
        ValueError: The shape is another, there is no frame, or a number is not finite.
    """
    if joints3d.ndim != 3 or joints3d.shape[1:] != (skeleton.n_joints, 3) or not len(joints3d):
        raise ValueError(f"joints3d must be (T, {skeleton.n_joints}, 3), got {joints3d.shape}")
    if not np.isfinite(joints3d).all():
        raise ValueError("joints3d holds numbers that are not finite")
    joints = joints3d.astype(np.float64)
    crown = _beyond_head(joints, HEAD_BEYOND_M + HEAD_RADIUS_M, skeleton)
    outline = np.concatenate([joints, crown[:, None]], axis=1)
    return SkeletonScene(joints, fps, follow_camera(outline, fps, size, azimuth_deg), skeleton)


def draw_scene(scene: SkeletonScene, frame: float) -> UInt8:
    """One picture of the clip.

    Args:
        scene: From `skeleton_scene`.
        frame: Frame number; between two frames the pose is interpolated.

    Returns:
        (height, width, 3) RGB.
    """
    image = canvas.filled(scene.camera.size, BACKDROP)
    pose = at_frame(scene.joints, frame)
    draw_ground(image, scene.camera, frame)
    draw_shadow(image, scene.camera, frame, pose, scene.skeleton)
    draw_path(image, scene.camera, frame, scene.joints[:, 0])
    _draw_body(image, scene, frame, pose)
    return image


def draw_empty_scene(scene: SkeletonScene, frame: float) -> UInt8:
    """The floor without the body, dimmed: the clip has no motion at this moment."""
    image = canvas.filled(scene.camera.size, BACKDROP)
    draw_ground(image, scene.camera, frame)
    canvas.fade(image, BACKDROP, 0.55)
    return image


@dataclass(frozen=True)
class _Mark:
    """A capsule of the body: a bone, or a ball when both ends are the same."""

    depth: float
    """Distance from the camera that orders the marks, metres."""
    ends: Float64
    """(2, 2) pixels."""
    width_px: float
    colour: Colour
    outlined: bool


def _draw_body(image: UInt8, scene: SkeletonScene, frame: float, pose: Float64) -> None:
    """Bones, joints and head, the farthest first, so that near limbs hide far ones."""
    points = np.vstack([pose, _beyond_head(pose, HEAD_BEYOND_M, scene.skeleton)])
    pixels, depth = scene.camera.project(points, frame)
    if not np.isfinite(depth).all():
        return
    edges, bone_limbs, joint_limbs = rig(scene.skeleton.name)
    bones = _bones(pixels, depth, scene.camera.focal_px, zip(edges, bone_limbs, strict=True))
    balls = _balls(pixels, depth, scene.camera.focal_px, joint_limbs)
    marks = [*bones, *balls]
    for mark in sorted(marks, key=lambda mark: mark.depth, reverse=True):
        if mark.outlined:
            _draw_capsule(image, mark.ends, OUTLINE, mark.width_px + 2 * OUTLINE_PX)
        _draw_capsule(image, mark.ends, mark.colour, mark.width_px)


def _bones(
    pixels: Float64, depth: Float64, focal_px: float, bones: Iterable[tuple[Edge, Limb]]
) -> Iterator[_Mark]:
    dim = _dimming(depth)
    for (a, b), limb in bones:
        away = float(depth[a] + depth[b]) / 2
        colour = mix(limb.colour, BACKDROP, float(dim[a] + dim[b]) / 2)
        yield _Mark(away, pixels[[a, b]], BONE_WIDTH_M * focal_px / away, colour, outlined=True)


def _balls(
    pixels: Float64, depth: Float64, focal_px: float, joint_limbs: Sequence[Limb]
) -> Iterator[_Mark]:
    """Joints, half a limb nearer than they are so that they cover their bones; and the head."""
    dim = _dimming(depth)
    for joint, limb in enumerate((*joint_limbs, Limb.TRUNK)):
        away = float(depth[joint])
        is_head = joint == len(joint_limbs)
        width = 2 * (HEAD_RADIUS_M if is_head else JOINT_RADIUS_M) * focal_px / away
        order = away if is_head else away - BONE_WIDTH_M / 2
        colour = mix(limb.colour, BACKDROP, float(dim[joint]))
        yield _Mark(order, pixels[[joint, joint]], width, colour, outlined=is_head)


def _draw_capsule(image: UInt8, ends: Float64, colour: Colour, width_px: float) -> None:
    if (ends[0] == ends[1]).all():
        canvas.disc(image, ends[0], width_px / 2, colour)
    else:
        canvas.line(image, ends[0], ends[1], colour, width_px)


def _beyond_head(joints: Float64, metres: float, skeleton: Skeleton) -> Float64:
    """(..., 3) the point above the head joint of (..., J, 3), along the neck."""
    neck, head = skeleton.neck_and_head
    neck_to_head = joints[..., head, :] - joints[..., neck, :]
    length = np.linalg.norm(neck_to_head, axis=-1, keepdims=True)
    along = neck_to_head / np.maximum(length, 1e-6)
    return np.asarray(joints[..., head, :] + along * metres, np.float64)


def _dimming(depth: Float64) -> Float64:
    """How much each joint is dimmed, 0 for the nearest to `FAR_DIM` for the farthest."""
    near, far = float(depth.min()), float(depth.max())
    # A body seen flat on has no far side: at least a metre of depth spans the dimming.
    return FAR_DIM * (depth - near) / max(far - near, 1.0)
