"""What one clip's labels are off by, where the truth is known: from pixels to metres.

A label's heading is its own (it faces +Z at first), so each motion is turned about the vertical
once, by the angle that fits the whole motion best, before positions are compared. The pose
backend's own 3D is turned by the same rule, after the known camera has put it upright.

Figures named `body_...` compare after both sides' joints have been brought to the body's own
definition, see `models.evaluation.body_joints`; the others take joints as they are.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from models.evaluation.body_joints import LABEL, load_body_joints
from models.evaluation.synthetic_truth import TruthClip
from models.lifting.labelling import ClipResult, LabelledMotion
from models.lifting.lift_metrics import MM_PER_METRE, pa_mpjpe, per_joint_error
from models.lifting.observing import ObservedClip
from pipeline.arrays import AnyFloat, Bool, Float64
from pipeline.joint_mapping import map_joints
from pipeline.plausibility import PERCENT, Figure
from pipeline.pose.joint_sets import JOINT_SETS
from pipeline.pose.protocol import PersonTrack
from pipeline.skeletons import HUMANML3D

LIMBS = tuple(
    f"{side}_{part}"
    for part in ("hip", "knee", "ankle", "shoulder", "elbow", "wrist")
    for side in ("left", "right")
)
"""The joints that every backend and every skeleton has in the same place."""
LIMB_INDEX = [HUMANML3D.joint_names.index(name) for name in LIMBS]
HIPS = [LIMBS.index("left_hip"), LIMBS.index("right_hip")]
BONES = (
    ("left_hip", "left_knee"), ("left_knee", "left_ankle"), ("left_shoulder", "left_elbow"),
    ("left_elbow", "left_wrist"), ("right_hip", "right_knee"), ("right_knee", "right_ankle"),
    ("right_shoulder", "right_elbow"), ("right_elbow", "right_wrist"),
)  # fmt: skip
TORSO = [HUMANML3D.joint_names.index(name) for name in ("left_shoulder", "right_hip")]
PCK_SHARE = 0.2
SAME_FRAME_S = 0.026
"""Half a frame at 20 fps: labels and the backend's 3D of one picture are no farther apart."""
LABEL_FIGURES: Mapping[str, Figure] = {
    "pa_12": Figure("PA-MPJPE 12", "mm", "Twelve limb joints, each frame aligned (Procrustes)."),
    "pa_22": Figure(
        "PA-MPJPE 22", "mm", "All joints; trunk joints are defined 2-4 cm apart in body and label."
    ),
    "mpjpe_12": Figure("MPJPE 12", "mm", "Limb joints, hips aligned, one turn a motion."),
    "mpjpe_22": Figure("MPJPE 22", "mm", "All joints, root aligned, one turn a motion."),
    "body_pa_12": Figure(
        "PA-MPJPE 12, body", "mm", "Limb joints brought to the body's definition by fixed weights."
    ),
    "body_pa_22": Figure("PA-MPJPE 22, body", "mm", "All joints, likewise."),
    "body_mpjpe_12": Figure("MPJPE 12, body", "mm", "Limb joints, likewise, not aligned."),
    "root_path": Figure(
        "root path", "mm", "Mean distance of the root from its true path, path's middle aligned."
    ),
    "scale": Figure("scale", "%", "How far the label's limbs are longer or shorter than true."),
}
"""Of a label; for all of them, lower is better."""
SAME_FRAMES = ("same_label", "same_other", "same_change")
"""PA-MPJPE 12 in mm on frames that both have: the label's, the backend's own 3D's, and the first
less the second."""
SAME_FRAMES_BODY = ("body_same_label", "body_same_other", "body_same_change")
"""The same with both sides' joints brought to the body's definition."""
VIEW_FIGURES: Mapping[str, Figure] = {
    "pck_12": Figure("PCK@0.2, 12", "%", "Limb joints within 0.2 torso; unseen joints are wrong."),
    "pck_22": Figure("PCK@0.2, 22", "%", "All joints, after mapping to the skeleton."),
    "px_12": Figure("2D error 12", "px", "Limb joints that were seen."),
    "px_22": Figure("2D error 22", "px", "All joints that were seen."),
}
"""Of the 2D input."""


