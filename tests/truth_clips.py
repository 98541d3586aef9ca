"""The known truth of the sample clips, for tests: 3D joints, their pixels, the camera."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from pipeline.canonical import canonicalise
from pipeline.skeletons import HUMANML3D

SAMPLES = Path(__file__).parent / "samples"


@dataclass(frozen=True)
class TruthClip:
    """One clip of tests/samples; see the README there."""

    action: str
    video: Path
    joints3d_20fps: np.ndarray
    """(T20, 22, 3) metres, y up."""
    joints2d: np.ndarray
    """(T, 22, 2) pixels at 25 fps."""
    coco17: np.ndarray
    """(T, 17, 2) pixels at 25 fps."""
    px_per_metre: np.ndarray
    """(T, 22) at each joint's own depth."""
    camera: str
    """`static` or `pan`."""


@cache
def all_truth_clips() -> dict[str, TruthClip]:
    """By action."""
    clips = [_read(path) for path in sorted(SAMPLES.glob("*/*.truth.npz"))]
    assert len(clips) == 3
    return {clip.action: clip for clip in clips}


def canonical_motion(action: str) -> np.ndarray:
    """(T, 22, 3) captured motion on the canonical skeleton, kept at the origin.

    The paper's camera has a perspective (5 degrees): far from the origin a body looks larger or
    smaller, which is no error of the scale.
    """
    offsets = HUMANML3D.raw_offset_array * np.asarray(HUMANML3D.canonical_lengths)[:, None]
    joints = all_truth_clips()[action].joints3d_20fps.astype(np.float64)
    moved = canonicalise(joints, HUMANML3D, offsets)
    return moved - moved[:, :1] * [1.0, 0.0, 1.0]


def _read(path: Path) -> TruthClip:
    with np.load(path) as data:
        in_camera = np.einsum("tij,tkj->tki", data["R"], data["joints3d_world"])
        depth = in_camera[..., 2] + data["t"][:, None, 2]
        return TruthClip(
            action=str(data["action"]),
            video=path.with_name(path.name.replace(".truth.npz", ".avi")),
            joints3d_20fps=data["joints3d_20fps"],
            joints2d=data["joints2d_px"],
            coco17=data["coco17_2d_px"],
            px_per_metre=data["K"][:, 0, 0, None] / depth,
            camera=str(data["camera"]),
        )
