"""Keeping people apart while they are linked: where somebody is going, and when nobody can tell."""

import numpy as np

from pipeline.arrays import Float32, Float64

VELOCITY_MEMORY = 0.5
"""Share of the former velocity in the new: detections tremble, and one step is a poor witness."""
ESTABLISHED = 5
"""Detections, frame after frame, after which a track can contest another's."""
LONGEST_PREDICTION_S = 0.4
"""Nobody keeps a straight path for longer; a lost person is then expected where it led."""


def new_velocity(
    former: Float64, before: Float32, after: Float32, both: Float32, seconds: float
) -> Float64:
    """A person's velocity after one more detection.

    Args:
        former: (2,) pixels a second.
        before: (J, 2) pixels.
        after: (J, 2) pixels.
        both: (J,) above 0 where the joint counts in both.
        seconds: Between the two.

    Returns:
        (2,) pixels a second: the former and the median joint's, mixed.
    """
    counts = both > 0
    if not counts.any() or seconds <= 0:
        return former
    moved = (after[counts] - before[counts]).astype(np.float64)
    step: Float64 = np.median(moved, axis=0) / seconds
    return VELOCITY_MEMORY * former + (1 - VELOCITY_MEMORY) * step


def unsure_pairs(
    gain: Float64,
    pairs: list[tuple[int, int]],
    rivals: list[bool],
    last_seen: list[float],
    margin: float,
) -> set[tuple[int, int]]:
    """Links of which nobody could say that they are not another track's.

    A link is unsure where giving its detection to a rival track (which gives its own, if it has
    one, in return) would cost less than `margin` for each link changed.

    Args:
        gain: (M, N) similarity of every track and detection; 0 where they cannot be linked.
        pairs: The links chosen, as (track, detection).
        rivals: (M,) tracks that may be somebody: a flicker of two frames contests nothing.
        last_seen: (M,) seconds; who was lost contests nothing of who was seen since.
        margin: Least difference that counts as sure.

    Returns:
        Those of `pairs` that are unsure.
    """
    linked = dict(pairs)
    unsure: set[tuple[int, int]] = set()
    for track, person in pairs:
        for rival in range(len(gain)):
            if rival == track or not (rivals[rival] and rivals[track] and gain[rival, person] > 0):
                continue
            if last_seen[rival] < last_seen[track]:
                continue
            other = linked.get(rival)
            if other is None:
                if gain[track, person] - gain[rival, person] < margin:
                    unsure.add((track, person))
                continue
            now = gain[track, person] + gain[rival, other]
            if now - gain[rival, person] - gain[track, other] < 2 * margin:
                unsure |= {(track, person), (rival, other)}
    return unsure
