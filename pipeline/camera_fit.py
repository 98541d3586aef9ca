"""Where the camera stood: the azimuth and mild elevation under which a motion looks like its view.

The camera is orthographic, as in `pipeline.quality`. Its error is a quadratic form of the picture
axes, so two small moment matrices stand for all joints of all frames, every camera of a grid is
tried, and ever finer grids follow about the best one: no start value can lead astray.
"""

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from pipeline.arrays import AnyFloat, Bool, Float64
from pipeline.views import UNITS_PER_METRE, View, azimuth_rotation

ViewName = Literal["front", "left", "back", "right", "free"]
QUARTER_NAMES: dict[View, ViewName] = {
    View.FRONT: "front", View.LEFT: "left", View.BACK: "back", View.RIGHT: "right",
}  # fmt: skip
FREE: ViewName = "free"
"""The view of a camera for which none of the paper's four can stand in."""

MAX_ELEVATION_DEG = 35.0
"""Furthest that a camera is taken to look down or up; training draws up to 12 degrees."""
PRIOR_DEPTH_M = 0.03
"""An elevation e costs as much as if every joint were off by this depth times e. A body has a depth
of 0.1 to 0.2 m about its root, so 2 to 8 % of the angle are lost; a motion flat in depth, of which
no elevation can be read, keeps the level camera."""
SCALE_BOUNDS = (0.8, 1.25)
"""Within these the view may be larger than the body while angles are sought. The scale that pixels
are divided by is a judgement, off by 5 %, and looking down shortens a body: with the scale held at
1, a body that was measured too small looks as if seen from above."""
QUARTER_FACTOR = 1.15
"""A quarter turn stands in for the best camera while its error is at most this many times as large.
On lifts of 120 noisy views so are four in five of the cameras within 15 degrees of a quarter turn,
and one in four of those further off."""
QUARTER_FLOOR_M = 0.02
"""Under this error of the best camera the factor counts from here: lifts are no more exact."""
GRID_STEP_DEG = 5.0
ZOOM, ZOOMS = 4, 9
"""So many times finer, so often: to 2e-5 degrees."""
TURN_DEG, QUARTER_DEG = 360.0, 90.0


@dataclass(frozen=True)
class CameraFit:
    """The camera that fits a motion and its view best, and the paper's view nearest to it."""

    azimuth_deg: float
    """As `pipeline.views.azimuth_rotation`: 0 front, 90 left, 180 back, 270 right."""
    elevation_deg: float
    """How far the camera looks down; negative: up."""
    reprojection_m: float
    """Mean distance in the picture plane between the joints seen by this camera and the view, root
    aligned, seen joints only, weighted where weights were given; NaN where nothing was seen."""
    view_name: ViewName
    """The nearest quarter turn while its error is about as small, else `free`."""
    quarter_reprojection_m: float
    """As `reprojection_m`, of a level camera at the nearest quarter turn."""
    scale: float = 1.0
    """How many times larger the view shows the body than this camera would: told, not applied, in
    `reprojection_m` and in `project` the scale is 1."""


class _Moments(NamedTuple):
    """Weighted means over joints: all that the mean squared error of a camera depends on."""

    body: Float64
    """(3, 3) of X X^T."""
    shared: Float64
    """(3, 2) of X (u, v)."""


def fit_camera(
    joints3d: AnyFloat,
    view: AnyFloat,
    seen: Bool,
    weights: AnyFloat | None = None,
    *,
    max_elevation_deg: float = MAX_ELEVATION_DEG,
) -> CameraFit:
    """The camera under which a motion looks most like a view.

    Least squares over all seen joints, root aligned, with a mild pull of the elevation towards 0.
    With `max_elevation_deg=0` and no weights it is `pipeline.quality.fit_azimuth`.

    Args:
        joints3d: (T, J, 3) metres, y up, joint 0 the root.
        view: (T, J, 2) in the view's scale, y up.
        seen: (T, J).
        weights: (T, J) at least 0, such as the detector's confidence; None: all alike.
        max_elevation_deg: Bound of the elevation in both directions, under 90.

    Raises:
        ValueError: Shapes that do not fit each other, or a bound out of range.
    """
    _check(joints3d, view, seen, weights, max_elevation_deg)
    body, shown, weight = _root_aligned(joints3d, view, seen, weights)
    if not weight.sum() > 0.0:
        return CameraFit(0.0, 0.0, float("nan"), FREE, float("nan"))
    moments = _moments(body, shown, weight)
    azimuth, elevation = _best_angles(moments, max_elevation_deg)
    reprojection = _mean_distance(body, shown, weight, azimuth, elevation)
    quarter = View(round(azimuth / QUARTER_DEG) % len(View))
    level = _mean_distance(body, shown, weight, QUARTER_DEG * quarter, 0.0)
    near = level <= QUARTER_FACTOR * max(reprojection, QUARTER_FLOOR_M)
    name = QUARTER_NAMES[quarter] if near else FREE
    angles = np.deg2rad([[azimuth], [elevation]])
    scale = float(_scale(*_size_and_match(moments, *angles))[0])
    return CameraFit(azimuth, elevation, reprojection, name, level, scale)


def project(joints3d: AnyFloat, fit: CameraFit) -> Float64:
    """A motion as the fitted camera shows it.

    Args:
        joints3d: (T, J, 3) metres, joint 0 the root.
        fit: The camera.

    Returns:
        (T, J, 2) metres, y up, every frame's root at 0; compare with
        `(view - view[:, :1]) / UNITS_PER_METRE`.
    """
    body = joints3d.astype(np.float64) - joints3d[:, :1].astype(np.float64)
    return np.asarray(body @ camera_rotation(fit.azimuth_deg, fit.elevation_deg)[:2].T)