@dataclass(frozen=True)
class Placed:
    """3D of one person at some times, in the truth's axes."""

    times: Float64
    """(N,) seconds."""
    joints: Float64
    """(N, J, 3) metres."""


@dataclass(frozen=True)
class ClipMeasures:
    """What one clip gave."""

    figures: Mapping[str, float]
    """By the names above; without those that cannot be told."""
    frames: int
    """Of the truth at 20 fps."""
    labelled: int
    ghosts: int
    """Motions of somebody who is not there."""
    reason: str = ""
    """Why there is no label."""

    @property
    def coverage(self) -> float:
        """Labelled share of the frames."""
        return self.labelled / self.frames


def measure_labels(clip: TruthClip, result: ClipResult, seen: ObservedClip) -> ClipMeasures:
    """Hold one clip's labels against the truth.

    Args:
        clip: The truth.
        result: The labels.
        seen: The 2D they come from, with the backend's own 3D.
    """
    frames = int(clip.end_s * HUMANML3D.fps) + 1
    own, ghosts = _motions_of(clip, result.motions)
    if not own:
        reason = result.reason.value if result.reason else "ghost" if ghosts else "no label"
        return ClipMeasures({}, frames, 0, ghosts, reason)
    labels = [Placed(times, joints) for times, joints in own]
    whole = [_errors(clip, label) for label in labels]
    figures = {
        name: _mean(each[name] for each in whole) for name in LABEL_FIGURES if name in whole[0]
    }
    labelled = sum(len(label.times) for label in labels)
    return ClipMeasures({**figures, **_same_frames(clip, labels, seen)}, frames, labelled, ghosts)


def measure_other(clip: TruthClip, seen: ObservedClip) -> ClipMeasures:
    """The same of the backend's own 3D, on all frames that it has; limb joints alone."""
    frames = int(clip.end_s * HUMANML3D.fps) + 1
    other = backend_3d(clip, seen)
    if other is None:
        reason = seen.reason.value if seen.reason else "no 3D"
        return ClipMeasures({}, frames, 0, 0, reason)
    truth = clip.joints_at(other.times)[:, LIMB_INDEX]
    figures = {
        "pa_12": float(pa_mpjpe(other.joints, truth).mean()),
        "mpjpe_12": float(_turned_error(_hip_aligned(other.joints), _hip_aligned(truth)).mean()),
        "scale": _scale_error(other.joints, truth),
    }
    body = load_body_joints().apply(_joint_set(seen), other.joints)
    if body is not None:
        figures["body_pa_12"] = float(pa_mpjpe(body, truth).mean())
        error = _turned_error(_hip_aligned(body), _hip_aligned(truth))
        figures["body_mpjpe_12"] = float(error.mean())
    return ClipMeasures(figures, frames, min(len(other.times), frames), 0)


def measure_view(clip: TruthClip, seen: ObservedClip) -> dict[str, float]:
    """2D errors of the person who is the clip's; empty when nobody was found."""
    tracks = [person.track for person in seen.people]
    found = [_view_errors(clip, track) for track in tracks]
    if not found:
        return {}
    distance, right, weight = max(found, key=lambda each: each[1].sum())
    out = {}
    for name, index in (("12", LIMB_INDEX), ("22", list(range(HUMANML3D.n_joints)))):
        known = distance[:, index][np.isfinite(distance[:, index])]
        out[f"pck_{name}"] = float(right[:, index].mean()) * weight * PERCENT
        if known.size:
            out[f"px_{name}"] = float(known.mean())
    return out


def _view_errors(clip: TruthClip, track: PersonTrack) -> tuple[Float64, Bool, float]:
    """(T, 22) pixels (NaN unseen), whether within reach, and the share of frames that it has."""
    mapped = map_joints(track.pose, JOINT_SETS[track.pose.joint_set].joints)
    truth = clip.pixels_at(track.pose.times)
    distance = np.linalg.norm(mapped.joints - truth, axis=-1)
    distance = np.where(mapped.seen, distance, np.nan)
    torso = np.linalg.norm(truth[:, TORSO[0]] - truth[:, TORSO[1]], axis=-1)[:, None]
    right = np.nan_to_num(distance, nan=np.inf) <= PCK_SHARE * torso
    return distance, right, len(track.pose.times) / track.clip_frames


