"""A second 3D guess beside the lift's: the one that a 2D estimator brings along, brought in line.

MediaPipe gives each landmark a place in 3D, about the hips, from one frame at a time. The lift
knows movement and bone lengths, but only the 2D. They are wrong in different ways, so that their
mean is better than either. It is an option of its own, and no part of the published method.
"""

from dataclasses import dataclass

import numpy as np

from pipeline.arrays import AnyFloat, Bool, Float32, Float64
from pipeline.joint_mapping import RULES, Rule
from pipeline.kinematics import gaussian_over_time
from pipeline.pose.joint_sets import JOINT_SETS
from pipeline.pose.protocol import PersonTrack
from pipeline.skeletons import HUMANML3D

TRUNK_WEIGHT = 0.5
"""Of the second opinion at `TRUNK`'s joints ..."""
LIMB_WEIGHT = 0.3
"""... and at all others. On 40 rendered training clips the best of single weights is 0.3 to 0.35
(70.5 mm; 71.8 with 0.5), joint by joint 0.4 to 0.6 at the trunk and 0.2 to 0.4 elsewhere; these two
give 70.0."""
TRUNK = ("pelvis", "left_hip", "right_hip", "left_shoulder", "right_shoulder", "neck", "head")
ALIGNED_OVER_FRAMES = 2.0
"""Sigma of the Gaussian over time within which the two are brought in line."""
SUREST_NEEDED = 0.0
"""Every guess counts: at joints out of sight, too, it is nearer than the lift's (error of rendered
clips 85 mm; 89 with a threshold of 0.3)."""
MIN_JOINTS = 6
"""Fewest joints that must be known in a frame for it to be brought in line."""
MAX_GAP_S = 0.25
"""Longest stretch without a guess that is bridged."""
TO_Y_UP = np.array([1.0, -1.0, -1.0])
"""The estimator's axes are x right, y down, z away from the camera."""
WEIGHTS = np.array(
    [TRUNK_WEIGHT if name in TRUNK else LIMB_WEIGHT for name in HUMANML3D.joint_names]
)
"""(22,)"""


def settings() -> dict[str, float]:
    """What labels with a second opinion go by, for a recipe."""
    return {"trunk_weight": TRUNK_WEIGHT, "limb_weight": LIMB_WEIGHT}


@dataclass(frozen=True)
class SecondOpinion:
    """Another guess at a motion, in a frame of reference of its own."""

    joints3d: Float64
    """(T, 22, 3) metres, y up; 0 where not known."""
    known: Bool
    """(T, 22)"""


def opinion_of(
    track: PersonTrack, times: Float64, threshold: float = SUREST_NEEDED
) -> SecondOpinion | None:
    """The estimator's own 3D of a person, as 22 joints at some times; None where it gave none.

    The rules that make 22 joints of the estimator's hold in 3D too: they are weighted sums.

    Args:
        track: The person.
        times: (T,) seconds.
        threshold: Confidence from which a landmark counts.

    Raises:
        ValueError: No rules are known for the track's joint set.
    """
    if track.world is None:
        return None
    if track.pose.joint_set not in RULES:
        raise ValueError(f"no rules map joint set {track.pose.joint_set} to 22 joints")
    names = JOINT_SETS[track.pose.joint_set].joints
    joints3d = np.zeros((len(times), HUMANML3D.n_joints, 3))
    known = np.zeros((len(times), HUMANML3D.n_joints), dtype=np.bool_)
    for joint, name in enumerate(HUMANML3D.joint_names):
        for rule in RULES[track.pose.joint_set].get(name, ())[:1]:
            place, sure = _by_rule(track, rule, names, threshold)
            joints3d[:, joint], known[:, joint] = _at(times, track.pose.times, place, sure)
    return SecondOpinion(joints3d, known)


def opinion_during(track: PersonTrack, start_s: float, frames: int) -> SecondOpinion | None:
    """`opinion_of` for a motion: its frames follow each other by the clock of labels.

    Ingest and relabelling both ask here, so that they ask for the same instants.

    Args:
        track: The person, with the times of the video.
        start_s: Time of the motion's first frame in the video, seconds.
        frames: How many frames the motion has.
    """
    return opinion_of(track, start_s + np.arange(frames) / HUMANML3D.fps)


