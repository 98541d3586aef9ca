"""A few motions from video with the labels of every maker, to look at."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from models.data.motion import Motion
from models.evaluation.wild import Label
from models.evaluation.wild_report import REPROJECTION, WildReport
from pipeline.arrays import Float32


@dataclass(frozen=True)
class ShownLabel:
    """One maker's label of one motion."""

    joints: Float32
    """(T, J, 3) metres."""
    reprojection_m: float


@dataclass(frozen=True)
class WildExample:
    """One motion and its labels."""

    motion_id: str
    action: str
    labels: Mapping[str, ShownLabel]
    """By maker."""


def wild_examples(
    motions: Sequence[Motion], report: WildReport, makers: Mapping[str, Label], count: int
) -> list[WildExample]:
    """Some motions at even distances in the order of the first maker's reprojection error.

    Args:
        motions: The motions that were measured.
        report: Their figures.
        makers: Who labels, by name, as they were measured.
        count: At most so many.
    """
    by_id = {motion.motion_id: motion for motion in motions}
    first = report.figures[report.makers[0]]
    known = [name for name in first if REPROJECTION in first[name]]
    known.sort(key=lambda name: -first[name][REPROJECTION])
    ranks = np.linspace(0, len(known) - 1, min(count, len(known))).round()
    return [_example(by_id[known[int(rank)]], report, makers) for rank in ranks]


def _example(motion: Motion, report: WildReport, makers: Mapping[str, Label]) -> WildExample:
    labels = {}
    for maker, label in makers.items():
        joints = label(motion)
        if joints is not None:
            off = report.figures[maker][motion.motion_id][REPROJECTION]
            labels[maker] = ShownLabel(joints, off)
    return WildExample(motion.motion_id, motion.action, labels)
