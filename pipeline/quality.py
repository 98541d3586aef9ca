"""Figures that say how far a pseudo-3D label can be trusted, without any ground truth."""

from dataclasses import dataclass

import numpy as np

from pipeline.arrays import Bool, Float32
from pipeline.plausibility import foot_skating, jitter
from pipeline.skeletons import Skeleton
from pipeline.views import UNITS_PER_METRE


@dataclass(frozen=True)
class LabelQuality:
    """One motion's figures; those of its 3D are None where it has none."""

    azimuth_deg: float | None
    """Azimuth of the camera that fits best: 0 front, 90 left, 180 back, 270 right."""
    reprojection_m: float | None
    """Mean distance between the lifted joints, seen from that azimuth, and the 2D input (metres,
    root aligned, seen joints only)."""
    mean_confidence: float
    masked_share: float
    """Share of joint-frames that were not seen."""
    foot_skating: float | None
    """As `pipeline.plausibility` defines it, m/s; None where no foot stands."""
    jitter: float | None
    """As `pipeline.plausibility` defines it, m/s^3."""


def fit_azimuth(joints3d: Float32, view: Float32, seen: Bool) -> tuple[float, float]:
    """The camera azimuth under which a motion looks most like a view.

    With an orthographic camera x = X cos a + Z sin a, so cos a and sin a follow from least
    squares over all seen joints, root aligned.

    Args:
        joints3d: (T, J, 3) metres.
        view: (T, J, 2) in the view's scale.
        seen: (T, J).

    Returns:
        Azimuth in degrees, and the mean 2D distance in metres at that azimuth.
    """
    body = joints3d - joints3d[:, :1]
    shown = (view - view[:, :1]) / UNITS_PER_METRE
    use = seen & seen[:, :1]
    use[:, 0] = False
    if not use.any():
        return 0.0, float("nan")
    x, y, z = np.moveaxis(body[use].astype(np.float64), -1, 0)
    u, v = np.moveaxis(shown[use].astype(np.float64), -1, 0)
    angle = np.arctan2((z * u).sum(), (x * u).sum())
    for _ in range(10):
        # Gauss-Newton on the angle alone: |(cos a, sin a)| = 1 is not what least squares returns.
        residual = x * np.cos(angle) + z * np.sin(angle) - u
        slope = -x * np.sin(angle) + z * np.cos(angle)
        angle -= (residual * slope).sum() / max(float((slope**2).sum()), 1e-9)
    residual = x * np.cos(angle) + z * np.sin(angle) - u
    return float(np.rad2deg(angle) % 360.0), float(np.hypot(residual, y - v).mean())


def label_quality(
    joints3d: Float32, view: Float32, seen: Bool, confidence: Float32, skeleton: Skeleton
) -> LabelQuality:
    """All figures of one motion; arrays (T, J, ...) of the same T."""
    azimuth, reprojection = fit_azimuth(joints3d, view, seen)
    return LabelQuality(
        azimuth_deg=azimuth,
        reprojection_m=reprojection,
        mean_confidence=_mean_confidence(seen, confidence),
        masked_share=float(1.0 - seen.mean()),
        foot_skating=foot_skating(joints3d, skeleton),
        jitter=jitter(joints3d, skeleton),
    )


def view_quality(seen: Bool, confidence: Float32) -> LabelQuality:
    """The figures of a motion of which 2D alone is known; arrays (T, J)."""
    return LabelQuality(
        azimuth_deg=None,
        reprojection_m=None,
        mean_confidence=_mean_confidence(seen, confidence),
        masked_share=float(1.0 - seen.mean()),
        foot_skating=None,
        jitter=None,
    )


def _mean_confidence(seen: Bool, confidence: Float32) -> float:
    return float(confidence[seen].mean()) if seen.any() else 0.0
