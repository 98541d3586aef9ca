"""Motion capture as a poor detector sees it in a video: labels with truth for the calibration.

`models.lifting.noisy_view` measures the lift under one stated noise. Here the faults of real videos
are drawn together, from none to hopeless, so that labels of every worth come out: another body,
a near camera, joints that are off for long, sides that are swapped, limbs that are lost or stuck.
"""

from dataclasses import dataclass, fields
from itertools import pairwise

import numpy as np

from pipeline.arrays import Bool, Float32, Float64
from pipeline.camera_fit import camera_rotation
from pipeline.joint_mapping import MappedPose
from pipeline.skeletons import Skeleton

PICTURE_PX = (320.0, 240.0)
"""UCF101's."""
FOCAL_PX = (250.0, 350.0)
DISTANCE_M = (2.5, 7.0)
ELEVATION_DEG = (-10.0, 25.0)
PROPORTIONS = 0.06
"""Standard deviation of a bone's length relative to the canonical body's, left = right."""
JITTER_SHARE = (0.002, 0.05)
"""Standard deviation of the joints' noise, body heights; drawn evenly in its logarithm."""
OFFSET_SHARE = 0.012
"""Standard deviation of what a joint is off throughout a clip, body heights: a detector's joints
are not the skeleton's."""
FAR_JOINTS = 1.6
"""Hands, feet and head are this much noisier than the trunk."""
SMOOTHING_FRAMES = 7
DRIFT_M_S = 0.3
"""Largest speed of a camera nobody took out."""
ZOOM_PER_S = 0.06
FAULT_SHARE = 0.2
"""How often each gross fault is drawn."""
CONFIDENCE_NOISE = 0.08


@dataclass(frozen=True)
class Faults:
    """Which gross faults a clip has."""

    swap_sides: bool = False
    """Left and right are exchanged for a while."""
    lose_limb: bool = False
    """A limb is not seen for a while, or ever."""
    stuck_limb: bool = False
    """A limb stays where it was while the body moves on, and is taken for seen."""
    flicker: bool = False
    """Single joints are missing, frame by frame."""
    drift: bool = False
    """The camera pans and zooms, and nobody took it out."""


def draw_faults(rng: np.random.Generator) -> Faults:
    """Each with `FAULT_SHARE`, independently."""
    return Faults(**{each.name: bool(rng.random() < FAULT_SHARE) for each in fields(Faults)})


def other_body(joints: Float64, skeleton: Skeleton, rng: np.random.Generator) -> Float64:
    """The same poses (T, J, 3) on a body of other proportions, left as right."""
    draw = rng.standard_normal(skeleton.n_joints).clip(-2.0, 2.0)
    left = [min(joint, other) for joint, other in enumerate(skeleton.mirror_order)]
    factor = 1.0 + PROPORTIONS * draw[left]
    out = joints.copy()
    for chain in skeleton.chains:
        for parent, joint in pairwise(chain):
            bone = joints[:, joint] - joints[:, parent]
            out[:, joint] = out[:, parent] + factor[joint] * bone
    return out


def film(joints: Float64, rng: np.random.Generator, *, drift: bool, fps: float) -> Float64:
    """(T, J, 2) pixels, y down, of a pinhole camera that follows the body's middle.

    Args:
        joints: (T, J, 3) metres, y up.
        rng: Draws azimuth, elevation, distance and focal length.
        drift: The camera also moves and zooms on its own.
        fps: Of the joints.
    """
    turn = camera_rotation(rng.uniform(0.0, 360.0), rng.uniform(*ELEVATION_DEG))
    body = (joints - joints[:, 0].mean(axis=0)) @ turn.T
    depth = rng.uniform(*DISTANCE_M) - body[..., 2]
    focal, time = rng.uniform(*FOCAL_PX), np.arange(len(joints)) / fps
    if drift:
        shift = rng.uniform(-DRIFT_M_S, DRIFT_M_S, 2) * time[:, None]
        body[..., :2] += shift[:, None]
        focal = focal * np.exp(rng.uniform(-ZOOM_PER_S, ZOOM_PER_S) * time)[:, None]
    flat = body[..., :2] / np.maximum(depth, 0.5)[..., None]
    scale = np.broadcast_to(focal, depth.shape)[..., None]
    return np.asarray(flat * scale * [1.0, -1.0] + np.asarray(PICTURE_PX) / 2.0)


