"""A few motions beside their lifts, from the best lifted to the worst, to look at."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from models.checkpoint import Checkpoint
from models.data.motion import Motion
from models.lifting.evaluate_lift import LiftPlan
from models.lifting.lift import lift
from models.lifting.lift_metrics import pa_mpjpe
from models.lifting.lift_observation import observe, true_motion
from models.lifting.lift_report import LiftReport
from pipeline.arrays import Float32


@dataclass(frozen=True)
class LiftedClip:
    """What the network made of one view of a motion."""

    joints: Float32
    """(T, J, 3) metres."""
    pa_mpjpe_mm: float
    """Of this view."""
    hidden: str
    """The body part that the view hid; empty: none."""


@dataclass(frozen=True)
class LiftExample:
    """One motion and its lifts."""

    motion_id: str
    action: str
    pa_mpjpe_mm: float
    """On clean 2D, over all of the report's views."""
    truth: Float32
    """(T, J, 3) metres."""
    lifted: Mapping[str, LiftedClip]
    """By condition, from the plan's first view."""


def lift_examples(
    checkpoint: Checkpoint,
    motions: Sequence[Motion],
    report: LiftReport,
    plan: LiftPlan,
    count: int,
) -> list[LiftExample]:
    """Lift some motions again, at even distances in the order of their PA-MPJPE, worst first.

    Args:
        checkpoint: The network that the report is about.
        motions: The motions that were measured.
        report: Their errors.
        plan: Views and conditions.
        count: At most so many.
    """
    by_id = {motion.motion_id: motion for motion in motions}
    worst_first = sorted(report.by_motion, key=lambda name: -report.by_motion[name].pa_mpjpe_mm)
    ranks = np.linspace(0, len(worst_first) - 1, min(count, len(worst_first))).round()
    names = [worst_first[int(rank)] for rank in ranks]
    return [
        _example(checkpoint, by_id[name], report.by_motion[name].pa_mpjpe_mm, plan)
        for name in names
    ]


def _example(
    checkpoint: Checkpoint, motion: Motion, error_mm: float, plan: LiftPlan
) -> LiftExample:
    skeleton = checkpoint.skeleton
    truth = true_motion(motion, skeleton).joints
    lifted = {}
    for condition in plan.conditions:
        seen = observe(motion, plan.views[0], skeleton, condition)
        joints = lift(checkpoint, seen.features, seen.mask).joints
        metres = joints * np.float32(skeleton.metres_per_unit)
        off = float(pa_mpjpe(metres, truth).mean())
        lifted[condition.name] = LiftedClip(metres, off, seen.hidden)
    shown = truth.astype(np.float32)
    return LiftExample(motion.motion_id, motion.action, error_mm, shown, lifted)
