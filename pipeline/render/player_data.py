"""A motion packed small for the player in a page: whole millimetres, base64."""

import base64
from dataclasses import dataclass

import numpy as np

from pipeline.arrays import AnyFloat
from pipeline.render.palette import Colour, rig
from pipeline.skeletons import HUMANML3D, Skeleton

MM_PER_M = 1000.0
LONGEST_FRAMES = 240
"""12 s at 20 fps: what a page holds of a longer motion, from its middle."""
_INT16 = np.iinfo(np.int16)


@dataclass(frozen=True)
class PackedMotion:
    """What the player needs of one motion."""

    data: str
    """Base64 of (T, J, 3) little-endian int16, millimetres."""
    frames: int
    """T, at most `LONGEST_FRAMES`."""
    first_frame: int
    """Frame of the motion that the pack begins with; above 0 only for a motion that was cut."""
    skeleton: str = HUMANML3D.name
    clipped: bool = False
    """Whether it goes further than 16 bits reach (32.7 m) and is drawn at that border instead."""


def pack_motion(
    joints3d: AnyFloat, skeleton: Skeleton = HUMANML3D, *, from_start: bool = False
) -> PackedMotion:
    """Quantise a motion to millimetres; of a long one `LONGEST_FRAMES` are kept.

    Args:
        joints3d: (T, J, 3) metres, y up.
        skeleton: Whose joints they are.
        from_start: Keep a long motion's beginning (so that several share a clock), not its middle.

    Raises:
        ValueError: A number is not finite, or the shape is another.
    """
    joints = skeleton.n_joints
    if joints3d.ndim != 3 or joints3d.shape[1:] != (joints, 3) or not len(joints3d):
        raise ValueError(f"joints3d must be (T, {joints}, 3), got {joints3d.shape}")
    if not np.isfinite(joints3d).all():
        raise ValueError("joints3d holds numbers that are not finite")
    first = 0 if from_start else max(0, (len(joints3d) - LONGEST_FRAMES) // 2)
    kept = joints3d[first : first + LONGEST_FRAMES].astype(np.float64)
    # The player looks at shapes and ways, not at places: begin over the origin, so that a body
    # far away does not run out of 16 bits.
    kept = kept - kept[:1, :1] * np.array([1.0, 0.0, 1.0])
    wanted = np.rint(kept * MM_PER_M)
    whole = np.clip(wanted, _INT16.min, _INT16.max)
    data = base64.b64encode(whole.astype("<i2").tobytes()).decode("ascii")
    clipped = bool((whole != wanted).any())
    return PackedMotion(data, len(kept), first, skeleton.name, clipped)


def player_rig(skeleton: Skeleton) -> dict[str, object]:
    """What the player has to know of a skeleton.

    Returns:
        `joints` (J), `bones` [[a, b], ...], `colours` one CSS colour a bone, `head` its joint.
    """
    edges, limbs, _ = rig(skeleton.name)
    return {
        "joints": skeleton.n_joints,
        "bones": [list(edge) for edge in edges],
        "colours": [css_colour(limb.colour) for limb in limbs],
        "head": skeleton.neck_and_head[1],
    }


def css_colour(colour: Colour) -> str:
    """A colour as CSS writes it."""
    red, green, blue = colour
    return f"#{red:02x}{green:02x}{blue:02x}"