def _motions_of(
    clip: TruthClip, motions: Sequence[LabelledMotion]
) -> tuple[list[tuple[Float64, Float64]], int]:
    """Times and joints of the motions of the clip's person; how many others' there are.

    Who lies nearer in the picture comes first; no frame counts twice.
    """
    ranked = []
    for motion in motions:
        if motion.joints3d is None:
            continue
        times = motion.start_s + np.arange(len(motion.seen)) / HUMANML3D.fps
        ranked.append((_off(clip, times, motion.pixels, motion.seen), times, motion.joints3d))
    ranked.sort(key=lambda each: each[0])
    taken: set[int] = set()
    own, ghosts = [], 0
    for off, times, joints in ranked:
        frames = np.rint(times * HUMANML3D.fps).astype(int)
        free = np.array([f not in taken for f in frames.tolist()])
        free &= times <= clip.end_s + 1 / HUMANML3D.fps
        if off > 1 or not free.any():
            ghosts += off > 1
            continue
        taken.update(frames[free].tolist())
        own.append((times[free], joints[free].astype(np.float64)))
    return own, ghosts


def _off(clip: TruthClip, times: Float64, pixels: AnyFloat, seen: Bool) -> float:
    """Mean distance from the truth in the picture, in lengths of the torso."""
    truth = clip.pixels_at(times)
    torso = np.linalg.norm(truth[:, TORSO[0]] - truth[:, TORSO[1]], axis=-1).mean()
    distance = np.linalg.norm(pixels - truth, axis=-1)
    return float(distance[seen].mean() / max(torso, 1.0)) if seen.any() else np.inf


def _errors(clip: TruthClip, label: Placed) -> dict[str, Float64]:
    """Every figure of one motion, frame by frame."""
    truth = clip.joints_at(label.times)
    limbs, true_limbs = label.joints[:, LIMB_INDEX], truth[:, LIMB_INDEX]
    pose, true_pose = (j - j[:, :1] for j in (label.joints, truth))
    turn = best_turn(pose, true_pose)
    path, true_path = label.joints[:, 0] @ turn.T, truth[:, 0]
    off = (path - path.mean(0)) - (true_path - true_path.mean(0))
    body = load_body_joints().apply(LABEL, label.joints)
    mapped = {}
    if body is not None:
        body_limbs = body[:, LIMB_INDEX]
        mapped = {
            "body_pa_12": pa_mpjpe(body_limbs, true_limbs),
            "body_pa_22": pa_mpjpe(body, truth),
            "body_mpjpe_12": _turned_error(_hip_aligned(body_limbs), _hip_aligned(true_limbs)),
        }
    return {
        **mapped,
        "pa_12": pa_mpjpe(limbs, true_limbs),
        "pa_22": pa_mpjpe(label.joints, truth),
        "mpjpe_12": _turned_error(_hip_aligned(limbs), _hip_aligned(true_limbs)),
        "mpjpe_22": np.asarray(per_joint_error(pose @ turn.T, true_pose).mean(-1)),
        "root_path": np.linalg.norm(off, axis=-1) * MM_PER_METRE,
        "scale": np.full(len(truth), _scale_error(limbs, true_limbs)),
    }


def best_turn(pose: Float64, truth: Float64) -> Float64:
    """(3, 3) rotation about Y that brings a whole motion nearest to the truth (least squares).

    Args:
        pose: (T, J, 3), root at 0.
        truth: (T, J, 3), root at 0.
    """
    px, pz, qx, qz = pose[..., 0], pose[..., 2], truth[..., 0], truth[..., 2]
    angle = np.arctan2((pz * qx - px * qz).sum(), (px * qx + pz * qz).sum())
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, 0.0, s], [0.0, 1.0, 0.0], [-s, 0.0, c]])


