"""What a lift has to beat: the mean pose, and a linear regressor that sees one frame at a time."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from pipeline import representation2d, representation3d
from pipeline.arrays import AnyFloat, Bool, Float32, Float64
from pipeline.representation3d import recover_joints
from pipeline.skeletons import Skeleton
from pipeline.views import azimuth_rotation

RIDGE = 1e-3
"""Penalty on squared weights, relative to the unit variance of every input."""
WORLD, BODY, CAMERA = 0, 1, 2
"""Index of the frames of reference that `pose_targets` stacks."""


def body_frame_pose(features: AnyFloat, skeleton: Skeleton) -> Float64:
    """(T, J, 3) metres: joints relative to the root, each frame turned to face +Z.

    Args:
        features: (T, D3), not normalised.
        skeleton: The joint tree.
    """
    where = representation3d.field_slices(skeleton)
    rows = features.astype(np.float64)
    local = rows[:, where["positions"]].reshape(len(rows), -1, 3)
    local = local - rows[:, where["height"]][:, None] * np.array([0.0, 1.0, 0.0])
    local = local * skeleton.metres_per_unit
    return np.concatenate([np.zeros((len(rows), 1, 3)), local], axis=1)


def pose_targets(features: Float32, azimuth_deg: float, skeleton: Skeleton) -> Float64:
    """(T, 3, J, 3) metres: root-relative joints in three frames of reference.

    World (frame 0 faces +Z), body (every frame faces +Z), camera (world turned by the view's
    azimuth). A per-frame method cannot follow the heading, so which frame it is fitted in matters.
    """
    joints = recover_joints(features, skeleton).astype(np.float64) * skeleton.metres_per_unit
    world = joints - joints[:, :1]
    camera = world @ azimuth_rotation(azimuth_deg).T
    return np.stack([world, body_frame_pose(features, skeleton), camera], axis=1)


@dataclass(frozen=True)
class MeanPose:
    """The same pose for every frame."""

    pose: Float64
    """(3, J, 3), as `pose_targets`."""

    def predict(self, features2: Float32, mask: Bool | None = None) -> Float64:
        """(T, 3, J, 3) for (T, D2): only T is looked at."""
        return np.asarray(np.broadcast_to(self.pose, (len(features2), *self.pose.shape)))


@dataclass(frozen=True)
class LinearRegressor:
    """Ridge regression from one frame's 2D local joints and velocities to its pose."""

    columns: tuple[slice, ...]
    """The entries of a 2D row that are looked at."""
    mean: Float64
    """(P,) of the inputs, training split."""
    std: Float64
    weight: Float64
    """(P, 3, J, 3) on z-normalised inputs."""
    bias: Float64
    """(3, J, 3)"""

    def predict(self, features2: Float32, mask: Bool | None = None) -> Float64:
        """(T, 3, J, 3), as `pose_targets`, of (T, D2) rows of one view, not normalised.

        Entries where the mask (T, D2) is False count as the training split's mean.
        """
        inputs = (_inputs(self.filled(features2, mask), self.columns) - self.mean) / self.std
        return np.asarray(np.tensordot(inputs, self.weight, axes=1) + self.bias)

    def filled(self, features2: Float32, mask: Bool | None) -> Float32:
        """(T, D2) rows with this model's input means where the mask is False."""
        if mask is None:
            return features2
        mean = np.zeros(features2.shape[1])
        mean[np.r_[self.columns]] = self.mean
        return np.where(mask, features2, mean).astype(np.float32)

    @property
    def mean_pose(self) -> MeanPose:
        """The other baseline on the same data: with its inputs at their mean, this one says it."""
        return MeanPose(self.bias)


def _inputs(features2: Float32, columns: tuple[slice, ...]) -> Float64:
    picked = [features2[:, c].astype(np.float64) for c in columns]
    return np.concatenate(picked, axis=1)


def fit_mean_pose(poses: Iterable[Float64]) -> MeanPose:
    """The mean over all frames of (T, 3, J, 3) training poses, one array per motion and view.

    Raises:
        ValueError: No motion.
    """
    total, count = np.zeros(1), 0
    for pose in poses:
        total, count = total + pose.sum(axis=0), count + len(pose)
    if not count:
        raise ValueError("no training motion to fit a baseline to")
    return MeanPose(total / count)


def fit_linear(pairs: Iterable[tuple[Float32, Float64]], skeleton: Skeleton) -> LinearRegressor:
    """Fit by the normal equations, one pass over the data.

    Args:
        pairs: Per motion and view, its (T, D2) rows and the (T, 3, J, 3) poses they show.
        skeleton: The joint tree.

    Raises:
        ValueError: No motion.
    """
    where = representation2d.field_slices(skeleton)
    columns = (where["positions"], where["velocities"])
    gram, cross, count = np.zeros(1), np.zeros(1), 0
    shape: tuple[int, ...] = ()
    for features2, poses in pairs:
        inputs = _inputs(features2, columns)
        inputs = np.concatenate([inputs, np.ones((len(inputs), 1))], axis=1)
        gram = gram + inputs.T @ inputs
        cross = cross + inputs.T @ poses.reshape(len(poses), -1)
        count, shape = count + len(inputs), poses.shape[1:]
    if not count:
        raise ValueError("no training motion to fit a baseline to")
    return _solve(gram / count, cross / count, columns, shape)


def _solve(
    gram: Float64, cross: Float64, columns: tuple[slice, ...], shape: tuple[int, ...]
) -> LinearRegressor:
    """From E[x x^T] and E[x y^T] of inputs that end in a constant one."""
    mean, bias = gram[-1, :-1], cross[-1]
    spread = gram[:-1, :-1] - np.outer(mean, mean)
    std = np.sqrt(np.maximum(np.diag(spread), 1e-12))
    correlation = spread / np.outer(std, std) + RIDGE * np.eye(len(std))
    weight = np.linalg.solve(correlation, (cross[:-1] - np.outer(mean, bias)) / std[:, None])
    return LinearRegressor(columns, mean, std, weight.reshape(-1, *shape), bias.reshape(shape))
