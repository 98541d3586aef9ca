"""A lifted motion as a body could have moved: rigid bones, feet that stand, less jitter."""

import numpy as np

from pipeline.arrays import AnyFloat, Bool, Float32, Float64
from pipeline.physical.bones import bone_lengths, canonical_lengths, with_lengths
from pipeline.physical.contacts import FootContacts, find_contacts, frames_of, ground_height
from pipeline.physical.settings import CleanUpSettings
from pipeline.physical.smoothing import without_jitter
from pipeline.physical.standing import carried_by_feet, locked, on_the_ground
from pipeline.skeletons import Skeleton

FEWEST_FRAMES = 4


def clean_up(
    joints3d: AnyFloat,
    skeleton: Skeleton,
    settings: CleanUpSettings | None = None,
    *,
    seen: Bool | None = None,
) -> Float32:
    """Make a motion physically plausible and stay close to it.

    In this order: contacts are found; jitter is filtered, each foot apart where it stands; bones
    get one length each; the body is carried by its standing feet, over the ground and up or down to
    it; the slide that is left is taken out by bending the legs.

    Args:
        joints3d: (T, J, 3) metres, y up, floor near y = 0, as `pipeline.plausibility` reads it.
        skeleton: Bones, feet, frame rate.
        settings: The defaults when None.
        seen: (T, J) joints that were seen in 2D; None: all. Feet that nobody saw carry nobody: a
            motion from the waist up only gets its bones and its low-pass.

    Returns:
        (T, J, 3) metres; motions under four frames only get their bones.

    Raises:
        ValueError: Another skeleton's joints, values that are not finite, or canonical lengths of a
            skeleton that has none.
    """
    settings = settings or CleanUpSettings()
    _check(joints3d, seen, skeleton)
    joints = joints3d.astype(np.float64)
    if len(joints) < FEWEST_FRAMES:
        return _rigid(joints, joints, skeleton, settings).astype(np.float32)
    standing = _standing(_contacts(joints, skeleton, settings, seen))
    smooth = without_jitter(joints, settings.cutoff_hz, skeleton.fps, standing)
    body = _rigid(smooth, joints, skeleton, settings)
    feet = _contacts(body, skeleton, settings, seen)
    if not feet or not (settings.ground or settings.lock_feet):
        return body.astype(np.float32)
    if settings.lock_feet:
        body = carried_by_feet(body, feet, skeleton.fps)
    level = ground_height(body, skeleton, seen)
    if settings.ground and level is not None:
        body = on_the_ground(body, level, feet, settings.ground_tolerance_m)
    return locked(body, feet, skeleton, settings).astype(np.float32)


def _check(joints3d: AnyFloat, seen: Bool | None, skeleton: Skeleton) -> None:
    if joints3d.ndim != 3 or joints3d.shape[1:] != (skeleton.n_joints, 3):
        raise ValueError(f"joints must be (T, {skeleton.n_joints}, 3), got {joints3d.shape}")
    if not len(joints3d) or not np.isfinite(joints3d).all():
        raise ValueError("the clean-up needs finite joints of at least one frame")
    if seen is not None and seen.shape != joints3d.shape[:2]:
        raise ValueError(f"seen must be {joints3d.shape[:2]} as the joints are, got {seen.shape}")


def _contacts(
    joints: Float64, skeleton: Skeleton, settings: CleanUpSettings, seen: Bool | None
) -> tuple[FootContacts, ...]:
    """Both feet's contacts; nothing where no foot was ever seen."""
    ground = ground_height(joints, skeleton, seen)
    return () if ground is None else find_contacts(joints, ground, skeleton, settings, seen)


def _standing(feet: tuple[FootContacts, ...]) -> dict[int, Bool]:
    return {
        joint: frames_of(flags)
        for foot in feet
        for joint, flags in ((foot.ankle, foot.ankle_stands), (foot.toe, foot.toe_stands))
    }


def _rigid(
    joints: Float64, measured: Float64, skeleton: Skeleton, settings: CleanUpSettings
) -> Float64:
    """`joints` with the bone lengths of `measured`, or the data set's."""
    if settings.bones == "off":
        return joints
    canonical = settings.bones == "canonical"
    lengths = canonical_lengths(skeleton) if canonical else bone_lengths(measured, skeleton)
    return with_lengths(joints, lengths, skeleton)
