"""Who is who: link the persons of each frame into tracks, and choose the one to keep."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy.optimize import linear_sum_assignment

from pipeline.arrays import Float32, Float64
from pipeline.carriers import Pose2D
from pipeline.identity import ESTABLISHED, LONGEST_PREDICTION_S, new_velocity, unsure_pairs
from pipeline.pose.joint_sets import JOINT_SETS
from pipeline.pose.protocol import FramePersons, PersonTrack
from pipeline.pose.settings import LinkSettings
from pipeline.reasons import PipelineError, Reason

BOX_MARGIN = 0.15
"""Joint boxes grow by this share of their longer side on each side: joints lie inside the outline,
and a person seen edge-on would otherwise have a box thinner than one frame's movement."""


@dataclass(frozen=True)
class Choice:
    """Which track was kept, and the arithmetic behind it."""

    index: int
    """Place of the chosen track in the list it was chosen from."""
    score: float
    """size x coverage x confidence, in [0, 1]."""
    why: str
    """One sentence for a human, with the numbers."""


@dataclass
class _OpenTrack:
    """A track being built: the last detection it holds, and where its detections lie."""

    joints: Float32
    confidence: Float32
    time: float
    members: list[tuple[int, int]] = field(default_factory=list)
    """(frame index, person index in that frame)."""
    velocity: Float64 = field(default_factory=lambda: np.zeros(2))
    """(2,) pixels a second."""

    def extend(self, frame: int, person: int, time: float, persons: FramePersons) -> None:
        both = np.minimum(self.confidence, persons.confidence[person])
        self.velocity = new_velocity(
            self.velocity, self.joints, persons.joints[person], both, time - self.time
        )
        self.joints, self.confidence = persons.joints[person], persons.confidence[person]
        self.time = time
        self.members.append((frame, person))

    @property
    def steady(self) -> bool:
        """Whether the last detections came frame after frame: a flicker contests nobody's place."""
        if len(self.members) < ESTABLISHED:
            return False
        return self.members[-1][0] - self.members[-ESTABLISHED][0] < ESTABLISHED

    def expected(self, time: float) -> Float32:
        """(J, 2) where the joints would be if the person went on as before."""
        ahead = min(time - self.time, LONGEST_PREDICTION_S)
        return (self.joints + self.velocity * ahead).astype(np.float32)


def person_boxes(joints: Float32, confidence: Float32) -> Float32:
    """Boxes around the joints that were really detected (confidence above 0).

    Args:
        joints: (P, J, 2) pixels.
        confidence: (P, J).

    Returns:
        (P, 4) x0 y0 x1 y1 pixels; NaN rows for persons without a detected joint.
    """
    seen = (confidence > 0)[..., None]
    low = np.where(seen, joints, np.inf).min(axis=-2, initial=np.inf)
    high = np.where(seen, joints, -np.inf).max(axis=-2, initial=-np.inf)
    boxes = np.concatenate([low, high], axis=-1)
    return np.where(np.isfinite(boxes), boxes, np.nan).astype(np.float32)


def box_iou(a: Float32, b: Float32) -> Float64:
    """Intersection over union of every pair of boxes.

    Args:
        a: (M, 4) x0 y0 x1 y1.
        b: (N, 4) x0 y0 x1 y1.

    Returns:
        (M, N) in [0, 1]; 0 where a box is NaN or without area.
    """
    overlap = _overlap(a, b)
    union = box_areas(a)[:, None] + box_areas(b)[None, :] - overlap
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio: Float64 = np.nan_to_num(overlap / union, nan=0.0, posinf=0.0)
    return ratio


def contained(a: Float32, b: Float32) -> Float64:
    """Share of the smaller box that lies in the larger, of every pair of boxes.

    Args:
        a: (M, 4) x0 y0 x1 y1.
        b: (N, 4) x0 y0 x1 y1.

    Returns:
        (M, N) in [0, 1]; 0 where a box is NaN or without area.
    """
    smaller = np.minimum(box_areas(a)[:, None], box_areas(b)[None, :])
    with np.errstate(invalid="ignore", divide="ignore"):
        share: Float64 = np.nan_to_num(_overlap(a, b) / smaller, nan=0.0, posinf=0.0)
    return share


def box_areas(boxes: Float32) -> Float64:
    """(P,) areas of (P, 4) boxes; NaN where a box is."""
    areas: Float64 = (boxes[:, 2:] - boxes[:, :2]).prod(axis=-1, dtype=np.float64)
    return areas


