"""What can be known of a pseudo-3D label without any truth: the figures its score is made from.

All of them are about the plain lift, before refinement and clean-up: those make a label fit what
was seen, and would take away what tells a sound lift from a poor one.
"""

from dataclasses import dataclass

import numpy as np

from pipeline.arrays import AnyFloat, Bool, Float32, Float64
from pipeline.camera_fit import CameraFit, camera_rotation, fit_camera
from pipeline.plausibility import MIN_FRAMES, bone_variation, jitter, skating_ratio
from pipeline.skeletons import Skeleton
from pipeline.views import UNITS_PER_METRE

PELVIS = 0


@dataclass(frozen=True)
class LabelEvidence:
    """One motion's figures; None where a figure is not known. See `gather_evidence`."""

    reprojection_m: float | None
    """Mean 2D distance between the lift, seen by the camera that fits best, and what was seen."""
    confidence: float
    """Mean confidence of the 2D estimator over the joints that were seen, 0..1."""
    unseen_share: float
    """Share of joint-frames that were not seen."""
    jitter: float
    """Mean jerk of the lift, m/s^3."""
    shake: float
    """Mean jerk of the seen 2D joints about the root, m/s^3: trembling that cleaning left."""
    skating_ratio: float
    """Share of frames in which a foot skids, percent."""
    bone_variation: float
    """Spread over time of the lift's bone lengths, percent."""
    bone_error: float
    """Mean distance of the lift's mean bone lengths from the canonical body's, share of them."""
    speed_m_s: float
    """Mean speed of the joints about the root."""
    foreshortening: float
    """Mean share of a bone's length that points towards or away from the camera, 0..1."""
    lean: float
    """How far the trunk is from upright, mean over frames: 0 upright, 1 upside down."""
    spread_m: float | None
    """Mean disagreement of an ensemble of lifts; None where there was none."""
    person_px: float | None
    """Height of a standing person of this scale in the picture, pixels."""
    camera_quality: float | None
    """How sure the camera's path is, 0..1; None where it was not estimated."""
    perspective_error_m: float | None
    """How far perspective moves joints that the lift takes for unmoved."""
    joint_reprojection_m: Float64
    """(J,) NaN where a joint was never seen, and for the root, which is aligned."""
    joint_confidence: Float64
    """(J,) 0 where a joint was never seen."""
    joint_unseen_share: Float64
    """(J,)"""
    joint_foreshortening: Float64
    """(J,) Of the bone that ends in the joint; 0 for the root."""
    joint_spread_m: Float64 | None
    """(J,)"""


def gather_evidence(
    joints3d: Float32,
    view: Float32,
    seen: Bool,
    confidence: Float32,
    skeleton: Skeleton,
    *,
    camera: CameraFit | None = None,
    spread: AnyFloat | None = None,
    person_px: float | None = None,
    camera_quality: float | None = None,
    perspective_error_m: float | None = None,
) -> LabelEvidence:
    """All figures of one lifted motion.

    Args:
        joints3d: (T, J, 3) metres, as lifted: neither refined nor cleaned up.
        view: (T, J, 2) what was lifted, in the view's scale.
        seen: (T, J).
        confidence: (T, J) the 2D estimator's, 0..1.
        skeleton: Names bones and feet, and has the frame rate.
        camera: That fits best; None: fitted here.
        spread: (T, J) metres, of an ensemble of lifts.
        person_px: Height in the picture, pixels.
        camera_quality: 0..1.
        perspective_error_m: Metres.

    Raises:
        ValueError: Shapes that differ, under four frames, or joints that are not finite.
    """
    _check(joints3d, view, seen, confidence, spread)
    fit = camera or fit_camera(joints3d, view, seen)
    turn = camera_rotation(fit.azimuth_deg, fit.elevation_deg)
    body = (joints3d - joints3d[:, :1]).astype(np.float64) @ turn.T
    shown = (view - view[:, :1]).astype(np.float64) / UNITS_PER_METRE
    known = seen & seen[:, :1]
    depth = _depth_share(body, skeleton)
    counts = seen.sum(axis=0)
    return LabelEvidence(
        reprojection_m=fit.reprojection_m if np.isfinite(fit.reprojection_m) else None,
        confidence=float(confidence[seen].mean()) if seen.any() else 0.0,
        unseen_share=float(1.0 - seen.mean()),
        jitter=jitter(joints3d, skeleton),
        shake=_shake(shown, known, skeleton.fps),
        skating_ratio=skating_ratio(joints3d, skeleton),
        bone_variation=bone_variation(joints3d, skeleton),
        bone_error=_bone_error(joints3d, skeleton),
        speed_m_s=_speed(body, skeleton.fps),
        foreshortening=float(depth[1:].mean()),
        lean=_lean(body, skeleton),
        spread_m=None if spread is None else float(spread.mean()),
        person_px=person_px,
        camera_quality=camera_quality,
        perspective_error_m=perspective_error_m,
        joint_reprojection_m=_joint_reprojection(body, shown, known),
        joint_confidence=(confidence * seen).sum(axis=0) / np.maximum(counts, 1),
        joint_unseen_share=1.0 - seen.mean(axis=0),
        joint_foreshortening=depth,
        joint_spread_m=None if spread is None else spread.astype(np.float64).mean(axis=0),
    )


