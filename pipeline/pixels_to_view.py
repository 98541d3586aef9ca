"""Where pixels become CrossDiff's projected view: y up, the body's scale, root at the origin."""

from dataclasses import dataclass

import numpy as np

from pipeline.arrays import Bool, Float32
from pipeline.body_scale import pixels_per_metre
from pipeline.cleaning import CleanRun
from pipeline.feature_masks import feature_mask2d
from pipeline.reasons import PipelineError, Reason
from pipeline.representation2d import features_from_view
from pipeline.skeletons import HUMANML3D
from pipeline.views import UNITS_PER_METRE

MIN_PIXELS_PER_METRE = 12.0
"""Under this a person is smaller than about 20 pixels and joints cannot be told apart."""


@dataclass(frozen=True)
class ProjectedView:
    """One run of a person as the lifting network wants it."""

    joints: Float32
    """(T, 22, 2) in the view's scale, y up, root of frame 0 at the origin; 0 where masked."""
    seen: Bool
    """(T, 22)"""
    features: Float32
    """(T-1, 134), not normalised; meaningless where the mask is False."""
    mask: Bool
    """(T-1, 134) True where every joint behind the entry was seen."""
    px_per_metre: float
    """Scale that was divided out."""
    origin_px: tuple[float, float]
    """Pixel of the root in frame 0 (square pixels)."""


def project_run(run: CleanRun, scale: float | None = None) -> ProjectedView:
    """Bring a cleaned run into the projected view.

    Args:
        run: Cleaned pixels.
        scale: Pixels a metre; None judges it from the body over the run.

    Raises:
        PipelineError: `too_few_joints`, or `person_too_small`.
    """
    px_per_metre = pixels_per_metre(run.joints, run.seen) if scale is None else scale
    if px_per_metre < MIN_PIXELS_PER_METRE:
        raise PipelineError(
            Reason.PERSON_TOO_SMALL,
            f"the person is about {1.7 * px_per_metre:.0f} pixels tall; joints cannot be measured",
        )
    origin = run.joints[0, 0].astype(np.float64)
    view = (run.joints - origin) * np.array([1.0, -1.0]) * (UNITS_PER_METRE / px_per_metre)
    view[~run.seen] = 0.0
    joints = view.astype(np.float32)
    return ProjectedView(
        joints=joints,
        seen=run.seen,
        features=features_from_view(joints, HUMANML3D),
        mask=feature_mask2d(run.seen, HUMANML3D),
        px_per_metre=px_per_metre,
        origin_px=(float(origin[0]), float(origin[1])),
    )


def view_to_pixels(joints: Float32, view: ProjectedView) -> Float32:
    """The way back: (T, J, 2) in the view's scale -> pixels, for overlays and reprojection."""
    scaled = joints * np.array([1.0, -1.0]) * (view.px_per_metre / UNITS_PER_METRE)
    return np.asarray(scaled + np.asarray(view.origin_px), dtype=np.float32)
