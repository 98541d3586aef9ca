"""The floor under a 3D skeleton: a grid that fades out, the root's path, the body's shadow."""

import cv2
import numpy as np

from pipeline.arrays import AnyFloat, Float64, UInt8
from pipeline.render import canvas
from pipeline.render.camera import FollowCamera
from pipeline.render.palette import BACKDROP, GRID, PATH_AHEAD, PATH_BEHIND, SHADOW, mix
from pipeline.skeletons import HUMANML3D, Skeleton

CELL_M = 0.5
"""Every second line is a full metre and drawn stronger."""
MOST_CELLS = 300
"""Across the floor; of a body so large that there were more, lines would cover it all: none is
drawn, which also keeps a motion in another unit than metres from taking hours."""
REACH = 0.62
"""Radius of the visible floor as a share of the camera's distance."""
PIECES = 14
"""A grid line is drawn in pieces, each with its own fade."""
SHADOW_LIMB_M = 0.10
SHADOW_STRENGTH = 0.75
SHADOW_COARSE = 2
"""The shadow is blurred anyway: it is drawn at half the picture's size."""
SHADOW_SOFTNESS = 110.0
"""Picture height over the blur's standard deviation."""


def draw_ground(image: UInt8, camera: FollowCamera, frame: float) -> None:
    """Draw the grid at y = 0 around the camera's target."""
    radius = REACH * camera.distance_m
    if 2.0 * radius > MOST_CELLS * CELL_M:
        return
    middle = camera.target(frame)[[0, 2]]
    for axis in (0, 1):
        first = int(np.ceil((middle[axis] - radius) / CELL_M))
        last = int(np.floor((middle[axis] + radius) / CELL_M))
        for number in range(first, last + 1):
            _draw_grid_line(image, camera, frame, axis, number)


def draw_path(image: UInt8, camera: FollowCamera, frame: float, root: AnyFloat) -> None:
    """Draw the root's way over the floor: what is done bright, what comes dim.

    Args:
        image: Drawn upon.
        camera: Where from.
        frame: The present frame number.
        root: (T, 3) metres.
    """
    on_floor = root.astype(np.float64) * np.array([1.0, 0.0, 1.0])
    pixels, _ = camera.project(on_floor, frame)
    now = min(max(int(frame), 0), len(root) - 1)
    canvas.path(image, pixels[now:], PATH_AHEAD, 1.0)
    canvas.path(image, pixels[: now + 1], PATH_BEHIND, 2.0)


def draw_shadow(
    image: UInt8,
    camera: FollowCamera,
    frame: float,
    joints: Float64,
    skeleton: Skeleton = HUMANML3D,
) -> None:
    """Darken the floor under the body, as by light from straight above; `joints` (J, 3) metres."""
    pixels, depth = camera.project(joints * np.array([1.0, 0.0, 1.0]), frame)
    if not np.isfinite(depth).all():
        return
    rows, columns = -(-image.shape[0] // SHADOW_COARSE), -(-image.shape[1] // SHADOW_COARSE)
    mask: UInt8 = np.zeros((rows, columns), np.uint8)
    for parent, child in skeleton.bones:
        width = SHADOW_LIMB_M * camera.focal_px / float(depth[child]) / SHADOW_COARSE
        ends = pixels[[parent, child]] / SHADOW_COARSE
        canvas.line(mask, ends[0], ends[1], (255, 255, 255), width)
    blur = max(image.shape[0] / SHADOW_SOFTNESS / SHADOW_COARSE, 0.6)
    soft = cv2.resize(cv2.GaussianBlur(mask, (0, 0), sigmaX=blur), image.shape[1::-1])
    _darken(image, soft.astype(np.uint8, copy=False))


def _darken(image: UInt8, shade: UInt8) -> None:
    """Mix the shadow's colour in where `shade` (H, W) is above zero."""
    left, top, width, height = cv2.boundingRect(shade)
    part = (slice(top, top + height), slice(left, left + width))
    alpha = shade[part][..., None].astype(np.float32) * (SHADOW_STRENGTH / 255.0)
    shaded = image[part] + (np.asarray(SHADOW, np.float32) - image[part]) * alpha
    image[part] = np.rint(shaded).astype(np.uint8)


def _draw_grid_line(
    image: UInt8, camera: FollowCamera, frame: float, axis: int, number: int
) -> None:
    """One line of the grid, cut to the visible circle and fading towards its rim."""
    place, strong = number * CELL_M, number % 2 == 0
    middle = camera.target(frame)[[0, 2]]
    radius = REACH * camera.distance_m
    half = float(np.sqrt(max(radius**2 - (place - middle[axis]) ** 2, 0.0)))
    along = middle[1 - axis] + np.linspace(-half, half, PIECES + 1)
    points = np.zeros((PIECES + 1, 3))
    points[:, 0 if axis == 0 else 2] = place
    points[:, 2 if axis == 0 else 0] = along
    pixels, _ = camera.project(points, frame)
    between = (points[1:] + points[:-1])[:, [0, 2]] / 2
    away = np.linalg.norm(between - middle, axis=-1) / radius
    for piece, share in enumerate(np.clip(away, 0.0, 1.0).tolist()):
        faded = mix(GRID, BACKDROP, share**1.5 if strong else 0.5 + 0.5 * share)
        canvas.line(image, pixels[piece], pixels[piece + 1], faded, 1.0)
