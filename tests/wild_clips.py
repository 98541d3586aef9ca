"""Clips as a labelled video gives them: a true motion's view with joints that nobody saw."""

import dataclasses

import numpy as np
from synthetic_motion import random_motions

from models.data.motion import Motion
from models.data.training_data import features_of
from pipeline.feature_masks import feature_mask3d
from pipeline.skeletons import HUMANML3D
from pipeline.views import project_view

ARM = [16, 18, 20]
"""Left shoulder, elbow and wrist."""


def seen_of(index: int, frames: int) -> np.ndarray:
    """(T, J): an arm is out of sight for a third of the clip; clip 1 starts without its root."""
    seen = np.ones((frames, HUMANML3D.n_joints), np.bool_)
    seen[frames // 3 : 2 * frames // 3, ARM] = False
    if index == 1:
        seen[:5, 0] = False
    return seen


def wild_motions(lengths: list[int], unseen: float = np.nan, text_dim: int = 8) -> list[Motion]:
    """Clips of some lengths in frames; what nobody saw holds `unseen`, in view and label."""
    out = []
    for i, motion in enumerate(random_motions(lengths, text_dim)):
        seen = seen_of(i, lengths[i])
        view = project_view(motion.joints, 30.0 * i)
        view[~seen] = unseen
        mask = feature_mask3d(seen, HUMANML3D)
        out.append(
            dataclasses.replace(
                motion,
                motion_id=f"w{i}",
                action=("YoYo", "Archery")[i % 2],
                view=view,
                joint_mask=seen,
                feature_mask=mask,
                features=np.where(mask, features_of(motion), 7.0 if np.isnan(unseen) else unseen),
            )
        )
    return out
