"""One motion as the lift sees it from one azimuth, and the truth that the lift is held against."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from models.data.motion import Motion
from models.data.training_data import features_of
from models.lifting.baselines import body_frame_pose
from models.lifting.hidden_parts import Occlusion, hide_part
from models.lifting.noisy_view import NoiseLevel, noisy_view
from pipeline.arrays import Bool, Float32, Float64
from pipeline.feature_masks import feature_mask2d
from pipeline.representation2d import features_from_view
from pipeline.representation3d import recover_joints
from pipeline.skeletons import Skeleton
from pipeline.views import project_view

CleanView = Callable[[Float32, Bool], tuple[Float32, Bool]]
"""(T, J, 2) view and (T, J) seen -> the same, gaps bridged and jitter smoothed."""


@dataclass(frozen=True)
class Condition:
    """In which state the 2D input reaches the lift."""

    name: str
    noise: NoiseLevel | None = None
    """None: the exact projection."""
    clean: CleanView | None = None
    """What is done to the noisy view before it is lifted."""
    occlusion: Occlusion | None = None
    """What is hidden; None: nothing."""


@dataclass(frozen=True)
class Observation:
    """What is given to a lift."""

    features: Float32
    """(T-1, D2), not normalised; without meaning where `mask` is False."""
    mask: Bool | None
    """(T-1, D2) True where the entry is known; None: everywhere."""
    azimuth_deg: float
    seen: Bool | None = None
    """(T-1, J) True where the joint is in sight; None: everywhere."""
    hidden: str = ""
    """Name of the body part that is hidden; empty: none."""


@dataclass(frozen=True)
class Truth:
    """What the motion really is; one row a frame, as the lift gives them."""

    features: Float32
    """(T-1, D3), not normalised."""
    joints: Float64
    """(T-1, J, 3) metres, frame 0 faces +Z."""
    body: Float64
    """(T-1, J, 3) metres, root at 0, each frame turned to face +Z."""


def true_motion(motion: Motion, skeleton: Skeleton) -> Truth:
    """The truth about one motion."""
    rows, metres = features_of(motion, skeleton), skeleton.metres_per_unit
    joints = recover_joints(rows, skeleton).astype(np.float64) * metres
    return Truth(rows, joints, body_frame_pose(rows, skeleton))


def observe(
    motion: Motion, azimuth_deg: float, skeleton: Skeleton, condition: Condition
) -> Observation:
    """Look at a motion from an azimuth, in the state that the condition asks for."""
    metres = skeleton.metres_per_unit
    view = project_view(motion.joints, azimuth_deg, metres_per_unit=metres)
    seen: Bool | None = None
    hidden = ""
    if condition.noise is not None:
        view, seen = noisy_view(view, condition.noise, motion.motion_id, azimuth_deg)
        if condition.clean is not None:
            view, seen = condition.clean(view, seen)
    if condition.occlusion is not None:
        part = hide_part(view, condition.occlusion, motion.motion_id, azimuth_deg, skeleton)
        view, in_sight, hidden = part
        seen = in_sight if seen is None else seen & in_sight
    features = features_from_view(view, skeleton)
    if seen is None:
        return Observation(features, None, azimuth_deg)
    mask = feature_mask2d(seen, skeleton)
    return Observation(features, mask, azimuth_deg, seen[:-1], hidden)
