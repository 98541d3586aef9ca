"""Keeping people apart while they are linked: where somebody is going, and when nobody can tell."""

import numpy as np

from pipeline.arrays import Float32, Float64

VELOCITY_MEMORY = 0.5
"""Share of the former velocity in the new: detections tremble, and one step is a poor witness."""
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
    step = np.median((after[counts] - before[counts]).astype(np.float64), axis=0) / seconds
    return VELOCITY_MEMORY * former + (1 - VELOCITY_MEMORY) * step


def unsure_pairs(
    gain: Float64, pairs: list[tuple[int, int]], margin: float
) -> set[tuple[int, int]]:
    """Links that could as well be others.

    A link is unsure where swapping it with a rival's (or with a detection or a track that is left
    over) would cost less than `margin` for each link swapped.

    Args:
        gain: (M, N) similarity of every track and detection; 0 where they cannot be linked.
        pairs: The links chosen, as (track, detection).
        margin: Least difference that counts as sure.

    Returns:
        Those of `pairs` that are unsure.
    """
    linked_track = dict(pairs)
    linked_person = {person: track for track, person in pairs}
    unsure: set[tuple[int, int]] = set()
    for track, person in pairs:
        for rival in range(len(gain)):
            other = linked_track.get(rival)
            if rival == track or gain[rival, person] <= 0:
                continue
            now = gain[track, person] + (0.0 if other is None else gain[rival, other])
            swapped = gain[rival, person] + (0.0 if other is None else gain[track, other])
            links = 1 if other is None else 2
            if now - swapped < margin * links:
                unsure |= {(track, person)} if other is None else {(track, person), (rival, other)}
        for spare in range(gain.shape[1]):
            if spare not in linked_person and gain[track, person] - gain[track, spare] < margin:
                unsure.add((track, person))
    return unsure
