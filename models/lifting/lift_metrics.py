"""Errors of a lifted motion against the truth, millimetres, frame by frame."""

from dataclasses import dataclass

import numpy as np

from pipeline.arrays import AnyFloat, Float64

MM_PER_METRE = 1000.0


def root_aligned(joints: AnyFloat) -> Float64:
    """(T, J, 3) with each frame's root at the origin."""
    return joints.astype(np.float64) - joints[:, :1].astype(np.float64)


def per_joint_error(predicted: AnyFloat, truth: AnyFloat) -> Float64:
    """(T, J) Euclidean distance in millimetres between two (T, J, 3) in metres."""
    if predicted.shape != truth.shape:
        raise ValueError(f"shapes differ: predicted {predicted.shape}, truth {truth.shape}")
    difference = predicted.astype(np.float64) - truth.astype(np.float64)
    return np.asarray(np.linalg.norm(difference, axis=-1) * MM_PER_METRE)


def mpjpe(predicted: AnyFloat, truth: AnyFloat) -> Float64:
    """(T,) mean per-joint position error, root aligned."""
    return np.asarray(per_joint_error(root_aligned(predicted), root_aligned(truth)).mean(-1))


def procrustes_align(predicted: AnyFloat, truth: AnyFloat) -> Float64:
    """Best similarity transform (scale, rotation, translation) of each frame onto the truth.

    Umeyama (1991), without reflections.

    Args:
        predicted: (T, J, 3).
        truth: (T, J, 3).

    Returns:
        (T, J, 3) aligned prediction.
    """
    p, q = predicted.astype(np.float64), truth.astype(np.float64)
    p_mean, q_mean = p.mean(1, keepdims=True), q.mean(1, keepdims=True)
    p0, q0 = p - p_mean, q - q_mean
    u, s, vt = np.linalg.svd(np.swapaxes(p0, 1, 2) @ q0)
    sign = np.sign(np.linalg.det(u @ vt))
    s[:, -1] *= sign
    u[:, :, -1] *= sign[:, None]
    scale = s.sum(-1) / np.maximum((p0**2).sum((1, 2)), 1e-12)
    return np.asarray(scale[:, None, None] * (p0 @ (u @ vt)) + q_mean)


def pa_mpjpe(predicted: AnyFloat, truth: AnyFloat) -> Float64:
    """(T,) mean per-joint position error after `procrustes_align`."""
    return np.asarray(per_joint_error(procrustes_align(predicted, truth), truth).mean(-1))


def scale_align(predicted: AnyFloat, truth: AnyFloat) -> Float64:
    """Each frame of the prediction times the one factor that brings it closest to the truth.

    Args:
        predicted: (T, J, 3), root at 0.
        truth: (T, J, 3), root at 0.

    Returns:
        (T, J, 3) scaled prediction.
    """
    p, q = predicted.astype(np.float64), truth.astype(np.float64)
    scale = (p * q).sum((1, 2)) / np.maximum((p**2).sum((1, 2)), 1e-12)
    return np.asarray(scale[:, None, None] * p)


def n_mpjpe(predicted: AnyFloat, truth: AnyFloat) -> Float64:
    """(T,) MPJPE after `scale_align`: N-MPJPE of Rhodin et al. (CVPR 2018), root aligned."""
    p, q = root_aligned(predicted), root_aligned(truth)
    return np.asarray(per_joint_error(scale_align(p, q), q).mean(-1))


def per_joint_velocity_error(predicted: AnyFloat, truth: AnyFloat, fps: float) -> Float64:
    """(T-1, J) distance in mm/s between the velocities of two (T, J, 3) in metres, root aligned.

    MPJVE of Pavllo et al. (CVPR 2019), per second instead of per frame.
    """
    p, q = (np.diff(root_aligned(joints), axis=0) * fps for joints in (predicted, truth))
    return per_joint_error(p, q)


def root_path_error(predicted: AnyFloat, truth: AnyFloat) -> Float64:
    """(T,) millimetres over the ground between two roots, each counted from its own frame 0.

    Args:
        predicted: (T, 3) metres, y up, of a motion whose frame 0 faces +Z.
        truth: (T, 3) likewise.
    """
    p, q = (root[:, [0, 2]].astype(np.float64) for root in (predicted, truth))
    return np.asarray(np.linalg.norm((p - p[0]) - (q - q[0]), axis=-1) * MM_PER_METRE)


@dataclass(frozen=True)
class LiftErrors:
    """Means over all frames of all motions and views of a split."""

    mpjpe_mm: float
    pa_mpjpe_mm: float
    motions: int
    frames: int


def summarise(pairs: list[tuple[AnyFloat, AnyFloat]]) -> LiftErrors:
    """Errors over (predicted, truth) pairs, each (T, J, 3); every frame counts once.

    Raises:
        ValueError: No pair.
    """
    if not pairs:
        raise ValueError("no motion to measure")
    plain = np.concatenate([mpjpe(p, q) for p, q in pairs])
    aligned = np.concatenate([pa_mpjpe(p, q) for p, q in pairs])
    return LiftErrors(float(plain.mean()), float(aligned.mean()), len(pairs), len(plain))