def fuse(
    joints3d: AnyFloat, opinion: SecondOpinion, weights: Float64 = WEIGHTS
) -> tuple[Float32, Bool]:
    """A weighted mean of a lift and a second opinion, joint by joint.

    The opinion is first brought in line with the lift by the best similarity transform of a few
    frames (Umeyama 1991): frame of reference, heading and size stay the lift's.

    Args:
        joints3d: (T, 22, 3) metres.
        opinion: Of the same frames.
        weights: (22,) the opinion's at each joint, from 0 (the lift as it is) to 1.

    Returns:
        (T, 22, 3) metres, and (T,) True where a second opinion was there to count.

    Raises:
        ValueError: Other shapes, or weights out of range.
    """
    if joints3d.shape != opinion.joints3d.shape:
        raise ValueError(
            f"a second opinion must be of the lift's frames and joints: "
            f"{opinion.joints3d.shape} and {joints3d.shape}"
        )
    if weights.shape != joints3d.shape[1:2] or not ((weights >= 0.0) & (weights <= 1.0)).all():
        raise ValueError(
            f"the weights of a second opinion must be {joints3d.shape[1]} in 0..1, got {weights}"
        )
    lifted = joints3d.astype(np.float64)
    counts = opinion.known.sum(axis=1) >= MIN_JOINTS
    use = opinion.known & counts[:, None]
    aligned = _in_line(opinion.joints3d, lifted, use)
    mixed = lifted + weights[:, None] * np.where(use[..., None], aligned - lifted, 0.0)
    return mixed.astype(np.float32), counts


def _by_rule(
    track: PersonTrack, rule: Rule, names: tuple[str, ...], threshold: float
) -> tuple[Float64, Bool]:
    """(T, 3) a joint at the estimator's own frames, and (T,) whether it is known."""
    assert track.world is not None  # noqa: S101 - the caller's check
    index = [names.index(name) for name in rule]
    parts = track.world[:, index].astype(np.float64) * TO_Y_UP
    place = np.einsum("k,tkd->td", np.array(list(rule.values())), parts)
    sure = track.pose.confidence[:, index].min(axis=1) >= threshold
    return place, sure & np.isfinite(place).all(axis=-1)


def _at(times: Float64, own: Float64, place: Float64, sure: Bool) -> tuple[Float64, Bool]:
    """A joint (N, 3) at other times, by straight lines over short gaps."""
    index = np.flatnonzero(sure)
    if len(index) < 2:
        return np.zeros((len(times), 3)), np.zeros(len(times), dtype=np.bool_)
    after = np.searchsorted(own[index], times).clip(1, len(index) - 1)
    first, last = own[index][after - 1], own[index][after]
    known = (first - 1e-6 <= times) & (times <= last + 1e-6) & (last - first <= MAX_GAP_S)
    line = np.stack([np.interp(times, own[index], place[index, d]) for d in range(3)], axis=-1)
    return np.where(known[:, None], line, 0.0), known


def _in_line(moving: Float64, fixed: Float64, use: Bool) -> Float64:
    """(T, J, 3) each frame by the best rotation and size of its neighbourhood, own translation."""
    w = use[..., None].astype(np.float64)
    count = np.maximum(w.sum(axis=1, keepdims=True), 1.0)
    middle, target = ((w * a).sum(axis=1, keepdims=True) / count for a in (moving, fixed))
    p, q = w * (moving - middle), w * (fixed - target)
    moments = np.concatenate(
        [
            np.swapaxes(p, 1, 2) @ q,
            np.broadcast_to((p**2).sum((1, 2))[:, None, None], (len(p), 3, 1)),
        ],
        axis=-1,
    )
    smooth = gaussian_over_time(moments.reshape(len(p), -1), ALIGNED_OVER_FRAMES).reshape(-1, 3, 4)
    u, s, vt = np.linalg.svd(smooth[..., :3])
    sign = np.where(np.linalg.det(u @ vt) < 0.0, -1.0, 1.0)
    s[:, -1] *= sign
    u[:, :, -1] *= sign[:, None]
    size = s.sum(axis=-1) / np.maximum(smooth[:, 0, 3], 1e-9)
    return np.asarray(size[:, None, None] * ((moving - middle) @ (u @ vt)) + target)
