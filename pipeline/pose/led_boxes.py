"""Boxes that poses lead on to the next frame, where no detector looks."""

import numpy as np

from pipeline.arrays import Float32
from pipeline.person_outline import outline_boxes
from pipeline.pose.protocol import FramePersons
from pipeline.tracking import box_iou

ROOM = 0.1
"""Share of a box's longer side that it grows by on each side: people move between two frames."""
LEAST_CONFIDENCE = 0.2
"""A pose with a lower mean over its joints is no person any more."""
DOUBLE_IOU = 0.85
"""Two boxes that overlap more have slid onto one person; the surer pose stays."""


def boxes_led_on(persons: FramePersons, joint_set: str, frame_size: tuple[int, int]) -> Float32:
    """Where the persons of one frame will be in the next.

    Args:
        persons: As the pose network saw them.
        joint_set: Name of their joints' set.
        frame_size: (width, height), pixels.

    Returns:
        (P, 4) x0 y0 x1 y1 pixels inside the picture, surest first; lost and doubled persons gone.
    """
    sure = persons.confidence.mean(axis=1)
    boxes = outline_boxes(persons.joints, persons.confidence, joint_set)
    grow = ROOM * (boxes[:, 2:] - boxes[:, :2]).max(axis=1, keepdims=True, initial=0.0)
    boxes = np.concatenate([boxes[:, :2] - grow, boxes[:, 2:] + grow], axis=1)
    boxes = np.clip(boxes, 0, np.tile(frame_size, 2)).astype(np.float32)
    kept: list[int] = []
    for i in np.argsort(-sure, kind="stable").tolist():
        alone = not kept or box_iou(boxes[[i]], boxes[kept]).max() <= DOUBLE_IOU
        if sure[i] >= LEAST_CONFIDENCE and np.isfinite(boxes[i]).all() and alone:
            kept.append(i)
    return boxes[kept]
