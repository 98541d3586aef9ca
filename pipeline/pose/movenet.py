"""Google's MoveNet MultiPose: up to six people in a picture, a box and 17 joints each.

Its convolutions lie beside this file as ONNX and run in OpenCV; what is made of the maps that they
give is here: CenterNet's reading (Zhou et al., "Objects as Points", 2019), as the published model
does it.
"""

import hashlib
import math
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from pipeline.arrays import Float32, UInt8
from pipeline.pose.joint_sets import COCO17
from pipeline.pose.protocol import PoseSetupError
from pipeline.reasons import PipelineError, Reason

WEIGHTS = Path(__file__).parent / "weights" / "movenet_multipose_lightning.onnx"
HEADS = ("center", "box_scale", "box_offset", "joint_heat", "joint_regress", "joint_offset")
STEP = 32
"""The network takes pictures whose sides are multiples of this, pixels ..."""
CELL = 4
"""... and gives maps of cells of so many pixels."""
LONG_SIDE = 256
"""Longer side that pictures are brought to, pixels: what the network was made for. At 384 it finds
no more (UCF24) and takes twice as long."""
MOST_PEOPLE = 6
PEAK_CELLS = 5
"""A person's middle is the highest in a square of so many cells."""
JOINT_SPREAD = 0.3
"""A joint is sought near where the person's middle says: its heat counts exp(-d^2 / (0.3 n)), d
cells away, n the maps' shorter side."""
SURE_JOINT = 0.126953125
"""Joints above this (as published) make up a person's score."""


@dataclass(frozen=True, eq=False)
class Detection:
    """One person found in one picture."""

    box: Float32 = field(repr=False)
    """(4,) x0 y0 x1 y1 pixels."""
    joints: Float32 = field(repr=False)
    """(17, 2) pixels, COCO's order."""
    confidence: Float32 = field(repr=False)
    """(17,) in [0, 1]."""
    score: float
    """The middle's heat times the mean of the sure joints', in [0, 1]."""


class MoveNet:
    """Finds people anywhere in a picture; keeps nothing from one picture to the next."""

    def __init__(self, min_score: float) -> None:
        """Load the network.

        Args:
            min_score: Least `Detection.score`.

        Raises:
            PoseSetupError: The weights are not there, or cannot be read.
        """
        self._min_score = min_score
        try:
            self._net = cv2.dnn.readNetFromONNX(np.frombuffer(weight_bytes(), np.uint8))
        except cv2.error as error:
            raise PoseSetupError(
                f"{WEIGHTS.name} is no ONNX network that OpenCV can read: install crossdiff again"
            ) from error

    def find(self, picture: UInt8) -> list[Detection]:
        """Who is in a picture.

        Args:
            picture: (H, W, 3) RGB.

        Returns:
            At most six people, surest first.

        Raises:
            PipelineError: OpenCV failed (`POSE_ERROR`).
        """
        taken, scale = _fitted(picture)
        try:
            self._net.setInput(taken)
            maps = dict(zip(HEADS, self._net.forward(HEADS), strict=True))
        except cv2.error as error:
            raise PipelineError(Reason.POSE_ERROR, f"MoveNet failed: {error.err}") from error
        people = _read_maps({name: one[0] for name, one in maps.items()}, scale)
        return [person for person in people if person.score >= self._min_score]


def weight_bytes() -> bytes:
    """The network's file.

    Raises:
        PoseSetupError: It is not there.
    """
    try:
        return WEIGHTS.read_bytes()
    except OSError as error:
        raise PoseSetupError(
            f"the people detector's weights {WEIGHTS.name} are missing: install crossdiff again"
        ) from error


def weights_sha() -> str:
    """First twelve digits of the weights' SHA-256."""
    return hashlib.sha256(weight_bytes()).hexdigest()[:12]


