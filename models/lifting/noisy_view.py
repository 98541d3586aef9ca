"""2D as a poor detector gives it, for measuring: jitter on every joint, joints that are missing."""

import zlib
from dataclasses import dataclass

import numpy as np

from pipeline.arrays import Bool, Float32
from pipeline.body_scale import BODY_HEIGHT_M
from pipeline.views import UNITS_PER_METRE

AZIMUTH_DIGITS = 1000
"""Thousandths of a degree tell two views' random streams apart."""
PELVIS = 0


@dataclass(frozen=True)
class NoiseLevel:
    """How far the measured 2D is off."""

    jitter: float = 0.02
    """Standard deviation of each coordinate of each joint in each frame, body heights."""
    missing: float = 0.10
    """Share of joints that are not seen, drawn anew in every frame. The pelvis always is: a video
    is cut where the hips are lost."""
    seed: int = 1

    def __post_init__(self) -> None:
        if self.jitter < 0.0 or not 0.0 <= self.missing < 0.5:
            raise ValueError(
                f"noise must have jitter >= 0 and a share of missing joints in 0..0.5, "
                f"got {self.jitter} and {self.missing}"
            )


def noisy_view(
    view: Float32, level: NoiseLevel, motion_id: str, azimuth_deg: float
) -> tuple[Float32, Bool]:
    """Jitter and joints lost; a function of seed, motion and azimuth, whatever is measured before.

    Args:
        view: (T, J, 2) clean, in the view's scale, root of frame 0 at 0.
        level: How much.
        motion_id: Names the random stream, with the azimuth.
        azimuth_deg: Where the view was taken from, degrees.

    Returns:
        (T, J, 2) the noisy view, root of frame 0 at 0 and missing joints at 0; and (T, J) True
        where the joint was seen.
    """
    frames, joints = view.shape[:2]
    stream = (level.seed, zlib.crc32(motion_id.encode()), round(azimuth_deg * AZIMUTH_DIGITS))
    rng = np.random.default_rng(stream)
    spread = level.jitter * BODY_HEIGHT_M * UNITS_PER_METRE
    noisy = view + spread * rng.standard_normal(view.shape)
    noisy = noisy - noisy[0, PELVIS]
    # The pelvis never goes missing, so the others do a little more often.
    seen = rng.random((frames, joints)) >= level.missing * joints / (joints - 1)
    seen[:, PELVIS] = True
    return np.where(seen[..., None], noisy, 0.0).astype(np.float32), seen
