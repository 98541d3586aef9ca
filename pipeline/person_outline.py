"""From joints to the box a human would draw: the outline lies outside the joints."""

import numpy as np

from pipeline.arrays import Bool, Float32
from pipeline.pose.joint_sets import JOINT_SETS, JointSet

VERTEX_BEYOND_EARS = 0.65
"""The top of the head lies this many shoulder-to-ear lengths beyond the ears: standing, shoulders
are at 0.82 of the stature (D. A. Winter, Biomechanics and Motor Control of Human Movement), ears at
0.93 and the top at 1."""
FLESH = 0.05
"""Share of the joints' box's longer side by which the outline lies outside the outer joints: the
trunk's half depth, the fingertips beyond the knuckles, a shoe below the ankle."""


def outline_boxes(joints: Float32, confidence: Float32, joint_set: str) -> Float32:
    """Boxes around whole bodies, for comparison with boxes that humans drew.

    Args:
        joints: (..., J, 2) pixels.
        confidence: (..., J); joints with 0 do not count.
        joint_set: Their joint set's name.

    Returns:
        (..., 4) x0 y0 x1 y1 pixels; NaN where no joint counts. Not clipped to the picture.
    """
    points, counts = _with_vertex(joints, confidence > 0, JOINT_SETS[joint_set])
    low = np.where(counts[..., None], points, np.inf).min(axis=-2)
    high = np.where(counts[..., None], points, -np.inf).max(axis=-2)
    with np.errstate(invalid="ignore"):
        grow = FLESH * (high - low).max(axis=-1, keepdims=True)
        boxes = np.concatenate([low - grow, high + grow], axis=-1)
    return np.where(np.isfinite(boxes), boxes, np.nan).astype(np.float32)


def _with_vertex(joints: Float32, counts: Bool, names: JointSet) -> tuple[Float32, Bool]:
    """The joints and, where ears and shoulders count, the top of the head as one more."""
    ears = [names.index("left_ear"), names.index("right_ear")]
    shoulders = [names.index("left_shoulder"), names.index("right_shoulder")]
    ear, shoulder = joints[..., ears, :].mean(axis=-2), joints[..., shoulders, :].mean(axis=-2)
    vertex = ear + VERTEX_BEYOND_EARS * (ear - shoulder)
    known = counts[..., ears + shoulders].all(axis=-1)
    return (
        np.concatenate([joints, vertex[..., None, :]], axis=-2),
        np.concatenate([counts, known[..., None]], axis=-1),
    )