def _fitted(picture: UInt8) -> tuple[Float32, float]:
    """(1, 3, h, w) the picture at the network's size, black at its right and lower edge.

    With it, how many times larger the picture's pixels became.
    """
    height, width = picture.shape[:2]
    scale = LONG_SIDE / max(height, width)
    w, h = (max(1, round(side * scale)) for side in (width, height))
    room = np.zeros((math.ceil(h / STEP) * STEP, math.ceil(w / STEP) * STEP, 3), np.float32)
    room[:h, :w] = cv2.resize(picture, (w, h), interpolation=cv2.INTER_LINEAR)
    return np.ascontiguousarray(room.transpose(2, 0, 1)[None]), scale


def _read_maps(maps: dict[str, Float32], scale: float) -> list[Detection]:
    """Everybody in the maps ((C, h, w) each), surest first."""
    heat = _sigmoid(maps["center"][0])
    joint_heat, to_pixels = _sigmoid(maps["joint_heat"]), CELL / scale
    found = []
    for y, x in _peaks(heat):
        size, offset = maps["box_scale"][:, y, x], maps["box_offset"][:, y, x]
        middle = np.array([y, x], np.float32) + offset
        half, limits = np.maximum(size, 0) / 2, np.array(heat.shape, np.float32)
        low, high = (np.clip(middle + sign * half, 0, limits) for sign in (-1, 1))
        guess = np.array([y, x], np.float32) + maps["joint_regress"][:, y, x].reshape(-1, 2)
        joints, confidence = _joints(joint_heat, maps["joint_offset"], guess, low, high)
        sure = confidence[confidence > SURE_JOINT]
        score = float(heat[y, x] * (sure.mean() if len(sure) else 0.0))
        box = np.concatenate([low[::-1], high[::-1]]) * to_pixels
        found.append(Detection(box, joints[:, ::-1] * to_pixels, confidence, score))
    return sorted(found, key=lambda person: -person.score)


def _peaks(heat: Float32) -> list[tuple[int, int]]:
    """(row, column) of the highest cells that stand above their neighbours."""
    around = cv2.dilate(heat, np.ones((PEAK_CELLS, PEAK_CELLS), np.uint8))
    standing = np.where(heat >= around, heat, 0.0).ravel()
    best = np.argsort(-standing, kind="stable")[:MOST_PEOPLE]
    return [divmod(int(i), heat.shape[1]) for i in best if standing[i] > 0]


def _joints(
    heat: Float32, offsets: Float32, guess: Float32, low: Float32, high: Float32
) -> tuple[Float32, Float32]:
    """(17, 2) row and column of one person's joints, in cells, and (17,) how hot they are.

    Args:
        heat: (17, h, w).
        offsets: (34, h, w) from a cell to the joint in it.
        guess: (17, 2) where the person's middle says that they are.
        low: (2,) the box's first row and column; joints lie inside.
        high: (2,) its last.
    """
    height, width = heat.shape[1:]
    rows, columns = np.arange(height, dtype=np.float32), np.arange(width, dtype=np.float32)
    away = (rows[None, :, None] - guess[:, 0, None, None]) ** 2
    away = away + (columns[None, None, :] - guess[:, 1, None, None]) ** 2
    inside = ((rows >= low[0]) & (rows < high[0]))[:, None]
    inside = inside & ((columns >= low[1]) & (columns < high[1]))[None]
    weighed = heat * np.exp(-away / (JOINT_SPREAD * min(height, width))) * inside
    best = weighed.reshape(len(COCO17), -1).argmax(axis=1)
    row, column = np.divmod(best, width)
    each = np.arange(len(COCO17))
    shift = offsets.reshape(len(COCO17), 2, height, width)[each, :, row, column]
    joints = np.stack([row, column], axis=1).astype(np.float32) + shift
    return joints, weighed[each, row, column].astype(np.float32)


def _sigmoid(values: Float32) -> Float32:
    return (1 / (1 + np.exp(-values))).astype(np.float32)