def keypoint_similarity(
    a: FramePersons, b: FramePersons, areas: Float64, sigmas: Sequence[float]
) -> Float64:
    """COCO's object keypoint similarity of every pair of persons, over joints detected in both.

    OKS = mean_i exp(-d_i^2 / (2 s^2 k_i^2)), k_i = 2 sigma_i, s^2 = area (cocodataset.org).

    Args:
        a: M persons, whose areas scale the distances.
        b: N persons.
        areas: (M,) box areas of `a`, square pixels.
        sigmas: (J,) the joint set's OKS sigmas.

    Returns:
        (M, N) in [0, 1]; 0 where no joint was detected in both.
    """
    both = (a.confidence[:, None] > 0) & (b.confidence[None] > 0)
    squared = ((a.joints[:, None] - b.joints[None]).astype(np.float64) ** 2).sum(axis=-1)
    scale = 2 * np.maximum(areas, 1.0)[:, None, None] * (2 * np.asarray(sigmas)) ** 2
    per_joint = np.where(both, np.exp(-np.where(both, squared, 0.0) / scale), 0.0)
    total: Float64 = per_joint.sum(axis=-1) / np.maximum(both.sum(axis=-1), 1)
    return total


def similarity(a: FramePersons, b: FramePersons, sigmas: Sequence[float]) -> Float64:
    """Mean of box IoU and OKS: IoU survives fast movement, OKS tells overlapping persons apart.

    Args:
        a: M persons.
        b: N persons.
        sigmas: (J,) the joint set's OKS sigmas.

    Returns:
        (M, N) in [0, 1].
    """
    wide_a, wide_b = (_with_margin(person_boxes(p.joints, p.confidence)) for p in (a, b))
    areas = np.nan_to_num((wide_a[:, 2:] - wide_a[:, :2]).prod(axis=-1, dtype=np.float64))
    return (box_iou(wide_a, wide_b) + keypoint_similarity(a, b, areas, sigmas)) / 2


def link_persons(
    frames: Sequence[FramePersons],
    times: Float64,
    joint_set: str,
    frame_size: tuple[int, int],
    settings: LinkSettings | None = None,
) -> list[PersonTrack]:
    """Link the persons of consecutive frames into tracks.

    Each frame's detections are assigned to the open tracks by the largest total similarity
    (Hungarian method); pairs below `min_similarity` are never linked. Where `unsure_margin` says
    that nobody could tell who is who, the tracks end and new ones begin: two honest tracks are
    better than one wrong one. Every detection with a joint inside the picture ends in exactly one
    track.

    Args:
        frames: What was found in each frame of the clip.
        times: (T,) seconds, strictly increasing.
        joint_set: Name of the joints' set.
        frame_size: (width, height) of the picture, pixels.
        settings: Thresholds; the defaults when None.

    Returns:
        Tracks by first frame, then left to right.
    """
    settings = settings or LinkSettings()
    sigmas = JOINT_SETS[joint_set].oks_sigmas
    tracks: list[_OpenTrack] = []
    alive: list[_OpenTrack] = []
    for index, (persons, time) in enumerate(zip(frames, times.tolist(), strict=True)):
        alive = [track for track in alive if time - track.time <= settings.max_gap_s]
        matched, unsure = _assign(alive, persons, sigmas, settings, time)
        alive = [track for track in alive if not any(track is ended for ended in unsure)]
        for person in _left_to_right(persons):
            track = matched.get(person)
            if track is None:
                track = _OpenTrack(persons.joints[person], persons.confidence[person], time)
                tracks.append(track)
                alive.append(track)
            track.extend(index, person, time, persons)
    return [_close(t.members, frames, times, joint_set, frame_size) for t in tracks]


def link_as_found(
    found: Iterable[tuple[float, FramePersons]],
    joint_set: str,
    frame_size: tuple[int, int],
    settings: LinkSettings,
) -> list[PersonTrack]:
    """`link_persons` of what an estimator finds frame by frame.

    Args:
        found: (seconds, persons) of each frame, in time order.
        joint_set: Name of the joints' set.
        frame_size: (width, height) of the picture, pixels.
        settings: Thresholds.
    """
    times: list[float] = []
    frames: list[FramePersons] = []
    for time, persons in found:
        times.append(time)
        frames.append(persons)
    return link_persons(frames, np.asarray(times, np.float64), joint_set, frame_size, settings)


