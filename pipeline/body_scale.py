"""How many pixels a metre is, judged from the body over a whole clip."""

import numpy as np

from pipeline.arrays import Bool, Float32
from pipeline.reasons import PipelineError, Reason
from pipeline.skeletons import HUMANML3D

NECK, PELVIS = 12, 0
BODY_HEIGHT_M = 1.7
"""Height of a standing person. The canonical bones from ankle to head joint make 1.48 m; the rest
lies under the ankle and above the head joint."""
TRUNK_LENGTH_M = 0.547
"""Pelvis to neck of the canonical skeleton, mean over the training motions."""
LONG_BONES = ((1, 4), (2, 5), (4, 7), (5, 8), (16, 18), (17, 19), (18, 20), (19, 21))
"""Thighs, shins, upper arms, forearms."""
PERCENTILE = 92.0
"""A bone shows its full length when it lies in the picture plane: near its longest over time."""
BONES_AVERAGED = 4
MIN_FRAMES = 10
"""Frames in which both ends of a bone must be known for it to count."""


def pixels_per_metre(joints: Float32, seen: Bool) -> float:
    """Scale between picture and canonical skeleton, one number for the clip.

    Each bone's longest appearance (robustly: the 92nd percentile over time) is set against its
    canonical length. Foreshortening only ever shortens, so the mean of the four largest ratios is
    taken. On the training motions in five views its spread is 5 %.

    Args:
        joints: (T, 22, 2) pixels.
        seen: (T, 22).

    Raises:
        PipelineError: `too_few_joints` when fewer than four bones can be measured.
    """
    lengths = np.asarray(HUMANML3D.canonical_lengths)
    ratios = []
    for a, b in (*LONG_BONES, (PELVIS, NECK)):
        both = seen[:, a] & seen[:, b]
        if both.sum() < MIN_FRAMES:
            continue
        length = TRUNK_LENGTH_M if (a, b) == (PELVIS, NECK) else lengths[b]
        shown = np.linalg.norm(joints[both, a] - joints[both, b], axis=-1)
        ratios.append(float(np.percentile(shown, PERCENTILE)) / length)
    if len(ratios) < BONES_AVERAGED:
        raise PipelineError(
            Reason.TOO_FEW_JOINTS,
            f"only {len(ratios)} long bones of the body can be seen long enough; "
            f"{BONES_AVERAGED} are needed to judge its size",
        )
    return float(np.mean(sorted(ratios)[-BONES_AVERAGED:]))
