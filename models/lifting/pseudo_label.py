"""A projected view to its 3D label: lift, smooth, judge. Ingest and relabelling share it."""

from dataclasses import dataclass

import numpy as np

from models.checkpoint import Checkpoint
from models.lifting.lift import lift
from pipeline.arrays import Bool, Float32
from pipeline.feature_masks import feature_mask2d, feature_mask3d
from pipeline.one_euro import one_euro
from pipeline.quality import LabelQuality, label_quality
from pipeline.reasons import PipelineError, Reason
from pipeline.representation2d import features_from_view
from pipeline.representation3d import field_slices, recover_joints


@dataclass(frozen=True)
class PseudoLabel:
    """The 3D of one view of N frames."""

    joints3d: Float32
    """(N, J, 3) metres."""
    features3d: Float32
    """(N-1, D3), not normalised."""
    mask3d: Bool
    """(N-1, D3) True where the feature rests on joints that were seen."""
    windows: int
    quality: LabelQuality


def label_view(
    features: Float32,
    mask: Bool,
    view: Float32,
    seen: Bool,
    confidence: Float32,
    checkpoint: Checkpoint,
    *,
    smooth: bool,
) -> PseudoLabel:
    """Lift one view.

    Args:
        features: (N, D2) rows, not normalised; a row needs the next frame, so the view that they
            come from has N + 1 frames, of which N become 3D.
        mask: (N, D2) True where an entry was seen.
        view: (N, J, 2) or longer; what the label is judged by.
        seen: As long as the view, (N, J).
        confidence: As long as the view, (N, J), the detector's.
        checkpoint: The lifting network.
        smooth: With the paper's One-Euro filter.

    Raises:
        PipelineError: The lift gave values that are not finite.
    """
    lifted = lift(checkpoint, features, mask)
    rows = _smoothed(lifted.features, checkpoint) if smooth else lifted.features
    if not np.isfinite(rows).all():
        raise PipelineError(Reason.LIFT_ERROR, "the lift gave values that are not finite")
    joints = recover_joints(rows, checkpoint.skeleton)
    n = len(joints)
    known = seen[:n]
    return PseudoLabel(
        joints3d=joints,
        features3d=rows[: n - 1],
        mask3d=feature_mask3d(known, checkpoint.skeleton),
        windows=lifted.windows,
        quality=label_quality(joints, view[:n], known, confidence[:n], checkpoint.skeleton),
    )


def label_stored_view(
    view: Float32, seen: Bool, checkpoint: Checkpoint, *, smooth: bool
) -> PseudoLabel:
    """Lift a view as a store keeps it: N frames in, N frames out.

    The frame after the last, which the last row's movement rests on, was not kept: every joint is
    taken to move on as it did before. Against the labels of the ingest that is nearer than a frame
    that counts as not seen (4.0 mm instead of 6.8 on 22 real motions, same weights).

    Args:
        view: (N >= 2, J, 2) projected view, root-relative to frame 0.
        seen: (N, J) True where the joint is known.
        checkpoint: The lifting network.
        smooth: With the paper's One-Euro filter.

    Returns:
        The label; its quality's `mean_confidence` says nothing, a store keeps that beside the view.

    Raises:
        PipelineError: The lift gave values that are not finite.
        ValueError: The view is of another skeleton than the checkpoint's.
    """
    longer = np.concatenate([view, 2 * view[-1:] - view[-2:-1]])
    known = np.concatenate([seen, seen[-1:] & seen[-2:-1]])
    features = features_from_view(longer, checkpoint.skeleton)
    mask = feature_mask2d(known, checkpoint.skeleton)
    sure = seen.astype(np.float32)
    return label_view(features, mask, view, seen, sure, checkpoint, smooth=smooth)


def _smoothed(features: Float32, checkpoint: Checkpoint) -> Float32:
    """The paper's One-Euro filter over normalised features; contacts are flags and stay."""
    s = checkpoint.statistics
    contacts = field_slices(checkpoint.skeleton)["contacts"]
    smooth = one_euro((features - s.mean3) / s.std3) * s.std3 + s.mean3
    smooth[:, contacts] = features[:, contacts]
    return smooth.astype(np.float32)
