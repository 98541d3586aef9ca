"""How large a body is in its view, measured by its lift, from frame to frame.

`pipeline.body_scale` gives a view one size from its longest bones. Jitter makes these longer, and
who walks towards the camera grows. A lift knows how far each bone is foreshortened, so that held
against the view it tells the size of every stretch of the motion.
"""

import numpy as np

from pipeline.arrays import AnyFloat, Bool, Float32, Float64
from pipeline.camera_fit import CameraFit, project
from pipeline.kinematics import gaussian_over_time
from pipeline.views import UNITS_PER_METRE

SMOOTHING_FRAMES = 10.0
"""Sigma of the Gaussian over time, half a second: a body comes nearer slowly, a pose changes fast.
Twice or half of it gave the same errors within 1 % on rendered clips."""
SIZE_RANGE = (0.6, 1.6)
"""A view is never taken to be smaller or larger than this: beyond it, the lift is wrong."""


def view_size(
    joints3d: AnyFloat, view: AnyFloat, seen: Bool, weights: AnyFloat, camera: CameraFit
) -> Float64:
    """Size of the view over that of the body, per frame.

    Least squares in the picture plane between joints and view, each about its own middle, over a
    sliding window.

    Args:
        joints3d: (T, J, 3) metres, y up.
        view: (T, J, 2) in the view's scale.
        seen: (T, J).
        weights: (T, J) at least 0, such as the detector's confidence.
        camera: Where the camera stood.

    Returns:
        (T,) within `SIZE_RANGE`; 1 where nothing was seen.
    """
    w = np.where(seen, weights, 0.0)[..., None].astype(np.float64)
    shown = np.where(seen[..., None], view, 0.0).astype(np.float64) / UNITS_PER_METRE
    body = project(joints3d, camera)
    total = np.maximum(w.sum(axis=1, keepdims=True), 1e-9)
    shown = shown - (w * shown).sum(axis=1, keepdims=True) / total
    body = body - (w * body).sum(axis=1, keepdims=True) / total
    shared, square = (w * body * shown).sum(axis=(1, 2)), (w * body**2).sum(axis=(1, 2))
    both = gaussian_over_time(np.stack([shared, square], axis=-1), SMOOTHING_FRAMES)
    known = both[:, 1] > 1e-9
    ratio = np.where(known, both[:, 0] / np.where(known, both[:, 1], 1.0), 1.0)
    return np.asarray(np.clip(ratio, *SIZE_RANGE))


def resized_view(view: AnyFloat, seen: Bool, size: Float64) -> Float32:
    """A view as it would be had the body kept the size of its lift.

    Limbs are brought to size about the root, frame by frame; the root's path by one factor, the
    geometric mean: how far the body walked across is not known any better.

    Args:
        view: (T, J, 2).
        seen: (T, J); the rest stays 0.
        size: (T,) as `view_size` gives it; a shorter one holds its last value.
    """
    held = np.concatenate([size, np.repeat(size[-1:], len(view) - len(size))])[:, None, None]
    root = view[:, :1] / np.exp(np.log(size).mean())
    out = root + (view - view[:, :1]) / held
    return np.where(seen[..., None], out, 0.0).astype(np.float32)
