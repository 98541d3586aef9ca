"""The camera that looks at a 3D skeleton: fixed direction and scale, following the root softly."""

from dataclasses import dataclass

import numpy as np

from pipeline.arrays import AnyFloat, Float64
from pipeline.views import azimuth_rotation

AZIMUTH_DEG = 35.0
"""Three-quarter view: the body's front is seen, turned to the right of the picture."""
ELEVATION_DEG = 14.0
"""How far the camera looks down."""
FIELD_OF_VIEW_DEG = 26.0
"""Vertical; narrow, so that limbs near the camera do not swell."""
FILLED = 0.86
"""Share of the picture, from its middle, that the body may fill."""
FOLLOW_S = 0.8
"""Standard deviation of the smoothing of the root's path that the camera follows."""
NEAREST_M = 2.2
"""The camera never comes closer, so that a crouching clip is not shown as a giant."""


@dataclass(frozen=True)
class FollowCamera:
    """A perspective camera; picture x right, y down, origin top left."""

    rotation: Float64
    """(3, 3) world to camera: x right, y up, z towards the viewer."""
    targets: Float64
    """(T, 3) point of the world in the middle of the picture, per frame, metres."""
    distance_m: float
    """From camera to target, the same for the whole clip."""
    focal_px: float
    size: tuple[int, int]
    """(width, height) of the picture, pixels."""

    def target(self, frame: float) -> Float64:
        """(3,) the target at a frame number that may lie between two frames."""
        return at_frame(self.targets, frame)

    def project(self, points: AnyFloat, frame: float) -> tuple[Float64, Float64]:
        """Where points of the world fall in the picture.

        Args:
            points: (..., 3) metres.
            frame: Frame number, fractions allowed.

        Returns:
            (..., 2) pixels, NaN for points behind the camera, and (...) distance in metres.
        """
        seen = (points - self.target(frame)) @ self.rotation.T
        depth = self.distance_m - seen[..., 2]
        depth = np.where(depth > 0.1, depth, np.nan)
        scaled = seen[..., :2] * (self.focal_px / depth)[..., None]
        middle = np.array([self.size[0] / 2, self.size[1] / 2])
        return middle + scaled * np.array([1.0, -1.0]), depth


def follow_camera(
    joints: AnyFloat,
    fps: float,
    size: tuple[int, int],
    azimuth_deg: float = AZIMUTH_DEG,
    elevation_deg: float = ELEVATION_DEG,
) -> FollowCamera:
    """Place the camera so that every joint of every frame lies in the picture.

    Args:
        joints: (T, J, 3) metres, y up, joint 0 the root.
        fps: Frames a second.
        size: (width, height) of the picture, pixels.
        azimuth_deg: Turn of the body about y, as in `pipeline.views.azimuth_rotation`.
        elevation_deg: How far the camera looks down.
    """
    targets = _soft_targets(joints.astype(np.float64), fps)
    rotation = _tilt(elevation_deg) @ azimuth_rotation(azimuth_deg)
    focal = size[1] / 2 / float(np.tan(np.deg2rad(FIELD_OF_VIEW_DEG) / 2))
    around = (joints - targets[:, None]) @ rotation.T
    # A point at (x, z) lies inside when |x| f / (distance - z) stays under the filled half.
    reach = np.abs(around[..., :2]) * focal / (np.array(size) / 2 * FILLED)
    needed = float((around[..., 2] + reach.max(axis=-1)).max())
    return FollowCamera(rotation, targets, max(needed, NEAREST_M), focal, size)


def at_frame(values: AnyFloat, frame: float) -> Float64:
    """Linear interpolation along the first axis; frames outside take the nearest end's value."""
    place = min(max(frame, 0.0), len(values) - 1.0)
    before = int(place)
    after = min(before + 1, len(values) - 1)
    share = place - before
    return np.asarray(values[before] * (1.0 - share) + values[after] * share, np.float64)


def _soft_targets(joints: Float64, fps: float) -> Float64:
    """(T, 3): the root's smoothed ground position at the smoothed middle height of the body."""
    height = (joints[..., 1].min(axis=1) + joints[..., 1].max(axis=1)) / 2
    wanted = np.stack([joints[:, 0, 0], height, joints[:, 0, 2]], axis=-1)
    reach = int(np.ceil(3 * FOLLOW_S * fps))
    steps = np.arange(-reach, reach + 1) / (FOLLOW_S * fps)
    kernel = np.exp(-0.5 * steps**2)
    kernel /= kernel.sum()
    # Odd reflection goes on as the body was going, so that the camera does not lag at the ends.
    padded = np.pad(wanted, ((reach, reach), (0, 0)), mode="reflect", reflect_type="odd")
    columns = [np.convolve(column, kernel, mode="valid") for column in padded.T]
    return np.stack(columns, axis=-1)


def _tilt(elevation_deg: float) -> Float64:
    """(3, 3) rotation about x that lets the camera look down."""
    a = np.deg2rad(elevation_deg)
    c, s = float(np.cos(a)), float(np.sin(a))
    return np.array([[1.0, 0.0, 0.0], [0.0, c, -s], [0.0, s, c]])
