"""2D joints drawn over a video picture: solid where known, hollow and grey where not."""

import numpy as np

from pipeline.arrays import AnyFloat, Bool, UInt8
from pipeline.joint_mapping import CONFIDENCE_THRESHOLD
from pipeline.render import canvas
from pipeline.render.palette import OUTLINE, UNSEEN, rig
from pipeline.render.subjects import CleanedPose, DetectedPose
from pipeline.skeletons import HUMANML3D

REFERENCE_HEIGHT_PX = 480.0
"""Picture height for which the widths below are meant; they grow and shrink with it."""
BONE_PX = 3.4
JOINT_PX = 3.6
QUIET_BONE_PX = 1.0
QUIET_JOINT_PX = 2.0


def draw_pose(
    picture: UInt8, scale: float, detected: DetectedPose | None, cleaned: CleanedPose | None
) -> None:
    """Draw what is known of a person over a picture, in place.

    With cleaned joints, those are drawn bold and the detector's faintly behind them; without,
    the detector's are drawn bold. A joint that is masked or of low confidence is a hollow grey
    ring; one without a position (NaN, or masked after cleaning) is not drawn at all.

    Args:
        picture: (H, W, 3) RGB, already scaled.
        scale: Size of the picture over that of the video: joints are in the video's pixels.
        detected: The detector's joints.
        cleaned: The 22 cleaned joints.
    """
    if detected is not None:
        joints = to_picture(detected.joints, scale)
        trusted = detected.confidence >= CONFIDENCE_THRESHOLD
        _draw_joints(picture, detected.joint_set, joints, trusted, quiet=cleaned is not None)
    if cleaned is not None:
        joints = to_picture(np.where(cleaned.seen[:, None], cleaned.joints, np.nan), scale)
        _draw_joints(picture, HUMANML3D.name, joints, cleaned.seen, quiet=False)


def to_picture(joints: AnyFloat, scale: float) -> AnyFloat:
    """Video pixels to pixels of the scaled picture: pixel centres stay pixel centres."""
    return (joints + 0.5) * scale - 0.5


def _draw_joints(
    picture: UInt8, joint_set: str, joints: AnyFloat, known: Bool, *, quiet: bool
) -> None:
    edges, edge_limbs, joint_limbs = rig(joint_set)
    grow = len(picture) / REFERENCE_HEIGHT_PX
    bone_px = max(1.0, (QUIET_BONE_PX if quiet else BONE_PX) * grow)
    joint_px = max(1.2, (QUIET_JOINT_PX if quiet else JOINT_PX) * grow)
    if not quiet:
        for a, b in edges:
            if known[a] and known[b]:
                canvas.line(picture, joints[a], joints[b], OUTLINE, bone_px + 2 * grow)
    for (a, b), limb in zip(edges, edge_limbs, strict=True):
        sure = known[a] and known[b]
        colour = limb.colour if sure and not quiet else UNSEEN
        canvas.line(picture, joints[a], joints[b], colour, bone_px if sure else 1.0)
    for joint, limb in enumerate(joint_limbs):
        if not known[joint]:
            canvas.ring(picture, joints[joint], joint_px + 1.0, OUTLINE, 2.5 * grow)
            canvas.ring(picture, joints[joint], joint_px + 1.0, UNSEEN, 1.5 * grow)
        elif quiet:
            canvas.disc(picture, joints[joint], joint_px, UNSEEN)
        else:
            canvas.disc(picture, joints[joint], joint_px + grow, OUTLINE)
            canvas.disc(picture, joints[joint], joint_px, limb.colour)
