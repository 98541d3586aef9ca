"""Feet that stand: the root carried by them, one ground under them, and no slide."""

from collections.abc import Sequence

import numpy as np

from pipeline.arrays import Bool, Float64
from pipeline.cleaning import spans
from pipeline.kinematics import gaussian_over_time
from pipeline.physical.contacts import FootContacts, frames_of
from pipeline.physical.legs import move_foot
from pipeline.physical.settings import CleanUpSettings
from pipeline.skeletons import Skeleton

ROOT_SIGMA_FRAMES = 1.5
"""Of the Gaussian over the root's corrections, which come and go with contacts."""
LANDING_FRAMES = 2
"""Steps at either end of a contact that do not carry the body."""
OWN_SLIDE_M_S = 0.05
"""So much slide is left to the feet: those of motion capture have it, and its path is true."""
TALL = np.array([0.0, 1.0, 0.0])
FLAT = np.array([1.0, 0.0, 1.0])


def carried_by_feet(joints: Float64, feet: Sequence[FootContacts], fps: float) -> Float64:
    """The motion moved over the ground so that what stands slides less: the pose stays.

    A lift's poses are better than its path; where a foot stands, the body must move about it.

    Args:
        joints: (T, J, 3) metres, y up.
        feet: Contacts of both feet.
        fps: Frames a second.
    """
    count = sum(_firm(foot.stands).astype(np.float64) for foot in feet)
    slides = sum(foot.slide(joints) * _firm(foot.stands)[:, None] for foot in feet) * FLAT
    steps = -slides / np.maximum(count, 1.0)[:, None]
    length, own = np.linalg.norm(steps, axis=-1, keepdims=True), OWN_SLIDE_M_S / fps
    steps = steps * np.maximum(1.0 - own / np.maximum(length, own), 0.0)
    path = np.cumsum(gaussian_over_time(steps, ROOT_SIGMA_FRAMES), axis=0)
    return np.asarray(joints + np.concatenate([np.zeros((1, 3)), path])[:, None])


def _firm(stands: Bool) -> Bool:
    """(T-1,) contacts without their first and last steps, in which a foot still lands or lifts."""
    out = np.zeros_like(stands)
    for start, stop in spans(stands):
        out[start + LANDING_FRAMES : max(stop - LANDING_FRAMES, start)] = True
    return out


def on_the_ground(
    joints: Float64, ground: float, feet: Sequence[FootContacts], tolerance_m: float
) -> Float64:
    """The ground brought to y = 0, and the body raised or lowered so that standing feet are on it.

    Between contacts the correction runs straight from one to the next: a jump keeps its height
    over the ground from which it starts and on which it lands.

    Args:
        joints: (T, J, 3) metres, y up.
        ground: Height of the ground.
        feet: Contacts of both feet.
        tolerance_m: Standing feet so near to the ground stay.
    """
    heights = np.full((len(joints), len(feet)), np.inf)
    for i, foot in enumerate(feet):
        lowest = joints[:, [foot.ankle, foot.toe], 1].min(axis=1) - ground
        heights[:, i] = np.where(frames_of(foot.stands), lowest, np.inf)
    over = heights.min(axis=1)
    known = np.flatnonzero(np.isfinite(over))
    if len(known) == 0:
        return joints
    wrong = np.sign(over[known]) * np.maximum(np.abs(over[known]) - tolerance_m, 0.0)
    shift = np.interp(np.arange(len(joints)), known, wrong)
    shift = gaussian_over_time(shift[:, None], ROOT_SIGMA_FRAMES)
    level = ground if abs(ground) > tolerance_m else 0.0
    return np.asarray(joints - (shift + level)[:, None] * TALL)


def locked(
    joints: Float64,
    feet: Sequence[FootContacts],
    skeleton: Skeleton,
    settings: CleanUpSettings,
) -> Float64:
    """Each standing foot held where it stands on average, by its own leg; faded in and out.

    Args:
        joints: (T, J, 3) metres, y up, ground at y = 0.
        feet: Contacts of both feet.
        skeleton: Names the legs, has the frame rate.
        settings: Limits.
    """
    blend = max(1, round(settings.blend_s * skeleton.fps))
    for foot in feet:
        shift = np.zeros((len(joints), 3))
        if settings.lock_feet:
            shift = _fading(_stance_shifts(joints, foot, settings), len(joints), blend)
        if settings.ground:
            lowest = (joints[:, [foot.ankle, foot.toe], 1]).min(axis=1) + shift[:, 1]
            shift[:, 1] += np.maximum(-lowest, 0.0)
        joints = move_foot(joints, foot.ankle, foot.toe, shift, skeleton)
    return joints


def _stance_shifts(
    joints: Float64, foot: FootContacts, settings: CleanUpSettings
) -> list[tuple[int, Float64]]:
    """First frame and (N, 3) shifts of every contact: what undoes the slide, 0 on average."""
    out = []
    slide = foot.slide(joints)
    for start, stop in spans(foot.stands):
        undone = np.concatenate([np.zeros((1, 3)), -np.cumsum(slide[start:stop], axis=0)])
        undone -= undone.mean(axis=0)
        furthest = float(np.linalg.norm(undone, axis=-1).max())
        if furthest > settings.largest_shift_m:
            undone *= settings.largest_shift_m / furthest
        out.append((start, undone))
    return out


def _fading(stances: Sequence[tuple[int, Float64]], frames: int, blend: int) -> Float64:
    """(T, 3) shifts: those of contacts, and before and after them their ends, fading.

    Where the next contact is near, both fades are squeezed between the two.
    """
    out = np.zeros((frames, 3))
    for i, (start, shift) in enumerate(stances):
        stop = start + len(shift)
        out[start:stop] = shift
        before = 0 if i == 0 else stances[i - 1][0] + len(stances[i - 1][1])
        after = frames if i + 1 == len(stances) else stances[i + 1][0]
        out[before:start] += _fade(start - before, blend)[::-1, None] * shift[0]
        out[stop:after] += _fade(after - stop, blend)[:, None] * shift[-1]
    return out


def _fade(room: int, blend: int) -> Float64:
    """(room,) smooth weights from nearly 1 to 0 within the blend, or within the room."""
    length = min(blend, room)
    along = np.clip((np.arange(room) + 1.0) / (length + 1.0), 0.0, 1.0)
    return np.asarray(1.0 - along * along * (3.0 - 2.0 * along))