def _turned_error(pose: Float64, truth: Float64) -> Float64:
    """(T,) millimetres, after one turn for the whole motion."""
    return np.asarray(per_joint_error(pose @ best_turn(pose, truth).T, truth).mean(-1))


def _hip_aligned(limbs: Float64) -> Float64:
    return np.asarray(limbs - limbs[:, HIPS].mean(1, keepdims=True))


def _scale_error(limbs: Float64, truth: Float64) -> float:
    """Percent by which the limb bones together are too long or too short."""
    lengths = []
    for joints in (limbs, truth):
        ends = [(joints[:, LIMBS.index(a)], joints[:, LIMBS.index(b)]) for a, b in BONES]
        lengths.append(sum(np.linalg.norm(b - a, axis=-1).mean() for a, b in ends))
    return float(abs(lengths[0] / lengths[1] - 1)) * PERCENT


def _same_frames(clip: TruthClip, labels: Sequence[Placed], seen: ObservedClip) -> dict[str, float]:
    """PA-MPJPE of both on the frames that both have, as they are and in the body's definition."""
    other = backend_3d(clip, seen)
    if other is None:
        return {}
    weights = load_body_joints()
    theirs = weights.apply(_joint_set(seen), other.joints)
    plain, mapped = [], []
    for label in labels:
        near = np.abs(other.times[None] - label.times[:, None])
        both = near.min(1) <= SAME_FRAME_S
        index = near.argmin(1)[both]
        truths = [clip.joints_at(t)[:, LIMB_INDEX] for t in (label.times[both], other.times[index])]
        ours = label.joints[both]
        plain.append(_pair(ours[:, LIMB_INDEX], other.joints[index], truths))
        own = weights.apply(LABEL, ours)
        if own is not None and theirs is not None:
            mapped.append(_pair(own[:, LIMB_INDEX], theirs[index], truths))
    out: dict[str, float] = {}
    for names, pairs in ((SAME_FRAMES, plain), (SAME_FRAMES_BODY, mapped)):
        if sum(len(a) for a, _ in pairs):
            label_mm, other_mm = _mean(a for a, _ in pairs), _mean(b for _, b in pairs)
            values = (label_mm, other_mm, label_mm - other_mm)
            out |= dict(zip(names, values, strict=True))
    return out


def _pair(ours: Float64, theirs: Float64, truths: Sequence[Float64]) -> tuple[Float64, Float64]:
    return pa_mpjpe(ours, truths[0]), pa_mpjpe(theirs, truths[1])


def _joint_set(seen: ObservedClip) -> str:
    """Of the backend that saw the clip; empty when nobody was seen."""
    return seen.people[0].track.pose.joint_set if seen.people else ""


def backend_3d(clip: TruthClip, seen: ObservedClip) -> Placed | None:
    """The backend's own limbs in the world's axes: of all people, who lies nearest in each frame.

    The known camera turns them upright, which nobody could do for a real video.
    """
    best: dict[float, tuple[float, Float64]] = {}
    for person in seen.people:
        pose, world = person.track.pose, person.track.world
        names = JOINT_SETS[pose.joint_set].joints
        if world is None:
            continue
        index = [names.index(name) for name in LIMBS]
        limbs = world[:, index].astype(np.float64)
        upright = np.einsum("tji,tkj->tki", clip.rotation_at(pose.times), limbs)
        off = np.linalg.norm(
            pose.joints[:, index] - clip.pixels_at(pose.times)[:, LIMB_INDEX], axis=-1
        )
        for time, there, distance in zip(pose.times.tolist(), upright, off.mean(1), strict=True):
            known = np.isfinite(there).all() and time <= clip.end_s + SAME_FRAME_S
            if known and (time not in best or distance < best[time][0]):
                best[time] = (float(distance), there)
    if not best:
        return None
    times = sorted(best)
    return Placed(np.array(times), np.stack([best[t][1] for t in times]))


def _mean(parts: Iterable[Float64]) -> float:
    return float(np.concatenate(list(parts)).mean())
