"""How far perspective moves joints in the picture, where the lift takes the camera to be far away.

The network's cameras stand 21 m off. A real one stands nearer: what is closer to it looks larger,
and who walks towards it grows. Neither is in a view of one scale, so both end up in the label.
"""

import math
from dataclasses import dataclass

import numpy as np

from pipeline.arrays import AnyFloat, Bool, Float64
from pipeline.body_scale import BODY_HEIGHT_M
from pipeline.camera_fit import CameraFit, camera_rotation, project

FOCAL_DIAGONALS = 1.0
"""Focal length of an unknown camera in diagonals of its picture: 53 degrees across the diagonal,
the guess of Li et al. 2022 (CLIFF), which Kissos et al. 2020 brought up."""
NEAREST_M = 0.3
"""A label whose depth would bring a joint closer to the camera than this is held there."""


@dataclass(frozen=True)
class PerspectiveError:
    """What the far camera leaves out of one motion."""

    mean_m: float
    """Mean distance in the body's plane between where a pinhole camera shows the joints and where
    the far camera does; root aligned, seen joints; NaN where no joint was seen with the root."""
    worst_m: float
    """Its 95th percentile."""
    share_of_height: float
    """`mean_m` in body heights of 1.7 m."""
    pose_m: float
    """As `mean_m`, of limbs that reach towards the camera or away from it alone."""
    walk_m: float
    """As `mean_m`, of the root's way towards the camera or away from it alone."""
    distance_m: float
    """From the camera to the person, middle of the motion: focal length over pixels a metre."""
    focal_px: float
    focal_known: bool
    """False: the focal length is a guess from the picture's size, and so is every figure."""


def assumed_focal_px(picture: tuple[float, float]) -> float:
    """The focal length to take for a camera of which only the picture's size is known.

    Args:
        picture: (width, height), square pixels.
    """
    return FOCAL_DIAGONALS * math.hypot(*picture)


def perspective_error(
    joints3d: AnyFloat,
    seen: Bool,
    fit: CameraFit,
    px_per_metre: float,
    picture: tuple[float, float],
    focal_px: float | None = None,
) -> PerspectiveError:
    """Hold a pinhole camera against the far one, with the label's own depth.

    Both look straight at the person: where in the picture someone stands turns the view, which the
    camera's azimuth and elevation take up, but moves no joint against another.

    Args:
        joints3d: (T, J, 3) metres, y up, joint 0 the root.
        seen: (T, J).
        fit: Where the camera stood.
        px_per_metre: The scale that the view was divided by.
        picture: (width, height) of the picture, square pixels.
        focal_px: Focal length, square pixels; None: `assumed_focal_px`.

    Raises:
        ValueError: A scale, picture or focal length that is not positive.
    """
    for name, value in (("scale", px_per_metre), ("picture", min(picture)), ("focal", focal_px)):
        if value is not None and not (value > 0.0 and math.isfinite(value)):
            raise ValueError(f"the {name} of a perspective must be positive, got {value:g}")
    focal = assumed_focal_px(picture) if focal_px is None else focal_px
    distance = focal / px_per_metre
    flat, pose, walk = project(joints3d, fit), *_depths(joints3d, fit)
    use = seen & seen[:, :1]
    use[:, 0] = False

    def moved(depth: Float64) -> Float64:
        """(N,) metres by which the seen joints move at depths (T, J) towards the camera."""
        away = np.maximum(distance - depth, NEAREST_M)
        return np.asarray(np.linalg.norm(flat * (distance / away - 1.0)[..., None], axis=-1)[use])

    whole = moved(pose + walk)
    mean = float(whole.mean()) if len(whole) else math.nan
    return PerspectiveError(
        mean_m=mean,
        worst_m=float(np.percentile(whole, 95.0)) if len(whole) else math.nan,
        share_of_height=mean / BODY_HEIGHT_M,
        pose_m=float(moved(pose).mean()) if len(whole) else math.nan,
        walk_m=float(moved(walk + np.zeros_like(pose)).mean()) if len(whole) else math.nan,
        distance_m=distance,
        focal_px=focal,
        focal_known=focal_px is not None,
    )


def _depths(joints3d: AnyFloat, fit: CameraFit) -> tuple[Float64, Float64]:
    """Metres towards the camera: (T, J) of joints from their root, (T, 1) of the root's way."""
    towards = camera_rotation(fit.azimuth_deg, fit.elevation_deg)[2]
    depth = joints3d.astype(np.float64) @ towards
    root = depth[:, :1]
    return depth - root, root - np.median(root)
