"""What is computed of a motion before it is stored: features in 3D and in the four views."""

from dataclasses import dataclass

import numpy as np

from models.data.motion import Motion
from pipeline.arrays import Bool, Float32
from pipeline.representation2d import features_from_view
from pipeline.representation3d import features_from_canonical
from pipeline.skeletons import Skeleton
from pipeline.views import View, four_views

SPLITS = ("train", "val", "test")
FEWEST_FRAMES = 3
"""Two feature rows: one row has no velocity to the next."""
MAX_SPEED_M_S = 200.0
"""No joint is faster: 15 m/s is the most in 4,011 captured clips. A damaged frame leaps farther,
and one of them alone can make the statistics of a whole data set worthless."""
MAX_FEATURE_M = 1000.0
"""Nor is any feature of a source's own rows larger: metres, metres a frame, a rotation's entry."""


@dataclass(frozen=True)
class PreparedMotion:
    """A motion with all that training asks of it."""

    motion: Motion
    features3d: Float32
    """(T-1, D3) unnormalised."""
    views2d: Float32
    """(4, T, J, 2) front, left, back, right."""
    features2d_views: Float32
    """(4, T-1, D2) unnormalised."""
    seen: Bool
    """(T, J) every joint of motion capture is known."""

    @property
    def front_view(self) -> Float32:
        """(T, J, 2) `MotionRow.view2d`."""
        return np.asarray(self.views2d[View.FRONT])

    @property
    def front_features(self) -> Float32:
        """(T-1, D2) `MotionRow.features2d`."""
        return np.asarray(self.features2d_views[View.FRONT])


def prepare_motion(motion: Motion, skeleton: Skeleton) -> PreparedMotion:
    """Compute a motion's features; the source's own 3D features are used as they are.

    Raises:
        ValueError: The motion cannot be trained on; the sentence says why.
    """
    _check(motion, skeleton)
    joints = motion.joints.astype(np.float64)
    features = motion.features
    if features is None:
        features = features_from_canonical(joints, skeleton)
    views = four_views(motion.joints, metres_per_unit=skeleton.metres_per_unit)
    rows2 = np.stack([features_from_view(view, skeleton) for view in views])
    seen = np.ones(motion.joints.shape[:2], np.bool_)
    return PreparedMotion(motion, np.asarray(features, np.float32), views, rows2, seen)


def _check(motion: Motion, skeleton: Skeleton) -> None:
    frames, joints = motion.joints.shape[:2]
    if joints != skeleton.n_joints:
        raise ValueError(f"it has {joints} joints, {skeleton.name} has {skeleton.n_joints}")
    if frames < FEWEST_FRAMES:
        raise ValueError(f"it has {frames} frames, at least {FEWEST_FRAMES} are needed")
    if motion.split not in SPLITS:
        raise ValueError(f"its split is {motion.split!r}, expected train, val or test")
    if not np.isfinite(motion.joints).all():
        raise ValueError("it has positions that are not finite")
    leaps = np.linalg.norm(np.diff(motion.joints.astype(np.float64), axis=0), axis=-1).max(axis=1)
    fastest = float(leaps.max()) * motion.fps * skeleton.metres_per_unit
    if fastest > MAX_SPEED_M_S:
        raise ValueError(
            f"a joint moves at {fastest:.3g} m/s after frame {leaps.argmax()}, and at most "
            f"{MAX_SPEED_M_S:g} can be: that frame or the next one is damaged"
        )
    if motion.features is not None:
        if motion.features.shape[1:] != (skeleton.dim3,):
            width = motion.features.shape[1:]
            raise ValueError(f"its feature rows are {width} wide, expected {skeleton.dim3}")
        if not np.isfinite(motion.features).all():
            raise ValueError("it has features that are not finite")
        if np.abs(motion.features).max() * skeleton.metres_per_unit > MAX_FEATURE_M:
            row = int(np.abs(motion.features).max(axis=1).argmax())
            raise ValueError(f"its features in row {row} are too large for any motion: damaged")
