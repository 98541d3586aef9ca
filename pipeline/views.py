"""The four projected views: a 3D motion seen by a long-focus camera (the mixed representation)."""

from enum import IntEnum

import numpy as np

from pipeline.arrays import Float32, Float64

VIEW_ANGLE_DEG = 5.0
"""Half angle of view: near orthographic (the paper calls it orthographic)."""
_TAN = float(np.tan(np.deg2rad(VIEW_ANGLE_DEG)))
CAMERA_OFFSET = np.array([0.0, -1.0, -1.0 / _TAN - 10.0])
UNITS_PER_METRE = 1.0 / (-float(CAMERA_OFFSET[2]) * _TAN)
"""Length in a view of one metre in the picture plane through the origin: about 0.53."""


class View(IntEnum):
    """The paper's four, by azimuth in quarter turns."""

    FRONT = 0
    LEFT = 1
    BACK = 2
    RIGHT = 3


def azimuth_rotation(azimuth_deg: float) -> Float64:
    """(3, 3) rotation about Y applied to the body before projecting.

    0, 90, 180 and 270 degrees are front, left, back and right.
    """
    a = np.deg2rad(azimuth_deg)
    c, s = float(np.cos(a)), float(np.sin(a))
    return np.array([[c, 0.0, s], [0.0, 1.0, 0.0], [-s, 0.0, c]])


def project_view(
    joints: Float64 | Float32, azimuth_deg: float, *, metres_per_unit: float = 1.0
) -> Float32:
    """2D motion of a 3D motion seen from one azimuth.

    Args:
        joints: (T, J, 3) Y up.
        azimuth_deg: See `azimuth_rotation`.
        metres_per_unit: Of `joints`, see `Skeleton`: the camera stands some metres away, and in
            KIT-ML's units the body would reach behind it.

    Returns:
        (T, J, 2) in the view's scale (close to metres at the origin), y up, root of frame 0 at 0.
    """
    metres = joints.astype(np.float64) * metres_per_unit
    p = metres @ azimuth_rotation(azimuth_deg).T + CAMERA_OFFSET
    uv = -p[..., :2] / (p[..., 2:] * _TAN)
    return np.asarray(uv - uv[0, 0], dtype=np.float32)


def four_views(joints: Float64 | Float32, *, metres_per_unit: float = 1.0) -> Float32:
    """(4, T, J, 2): front, left, back, right."""
    views = (project_view(joints, 90.0 * v, metres_per_unit=metres_per_unit) for v in View)
    return np.stack(list(views))
