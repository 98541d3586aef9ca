"""The lift's error on motions with known 3D, beside its baselines, view by view."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from models.baselines import (
    BODY,
    WORLD,
    LinearRegressor,
    MeanPose,
    body_frame_pose,
    fit_linear,
    fit_mean_pose,
    pose_targets,
)
from models.checkpoint import Checkpoint
from models.lift import lift
from models.lift_metrics import mpjpe, pa_mpjpe
from models.training_data import Motion
from pipeline.arrays import Float32, Float64
from pipeline.representation2d import features_from_view
from pipeline.representation3d import features_from_canonical, recover_joints
from pipeline.skeletons import Skeleton
from pipeline.views import project_view

FOUR_VIEWS = (0.0, 90.0, 180.0, 270.0)
"""Azimuths of front, left, back and right, degrees."""
CROSSDIFF, MEAN_POSE, LINEAR = "crossdiff", "mean_pose", "linear"


@dataclass(frozen=True)
class Errors:
    """Means over frames, millimetres, all joints, root aligned.

    A baseline is fitted in the frame of reference of each metric. Under PA-MPJPE the frame of
    reference is free: the one with which the baseline does best is reported.
    """

    mpjpe_mm: float
    """In the world: frame 0 faces +Z, the heading is the method's own."""
    body_mpjpe_mm: float
    """Every frame turned to face +Z: the pose without the heading."""
    pa_mpjpe_mm: float
    """After the best similarity transform of every frame."""


@dataclass(frozen=True)
class MethodReport:
    """One method's errors."""

    overall: Errors
    by_view: Mapping[str, Errors]
    """Keyed by azimuth in degrees."""


@dataclass(frozen=True)
class LiftReport:
    """Errors of CrossDiff, the mean pose and the linear regressor on the same frames."""

    motions: int
    frames: int
    """Of the motions; every frame is seen once per view."""
    views_deg: tuple[float, ...]
    methods: Mapping[str, MethodReport]
    """Keyed `crossdiff`, `mean_pose`, `linear`."""

    def to_json(self) -> dict[str, Any]:
        """Plain values: counts, and per method the errors overall and `by_view`."""
        out: dict[str, Any] = {
            "motions": self.motions,
            "frames": self.frames,
            "views_deg": list(self.views_deg),
        }
        for name, method in self.methods.items():
            views = {view: asdict(errors) for view, errors in method.by_view.items()}
            out[name] = {**asdict(method.overall), "by_view": views}
        return out

    def lines(self) -> list[str]:
        """A table for people."""
        head = f"{'':10} {'view':>5} {'MPJPE':>8} {'in body frame':>14} {'PA-MPJPE':>9}  mm"
        rows = [
            f"{name:10} {view:>5} {e.mpjpe_mm:8.1f} {e.body_mpjpe_mm:14.1f} {e.pa_mpjpe_mm:9.1f}"
            for name, method in self.methods.items()
            for view, e in {"all": method.overall, **method.by_view}.items()
        ]
        return [f"{self.motions} motions, {self.frames} frames, root aligned", head, *rows]


@dataclass(frozen=True)
class _Clip:
    """One motion seen from one azimuth, with the truth."""

    features2: Float32
    """(T, D2)"""
    features3: Float32
    """(T, D3)"""
    azimuth_deg: float

    def targets(self, skeleton: Skeleton) -> Float64:
        return pose_targets(self.features3, self.azimuth_deg, skeleton)


@dataclass(frozen=True)
class _FrameErrors:
    """Errors of each frame of one clip, millimetres."""

    world: Float64
    """(T,)"""
    body: Float64
    """(T,)"""
    aligned: Float64
    """(T, F), one column per frame of reference that the method was fitted in."""


def _clips(
    motions: Sequence[Motion], views: Sequence[float], skeleton: Skeleton
) -> dict[float, list[_Clip]]:
    out: dict[float, list[_Clip]] = {view: [] for view in views}
    for motion in motions:
        features3 = features_from_canonical(motion.joints.astype(np.float64), skeleton)
        for view, clips in out.items():
            features2 = features_from_view(project_view(motion.joints, view), skeleton)
            clips.append(_Clip(features2, features3, view))
    return out


def _lift_errors(checkpoint: Checkpoint, clip: _Clip) -> _FrameErrors:
    skeleton = checkpoint.skeleton
    lifted = lift(checkpoint, clip.features2)
    truth = recover_joints(clip.features3, skeleton)
    bodies = [body_frame_pose(f, skeleton) for f in (lifted.features, clip.features3)]
    aligned = pa_mpjpe(lifted.joints, truth)[:, None]
    return _FrameErrors(mpjpe(lifted.joints, truth), mpjpe(bodies[0], bodies[1]), aligned)


def _baseline_errors(
    model: MeanPose | LinearRegressor, clip: _Clip, skeleton: Skeleton
) -> _FrameErrors:
    predicted, truth = model.predict(clip.features2), clip.targets(skeleton)
    aligned = [pa_mpjpe(predicted[:, f], truth[:, WORLD]) for f in range(truth.shape[1])]
    return _FrameErrors(
        mpjpe(predicted[:, WORLD], truth[:, WORLD]),
        mpjpe(predicted[:, BODY], truth[:, BODY]),
        np.stack(aligned, axis=-1),
    )


def _mean_errors(parts: Sequence[_FrameErrors], best: int) -> Errors:
    world, body = (np.concatenate([getattr(p, f) for p in parts]) for f in ("world", "body"))
    aligned = np.concatenate([p.aligned[:, best] for p in parts])
    return Errors(float(world.mean()), float(body.mean()), float(aligned.mean()))


def _method_report(by_view: Mapping[float, Sequence[_FrameErrors]]) -> MethodReport:
    everything = [part for parts in by_view.values() for part in parts]
    best = int(np.concatenate([p.aligned for p in everything]).mean(axis=0).argmin())
    views = {f"{view:g}": _mean_errors(parts, best) for view, parts in by_view.items()}
    return MethodReport(_mean_errors(everything, best), views)


def evaluate_lift(
    checkpoint: Checkpoint,
    motions: Sequence[Motion],
    train_motions: Sequence[Motion],
    views: Sequence[float] = FOUR_VIEWS,
) -> LiftReport:
    """Lift clean projected views of known motions and measure the error.

    The baselines are fitted on all views together: like the network, they are not told the view.

    Args:
        checkpoint: The network.
        motions: The split to measure on, canonical joints.
        train_motions: What the baselines are fitted to.
        views: Azimuths in degrees.

    Raises:
        ValueError: No motion in one of the two, or no view.
    """
    if not motions or not views:
        raise ValueError("no motion to measure the lift on")
    skeleton = checkpoint.skeleton
    training = [c for clips in _clips(train_motions, views, skeleton).values() for c in clips]
    mean_pose = fit_mean_pose(c.targets(skeleton) for c in training)
    linear = fit_linear(((c.features2, c.targets(skeleton)) for c in training), skeleton)
    measured = _clips(motions, views, skeleton)
    methods = {CROSSDIFF: {v: [_lift_errors(checkpoint, c) for c in measured[v]] for v in measured}}
    for name, model in ((MEAN_POSE, mean_pose), (LINEAR, linear)):
        methods[name] = {
            v: [_baseline_errors(model, c, skeleton) for c in clips]
            for v, clips in measured.items()
        }
    return LiftReport(
        motions=len(motions),
        frames=sum(len(m.joints) - 1 for m in motions),
        views_deg=tuple(views),
        methods={name: _method_report(by_view) for name, by_view in methods.items()},
    )
