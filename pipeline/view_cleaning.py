"""The cleaning that a detector's pixels get, applied to a view that is already projected."""

from dataclasses import replace

import numpy as np

from pipeline.arrays import Bool, Float32
from pipeline.cleaning import clean_pose
from pipeline.cleaning_config import CleaningConfig
from pipeline.joint_mapping import MappedPose

ANY_LENGTH = replace(CleaningConfig(), min_frames=2, max_frames=0, min_joints=1)
"""Ingestion's filters; nothing is cut off or turned away."""


def clean_view(
    view: Float32, seen: Bool, config: CleaningConfig = ANY_LENGTH
) -> tuple[Float32, Bool]:
    """Bridge short gaps, remove spikes and smooth, as `pipeline.cleaning` does on video.

    Args:
        view: (T, J, 2); the root is seen in every frame.
        seen: (T, J).
        config: Filters; its `fps` is the view's.

    Returns:
        (T, J, 2), root of frame 0 at 0 and unknown joints at 0; and (T, J) True where known.
    """
    times = np.arange(len(view)) / config.fps
    pose = MappedPose(view.astype(np.float64), seen, seen.astype(np.float32), times)
    runs = clean_pose(pose, config)
    if len(runs) != 1 or len(runs[0].seen) != len(view):
        raise ValueError("a view to clean must show its root in every frame")
    known = runs[0].seen
    moved = runs[0].joints - runs[0].joints[0, 0]
    return np.where(known[..., None], moved, 0.0).astype(np.float32), known