def choose_person(tracks: Sequence[PersonTrack]) -> Choice:
    """Choose the largest well-tracked person of a clip.

    score = size x coverage x confidence: `size` is the median longer side of the joints' box over
    the picture's longer side (the longer side, so that lying and inverted bodies count as fully as
    upright ones), `coverage` the share of the clip's frames with the person seen, `confidence` the
    mean over all joints in those frames. The earlier track wins a tie.

    Args:
        tracks: The clip's tracks.

    Returns:
        The choice with its score and reason.

    Raises:
        PipelineError: `NO_PERSON` when there is no track.
    """
    if not tracks:
        raise PipelineError(Reason.NO_PERSON, "no person was found in any frame")
    parts = [_score_parts(track) for track in tracks]
    scores = [size * coverage * confidence for size, coverage, confidence in parts]
    best = int(np.argmax(scores))
    size, coverage, confidence = parts[best]
    others = sorted(scores[:best] + scores[best + 1 :], reverse=True)
    rival = f"; next best {others[0]:.3f}" if others else ""
    why = (
        f"track {best + 1} of {len(tracks)}: size {size:.2f} of the picture, seen in "
        f"{coverage:.0%} of frames, mean confidence {confidence:.2f}, "
        f"score {scores[best]:.3f}{rival}"
    )
    return Choice(best, scores[best], why)


def _score_parts(track: PersonTrack) -> tuple[float, float, float]:
    """(size, coverage, confidence) of one track, each in [0, 1]."""
    seen = track.seen
    if not seen.any():
        return 0.0, 0.0, 0.0
    boxes = person_boxes(track.pose.joints[seen], track.pose.confidence[seen])
    longer_side = (boxes[:, 2:] - boxes[:, :2]).max(axis=1)
    size = float(np.median(longer_side)) / max(track.pose.frame_size)
    return size, track.coverage, float(track.pose.confidence[seen].mean())


def _overlap(a: Float32, b: Float32) -> Float64:
    """(M, N) area that every pair of boxes shares."""
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    shared: Float64 = np.clip(high - low, 0, None).prod(axis=-1, dtype=np.float64)
    return shared


def _with_margin(boxes: Float32) -> Float32:
    """(P, 4) boxes grown by `BOX_MARGIN` of their longer side on every side."""
    grow = BOX_MARGIN * (boxes[:, 2:] - boxes[:, :2]).max(axis=1, initial=0.0, keepdims=True)
    return np.concatenate([boxes[:, :2] - grow, boxes[:, 2:] + grow], axis=1)


def _left_to_right(persons: FramePersons) -> list[int]:
    """Persons with a detected joint, ordered by where they are, not by how they were listed."""
    boxes = person_boxes(persons.joints, persons.confidence)
    present = [i for i in range(len(persons)) if np.isfinite(boxes[i]).all()]
    return sorted(present, key=lambda i: tuple(boxes[i]))


def _assign(
    alive: list[_OpenTrack],
    persons: FramePersons,
    sigmas: Sequence[float],
    settings: LinkSettings,
    time: float,
) -> tuple[dict[int, _OpenTrack], list[_OpenTrack]]:
    """Which open track each person continues, and the tracks that end since nobody could tell.

    Persons that continue none are left out.
    """
    if not alive or not len(persons):
        return {}, []
    joints = [track.expected(time) if settings.predict else track.joints for track in alive]
    last = FramePersons(np.stack(joints), np.stack([t.confidence for t in alive]))
    gain = similarity(last, persons, sigmas)
    gain[gain < settings.min_similarity] = 0.0
    rows, columns = linear_sum_assignment(gain, maximize=True)
    pairs = [(int(t), int(p)) for t, p in zip(rows, columns, strict=True) if gain[t, p] > 0]
    unsure = set()
    if settings.unsure_margin > 0:
        rivals = [track.steady for track in alive]
        last_seen = [track.time for track in alive]
        unsure = unsure_pairs(gain, pairs, rivals, last_seen, settings.unsure_margin)
    matched = {p: alive[t] for t, p in pairs if (t, p) not in unsure}
    return matched, [alive[t] for t, _ in unsure]


def _close(
    members: list[tuple[int, int]],
    frames: Sequence[FramePersons],
    times: Float64,
    joint_set: str,
    frame_size: tuple[int, int],
) -> PersonTrack:
    """Lay a track's detections out on the clip's clock, NaN where the person was lost."""
    first, last = members[0][0], members[-1][0]
    count, joint_count = last - first + 1, len(JOINT_SETS[joint_set])
    joints = np.full((count, joint_count, 2), np.nan, np.float32)
    confidence = np.zeros((count, joint_count), np.float32)
    world = np.full((count, joint_count, 3), np.nan, np.float32)
    has_world = False
    for frame, person in members:
        found = frames[frame]
        joints[frame - first] = found.joints[person]
        confidence[frame - first] = found.confidence[person]
        if found.world is not None:
            world[frame - first] = found.world[person]
            has_world = True
    pose = Pose2D(joint_set, joints, confidence, times[first : last + 1].copy(), frame_size)
    return PersonTrack(pose, first, len(times), world if has_world else None)