def camera_rotation(azimuth_deg: float, elevation_deg: float) -> Float64:
    """(3, 3) world to camera: x right, y up, z towards the viewer; the camera looks down by e."""
    e = np.deg2rad(elevation_deg)
    c, s = float(np.cos(e)), float(np.sin(e))
    tilt = np.array([[1.0, 0.0, 0.0], [0.0, c, -s], [0.0, s, c]])
    return np.asarray(tilt @ azimuth_rotation(azimuth_deg))


def _check(
    joints3d: AnyFloat, view: AnyFloat, seen: Bool, weights: AnyFloat | None, bound_deg: float
) -> None:
    frames = seen.shape
    fits = joints3d.shape == (*frames, 3) and view.shape == (*frames, 2)
    if not fits or (weights is not None and weights.shape != frames):
        raise ValueError(
            f"joints {joints3d.shape}, view {view.shape} and weights must be of the same frames "
            f"and joints as seen {frames}"
        )
    if weights is not None and not (weights[seen] >= 0.0).all():
        raise ValueError("weights of seen joints must be numbers of at least 0")
    if not 0.0 <= bound_deg < QUARTER_DEG:
        raise ValueError(f"the largest elevation must be 0 to under 90 degrees, got {bound_deg:g}")


def _root_aligned(
    joints3d: AnyFloat, view: AnyFloat, seen: Bool, weights: AnyFloat | None
) -> tuple[Float64, Float64, Float64]:
    """(N, 3) and (N, 2) metres about the root, and (N,) weights, of joints seen with the root."""
    use = seen & seen[:, :1]
    use[:, 0] = False
    body = (joints3d - joints3d[:, :1])[use].astype(np.float64)
    shown = (view - view[:, :1])[use].astype(np.float64) / UNITS_PER_METRE
    weight = np.ones(len(body)) if weights is None else weights[use].astype(np.float64)
    return body, shown, weight


def _moments(body: Float64, shown: Float64, weight: Float64) -> _Moments:
    weighted = body * (weight / weight.sum())[:, None]
    return _Moments(weighted.T @ body, weighted.T @ shown)


def _best_angles(moments: _Moments, max_elevation_deg: float) -> tuple[float, float]:
    """Azimuth in 0..360 and elevation, degrees, of the least error."""
    bound = float(np.deg2rad(max_elevation_deg))
    step = float(np.deg2rad(GRID_STEP_DEG))
    azimuths = np.arange(0.0, 2.0 * np.pi, step)
    elevations = np.linspace(-bound, bound, 2 * int(np.ceil(bound / step)) + 1)
    azimuth, elevation = _least(moments, azimuths, elevations)
    for _ in range(ZOOMS):
        step /= ZOOM
        around = step * np.arange(-2 * ZOOM, 2 * ZOOM + 1)
        # A level camera stays level: where 0 is the bound, every elevation tried is 0.
        azimuth, elevation = _least(
            moments, azimuth + around, np.clip(elevation + around, -bound, bound)
        )
    return float(np.rad2deg(azimuth) % TURN_DEG), float(np.rad2deg(elevation))


def _least(moments: _Moments, azimuths: Float64, elevations: Float64) -> tuple[float, float]:
    """The pair of least cost; on equal terms the least elevation."""
    a, e = (grid.ravel() for grid in np.meshgrid(azimuths, elevations))
    best = int(np.lexsort((np.abs(e), _cost(moments, a, e)))[0])
    return float(a[best]), float(e[best])


def _cost(moments: _Moments, azimuth: Float64, elevation: Float64) -> Float64:
    """(N,) mean squared error at the best scale, and the elevation's price, less a constant.

    Args:
        moments: Of the joints.
        azimuth: (N,) radians.
        elevation: (N,) radians; all 0 for a level camera, which has no use for a scale.
    """
    size, match = _size_and_match(moments, azimuth, elevation)
    scale = _scale(size, match) if elevation.any() else np.ones_like(size)
    return np.asarray(scale**2 * size - 2.0 * scale * match + (PRIOR_DEPTH_M * elevation) ** 2)


def _size_and_match(
    moments: _Moments, azimuth: Float64, elevation: Float64
) -> tuple[Float64, Float64]:
    """(N,) mean squared length of what the camera shows, and its mean product with the view."""
    ca, sa, ce, se = np.cos(azimuth), np.sin(azimuth), np.cos(elevation), np.sin(elevation)
    right = np.stack([ca, np.zeros_like(ca), sa], axis=-1)
    up = np.stack([se * sa, ce, -se * ca], axis=-1)
    size = sum(np.einsum("ni,ij,nj->n", axis, moments.body, axis) for axis in (right, up))
    match = right @ moments.shared[:, 0] + up @ moments.shared[:, 1]
    return np.asarray(size), np.asarray(match)


def _scale(size: Float64, match: Float64) -> Float64:
    """(N,) by how much the view is taken to be larger than the body, within bounds."""
    ratio = match / np.maximum(size, np.finfo(np.float64).tiny)
    return np.asarray(np.clip(ratio, *SCALE_BOUNDS))


def _mean_distance(
    body: Float64, shown: Float64, weight: Float64, azimuth_deg: float, elevation_deg: float
) -> float:
    flat = body @ camera_rotation(azimuth_deg, elevation_deg)[:2].T
    return float(np.average(np.hypot(*(flat - shown).T), weights=weight))
