"""From a detected person to the square in which BlazePose reads their joints."""

import math

import numpy as np

from pipeline.arrays import Float32
from pipeline.pose.blazepose_graphs import Reading, Roi
from pipeline.pose.joint_sets import COCO17, MEDIAPIPE33
from pipeline.pose.movenet import Detection
from pipeline.pose.protocol import FramePersons
from pipeline.tracking import keypoint_similarity

REACH = 1.07
"""Half the square's side over the distance from the mid-hips to the box's farthest corner: median
against the squares that BlazePose led itself to, 141 frames of 14 rendered training clips (half of
them within 1.02 to 1.13)."""
LEAST_TRUNK = 0.1
"""A trunk shorter than this share of the box's longer side (as seen from above) points nowhere."""

HIPS = [COCO17.index("left_hip"), COCO17.index("right_hip")]
SHOULDERS = [COCO17.index("left_shoulder"), COCO17.index("right_shoulder")]
AS_COCO = [MEDIAPIPE33.index(name) for name in COCO17.joints]


def seat_of(person: Detection) -> Roi:
    """Where BlazePose shall read a detected person's joints.

    Args:
        person: As found.

    Returns:
        The square around the mid-hips that holds the box, turned so that the trunk stands upright.
    """
    hips, shoulders = person.joints[HIPS].mean(axis=0), person.joints[SHOULDERS].mean(axis=0)
    x0, y0, x1, y1 = person.box
    corners = np.array([[x0, y0], [x1, y0], [x0, y1], [x1, y1]], np.float32)
    side = 2 * REACH * float(np.linalg.norm(corners - hips, axis=1).max())
    trunk = shoulders - hips
    known = float(np.linalg.norm(trunk)) > LEAST_TRUNK * max(x1 - x0, y1 - y0)
    rotation = math.atan2(float(trunk[0]), -float(trunk[1])) if known else 0.0
    return Roi(float(hips[0]), float(hips[1]), side, side, rotation, person.score)


def agreement(person: Detection, reading: Reading) -> float:
    """OKS between a detection's joints and those read, over COCO's, in [0, 1].

    Args:
        person: As found.
        reading: The joints that BlazePose read.
    """
    x0, y0, x1, y1 = person.box
    area = np.array([(x1 - x0) * (y1 - y0)], np.float64)
    found = FramePersons(person.joints[None], person.confidence[None])
    read = FramePersons(reading.joints[None, AS_COCO], reading.visibility[None, AS_COCO])
    return float(keypoint_similarity(found, read, area, COCO17.oks_sigmas)[0, 0])


def turned_between(a: Roi, b: Roi) -> float:
    """Angle between two squares, radians, in [0, pi]."""
    return abs((a.rotation - b.rotation + math.pi) % (2 * math.pi) - math.pi)


def box_of(reading: Reading) -> Float32:
    """(4,) x0 y0 x1 y1 around all joints read, pixels."""
    return np.concatenate([reading.joints.min(axis=0), reading.joints.max(axis=0)])
