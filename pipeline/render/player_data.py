"""A motion packed small for the player in a page: whole millimetres, base64."""

import base64
from dataclasses import dataclass

import numpy as np

from pipeline.arrays import AnyFloat
from pipeline.render.palette import Colour, rig
from pipeline.skeletons import HUMANML3D

MM_PER_M = 1000.0
LONGEST_FRAMES = 240
"""12 s at 20 fps: what a page holds of a longer motion, from its middle."""
_INT16 = np.iinfo(np.int16)


@dataclass(frozen=True)
class PackedMotion:
    """What the player needs of one motion."""

    data: str
    """Base64 of (T, 22, 3) little-endian int16, millimetres."""
    frames: int
    """T, at most `LONGEST_FRAMES`."""
    first_frame: int
    """Frame of the motion that the pack begins with; above 0 only for a motion that was cut."""


def pack_motion(joints3d: AnyFloat) -> PackedMotion:
    """Quantise a motion to millimetres; a long one is cut to its middle `LONGEST_FRAMES`.

    Args:
        joints3d: (T, 22, 3) metres, y up.

    Raises:
        ValueError: A number is not finite, or the shape is another.
    """
    if joints3d.ndim != 3 or joints3d.shape[1:] != (HUMANML3D.n_joints, 3) or not len(joints3d):
        raise ValueError(f"joints3d must be (T, {HUMANML3D.n_joints}, 3), got {joints3d.shape}")
    if not np.isfinite(joints3d).all():
        raise ValueError("joints3d holds numbers that are not finite")
    first = max(0, (len(joints3d) - LONGEST_FRAMES) // 2)
    kept = joints3d[first : first + LONGEST_FRAMES].astype(np.float64)
    # The player looks at shapes and ways, not at places: begin over the origin, so that a body
    # far away does not run out of 16 bits.
    kept = kept - kept[:1, :1] * np.array([1.0, 0.0, 1.0])
    whole = np.clip(np.rint(kept * MM_PER_M), _INT16.min, _INT16.max).astype("<i2")
    data = base64.b64encode(whole.tobytes()).decode("ascii")
    return PackedMotion(data, len(kept), first)


def player_rig() -> dict[str, list[object]]:
    """Bones and colours for the player: `bones` [[a, b], ...], `colours` one CSS colour a bone."""
    edges, limbs, _ = rig(HUMANML3D.name)
    return {
        "bones": [list(edge) for edge in edges],
        "colours": [css_colour(limb.colour) for limb in limbs],
    }


def css_colour(colour: Colour) -> str:
    """A colour as CSS writes it."""
    red, green, blue = colour
    return f"#{red:02x}{green:02x}{blue:02x}"