def _check(
    joints3d: Float32, view: Float32, seen: Bool, confidence: Float32, spread: AnyFloat | None
) -> None:
    frames, joints = joints3d.shape[:2]
    wanted = {"view": (frames, joints, 2), "seen": (frames, joints), "confidence": (frames, joints)}
    have = {"view": view.shape, "seen": seen.shape, "confidence": confidence.shape}
    if spread is not None:
        wanted["spread"], have["spread"] = (frames, joints), spread.shape
    for name, shape in wanted.items():
        if have[name] != shape:
            raise ValueError(f"{name} is {have[name]}, expected {shape} as the joints are")
    if frames < MIN_FRAMES:
        raise ValueError(f"evidence needs a motion of {MIN_FRAMES} frames or more, got {frames}")
    if not np.isfinite(joints3d).all():
        raise ValueError("evidence needs finite joints: the lift holds NaN or infinity")


def _joint_reprojection(body: Float64, shown: Float64, known: Bool) -> Float64:
    """(J,) mean 2D distance over the frames in which a joint was seen; NaN for none, and root."""
    off = np.linalg.norm(body[..., :2] - shown, axis=-1) * known
    counts = known.sum(axis=0)
    mean = off.sum(axis=0) / np.maximum(counts, 1)
    mean[counts == 0] = np.nan
    mean[PELVIS] = np.nan
    return np.asarray(mean)


def _shake(shown: Float64, known: Bool, fps: float) -> float:
    """Mean third time difference where four frames in a row were seen; 0 where none were."""
    third = np.linalg.norm(np.diff(shown, n=3, axis=0), axis=-1) * fps**3
    whole = known[:-3] & known[1:-2] & known[2:-1] & known[3:]
    whole[:, PELVIS] = False
    return float(third[whole].mean()) if whole.any() else 0.0


def _speed(body: Float64, fps: float) -> float:
    return float(np.linalg.norm(np.diff(body, axis=0), axis=-1).mean() * fps)


def _bone_lengths(joints: AnyFloat, skeleton: Skeleton) -> Float64:
    """(T, J-1) of the bones in joint order."""
    parents, children = (list(ends) for ends in zip(*skeleton.bones, strict=True))
    bones = joints[:, children].astype(np.float64) - joints[:, parents]
    return np.asarray(np.linalg.norm(bones, axis=-1))


def _bone_error(joints: AnyFloat, skeleton: Skeleton) -> float:
    """Against the canonical body, up to one factor: the scale of a body is nobody's fault.

    Skeletons without a canonical body have 0 here.
    """
    if skeleton.canonical_lengths is None:
        return 0.0
    told = np.asarray(skeleton.canonical_lengths)[[child for _, child in skeleton.bones]]
    ratio = _bone_lengths(joints, skeleton).mean(axis=0) / told
    return float(np.abs(ratio / ratio.mean() - 1.0).mean())


def _depth_share(body: Float64, skeleton: Skeleton) -> Float64:
    """(J,) share of each bone's length along the camera's axis, mean over frames; root 0."""
    parents, children = (list(ends) for ends in zip(*skeleton.bones, strict=True))
    bones = body[:, children] - body[:, parents]
    length = np.maximum(np.linalg.norm(bones, axis=-1), np.finfo(np.float64).tiny)
    out = np.zeros(body.shape[1])
    out[children] = (np.abs(bones[..., 2]) / length).mean(axis=0)
    return out


def _lean(body: Float64, skeleton: Skeleton) -> float:
    """Mean of (1 - cos of the trunk's angle to upright) / 2."""
    neck, _ = skeleton.neck_and_head
    trunk = body[:, neck] - body[:, PELVIS]
    length = np.maximum(np.linalg.norm(trunk, axis=-1), np.finfo(np.float64).tiny)
    return float((1.0 - trunk[:, 1] / length).mean() / 2.0)
