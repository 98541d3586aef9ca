"""A posed body put on the floor, and how well it does what was captured."""

from dataclasses import replace

import numpy as np
from scipy.ndimage import gaussian_filter1d

from pipeline.arrays import Float64
from pipeline.parametric_body.posed import PosedBody
from pipeline.parametric_body.posing import JOINT

STANDING_M = 0.03
"""A frame whose lowest captured joint is so near to the clip's lowest touches the floor."""
SETTLE_FRAMES = 3.0
"""Standard deviation of the smoothing of the correction in height."""
LOW_PERCENTILE = 5.0


def settle(posed: PosedBody, captured: Float64) -> PosedBody:
    """Put the body on the floor (y = 0) wherever the captured motion touches its own floor.

    Between such frames the correction is interpolated, so that jumps stay jumps.

    Args:
        posed: Anywhere in height.
        captured: (T, 22, 3) metres, the motion that it performs.
    """
    lowest = captured[..., 1].min(1)
    touching = lowest < np.percentile(lowest, LOW_PERCENTILE) + STANDING_M
    frames = np.flatnonzero(touching)
    under = np.array([posed.vertices(int(t))[:, 1].min() for t in frames])
    rise = -np.interp(np.arange(len(captured)), frames, under)
    rise = gaussian_filter1d(rise, SETTLE_FRAMES, mode="nearest")
    heads = posed.pose.heads + np.stack([0 * rise, rise, 0 * rise], -1)[:, None]
    return replace(posed, pose=replace(posed.pose, heads=heads))


BONES = tuple(
    (f"{side}_{a}", f"{side}_{b}")
    for side in ("left", "right")
    for a, b in (("hip", "knee"), ("knee", "ankle"), ("shoulder", "elbow"), ("elbow", "wrist"))
)


def direction_error_deg(rendered: Float64, captured: Float64) -> float:
    """Mean angle between limb bones of the body and of the motion that it performs."""
    off = []
    for a, b in BONES:
        pair = [joints[:, JOINT[b]] - joints[:, JOINT[a]] for joints in (rendered, captured)]
        one, two = (v / np.linalg.norm(v, axis=-1, keepdims=True) for v in pair)
        off.append(np.degrees(np.arccos(np.clip((one * two).sum(-1), -1, 1))))
    return float(np.mean(off))