def detect(
    pixels: Float64, faults: Faults, rng: np.random.Generator, skeleton: Skeleton, fps: float
) -> MappedPose:
    """What a poor detector gives of exact pixels (T, J, 2): places, confidence, what is seen."""
    frames, joints = pixels.shape[:2]
    height = float(np.ptp(pixels[..., 1], axis=1).max())
    noise = _noise(frames, skeleton, rng) * height
    out = pixels + noise
    off = np.linalg.norm(noise, axis=-1) / max(height, 1.0)
    if faults.swap_sides:
        span = _span(frames, rng)
        rows = np.arange(frames)[span]
        out[rows] = out[rows][:, list(skeleton.mirror_order)]
        off[rows] += 0.01
    if faults.stuck_limb:
        span, limb = _span(frames, rng), _limb(skeleton, rng)
        held = out[span.start, limb] - out[span.start, 0]
        out[span, limb] = out[span, :1] + held
        off[span, limb] += 0.03
    seen = _seen(frames, faults, rng, skeleton)
    sure = 1.0 - 6.0 * off + CONFIDENCE_NOISE * rng.standard_normal((frames, joints))
    confidence = np.where(seen, sure.clip(0.3, 1.0), 0.0).astype(np.float32)
    joints2d = np.where(seen[..., None], out, np.nan)
    return MappedPose(joints2d, seen, confidence, np.arange(frames) / fps)


def _noise(frames: int, skeleton: Skeleton, rng: np.random.Generator) -> Float64:
    """(T, J, 2) body heights: a lasting offset and noise, smooth in time or new in each frame."""
    joints = skeleton.n_joints
    level = np.exp(rng.uniform(*np.log(JITTER_SHARE)))
    ends = {chain[-1] for chain in skeleton.chains} | {chain[-2] for chain in skeleton.chains}
    far = np.array([FAR_JOINTS if joint in ends else 1.0 for joint in range(joints)])
    draw = rng.standard_normal((frames + SMOOTHING_FRAMES - 1, joints, 2))
    if rng.random() < 0.5:
        kernel = np.full(SMOOTHING_FRAMES, SMOOTHING_FRAMES**-0.5)
        moved = np.apply_along_axis(np.convolve, 0, draw, kernel, "valid")
    else:
        moved = draw[:frames]
    lasting = OFFSET_SHARE * rng.standard_normal((joints, 2))
    return np.asarray(lasting + level * moved * far[:, None])


def _seen(frames: int, faults: Faults, rng: np.random.Generator, skeleton: Skeleton) -> Bool:
    seen = np.ones((frames, skeleton.n_joints), np.bool_)
    if faults.lose_limb:
        whole = rng.random() < 0.5
        span = slice(0, frames) if whole else _span(frames, rng)
        seen[span, _limb(skeleton, rng)] = False
    if faults.flicker:
        seen &= rng.random(seen.shape) >= rng.uniform(0.02, 0.25)
    seen[:, 0] = True
    return seen


def _span(frames: int, rng: np.random.Generator) -> slice:
    length = max(1, round(rng.uniform(0.1, 0.8) * frames))
    start = int(rng.integers(frames - length + 1))
    return slice(start, start + length)


def _limb(skeleton: Skeleton, rng: np.random.Generator) -> list[int]:
    """The joints of an arm or a leg, the hip or shoulder left out."""
    limbs = [chain[2:] for chain in skeleton.chains if len(chain) == 5 and chain[1] != 3]
    return list(limbs[rng.integers(len(limbs))])


@dataclass(frozen=True)
class RoughClip:
    """A motion as detected, and what it really is."""

    pose: MappedPose
    truth: Float32
    """(T, J, 3) metres: the body that was filmed."""
    faults: Faults


def rough_clip(joints: Float32, skeleton: Skeleton, seed: tuple[int, ...]) -> RoughClip:
    """Film and detect a motion (T, J, 3) in metres; a function of motion and seed alone."""
    rng = np.random.default_rng(seed)
    body = other_body(joints.astype(np.float64), skeleton, rng)
    faults = draw_faults(rng)
    pixels = film(body, rng, drift=faults.drift, fps=skeleton.fps)
    pose = detect(pixels, faults, rng, skeleton, skeleton.fps)
    return RoughClip(pose, body.astype(np.float32), faults)
