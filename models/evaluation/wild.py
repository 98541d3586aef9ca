"""Motions from video, which nobody knows the truth of: how well labels fit what was seen.

Labels of any number of makers are held against the same 2D: those that a store holds, and those
that a checkpoint makes anew from the stored views. None of the figures says that a label is right:
depth that fits the picture may still be wrong.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict

import numpy as np

from models.checkpoint import Checkpoint
from models.data.motion import Motion
from models.evaluation.seeds import over_seeds
from models.evaluation.wild_report import (
    REPROJECTION,
    REPROJECTION_SHARE,
    WILD_FIGURES,
    Figures,
    InputRow,
    LabelRow,
    WildReport,
)
from models.lifting.lift import lift
from pipeline.arrays import Bool, Float32
from pipeline.body_scale import BODY_HEIGHT_M
from pipeline.feature_masks import feature_mask2d
from pipeline.half_body import known_to_network
from pipeline.person_frames import PersonFrames, SeenVideo, count_person_frames
from pipeline.plausibility import MIN_FRAMES, PERCENT, plausibility
from pipeline.quality import fit_azimuth
from pipeline.representation2d import features_from_view
from pipeline.skeletons import Skeleton

STORED = "stored labels"
NO_CLASS = "(none)"

Label = Callable[[Motion], Float32 | None]
"""A motion with its view -> (T-1, J, 3) joints in metres; None: this maker has no label."""
Track = Callable[[Iterable[Motion], str], Iterable[Motion]]


def stored_label(motion: Motion) -> Float32 | None:
    """The store's own label, without the last frame, which a lift of the stored view lacks."""
    return motion.joints[:-1] if motion.has_3d else None


def lift_anew(checkpoint: Checkpoint) -> Label:
    """A maker of labels: the labelling pass on the stored view with its mask."""
    skeleton = checkpoint.skeleton

    def label(motion: Motion) -> Float32:
        view, seen = _input(motion)
        features = features_from_view(view, skeleton)
        known = feature_mask2d(_known(motion, seen), skeleton)
        lifted = lift(checkpoint, features, known).joints
        return lifted * np.float32(skeleton.metres_per_unit)

    return label


def evaluate_wild(
    motions: Sequence[Motion],
    videos: Sequence[SeenVideo],
    confidence: Mapping[str, float],
    makers: Mapping[str, Label],
    skeleton: Skeleton,
    track: Track,
) -> WildReport:
    """Hold labels against the 2D they were made from.

    Args:
        motions: Motions from video, with their views.
        videos: All files that were read, failed ones too.
        confidence: The 2D estimator's mean confidence by motion id, where it is known.
        makers: Who labels, by name.
        skeleton: Of the motions.
        track: Shows progress.

    Raises:
        ValueError: No motion, or one that holds NaN.
    """
    if not motions:
        raise ValueError("no motion from video to look at")
    _refuse_broken(motions)
    figures = {
        name: _figures_of(track(motions, name), label, skeleton) for name, label in makers.items()
    }
    actions = {motion.motion_id: motion.action or NO_CLASS for motion in motions}
    videos_of = {motion.motion_id: motion.source_hash or motion.motion_id for motion in motions}
    return WildReport(
        makers=tuple(makers),
        labels=_label_rows(figures, actions, videos_of),
        changes=_changes(figures, videos_of),
        inputs=_input_rows(motions, videos, confidence),
        failures=dict(Counter(video.reason for video in videos if video.reason).most_common()),
        warnings=_warnings(figures, len(motions)),
        figures=figures,
    )


def _input(motion: Motion) -> tuple[Float32, Bool]:
    """(T, J, 2) the view and (T, J) where it was seen; a root that was placed counts as seen."""
    if motion.view is None:
        raise ValueError(f"motion {motion.motion_id} has no view of its own: it is not from video")
    seen = np.ones(motion.view.shape[:2], np.bool_)
    if motion.joint_mask is not None:
        seen = motion.joint_mask.copy()
        seen[:, 0] |= _known(motion, seen)[:, 0]
    return motion.view, seen


def _known(motion: Motion, seen: Bool) -> Bool:
    """(T, J) joints that were seen, and of half bodies those that were placed for the network."""
    mask = motion.joint_mask
    if motion.view is None or mask is None or mask[:, 0].all():
        return seen
    return known_to_network(motion.view, mask)


def unusable(motion: Motion) -> str:
    """Why a motion from video cannot be measured; empty when it can."""
    view, seen = _input(motion)
    if len(view) <= MIN_FRAMES or not seen.any(axis=0)[0]:
        return "is too short, or its root was never seen"
    if not np.isfinite(motion.joints).all() or not np.isfinite(view[seen]).all():
        return "holds NaN"
    return ""


def _refuse_broken(motions: Sequence[Motion]) -> None:
    for motion in motions:
        reason = unusable(motion)
        if reason:
            raise ValueError(f"motion {motion.motion_id} {reason}: ingest its video again")


def _figures_of(
    motions: Iterable[Motion], label: Label, skeleton: Skeleton
) -> dict[str, dict[str, float]]:
    out = {}
    for motion in motions:
        joints = label(motion)
        if joints is None:
            continue
        view, seen = _input(motion)
        told = asdict(plausibility(joints, skeleton))
        physical = {name: value for name, value in told.items() if value is not None}
        _, off = fit_azimuth(joints, view[: len(joints)], seen[: len(joints)])
        # Where no joint but the root was seen there is nothing to compare with.
        known = {REPROJECTION: off, REPROJECTION_SHARE: off / BODY_HEIGHT_M * PERCENT}
        out[motion.motion_id] = {**(known if np.isfinite(off) else {}), **physical}
    return out


def _label_rows(
    figures: Mapping[str, Mapping[str, Figures]],
    actions: Mapping[str, str],
    videos_of: Mapping[str, str],
) -> tuple[LabelRow, ...]:
    rows = [_row("", name, found, videos_of) for name, found in figures.items()]
    for group in sorted(set(actions.values())):
        for name, found in figures.items():
            here = {i: f for i, f in found.items() if actions[i] == group}
            rows.append(_row(group, name, here, videos_of))
    return tuple(rows)


def _changes(
    figures: Mapping[str, Mapping[str, Figures]], videos_of: Mapping[str, str]
) -> tuple[LabelRow, ...]:
    first, *others = figures
    before = figures[first]
    rows = []
    for name in others:
        after = figures[name]
        pairs = {i: _difference(after[i], before[i]) for i in after if i in before}
        rows.append(_row("", f"{name} - {first}", pairs, videos_of))
    return tuple(rows)


def _difference(after: Figures, before: Figures) -> Figures:
    return {name: after[name] - before[name] for name in after if name in before}


def _row(
    group: str, maker: str, found: Mapping[str, Figures], videos_of: Mapping[str, str]
) -> LabelRow:
    """Means over videos.

    Clips of one video show one person before one camera: they are no independent measurements.
    """
    known = {name: _by_video(name, found, videos_of) for name in WILD_FIGURES}
    scores = {name: over_seeds(values) for name, values in known.items() if values}
    videos = len({videos_of[motion_id] for motion_id in found})
    return LabelRow(group, maker, len(found), scores, videos)


def _by_video(name: str, found: Mapping[str, Figures], videos_of: Mapping[str, str]) -> list[float]:
    """A figure's mean over the motions of each video; without videos of which it is not known."""
    values: dict[str, list[float]] = {}
    for motion_id, figures in found.items():
        if name in figures:
            values.setdefault(videos_of[motion_id], []).append(figures[name])
    return [float(np.mean(each)) for each in values.values()]


def _input_rows(
    motions: Sequence[Motion], videos: Sequence[SeenVideo], confidence: Mapping[str, float]
) -> tuple[InputRow, ...]:
    groups = {video.action or NO_CLASS for video in videos}
    groups |= {motion.action or NO_CLASS for motion in motions}
    rows = [_input_row("", motions, videos, confidence)]
    for group in sorted(groups):
        here = [video for video in videos if (video.action or NO_CLASS) == group]
        own = [motion for motion in motions if (motion.action or NO_CLASS) == group]
        rows.append(_input_row(group, own, here, confidence))
    return tuple(rows)


def _input_row(
    group: str,
    motions: Sequence[Motion],
    videos: Sequence[SeenVideo],
    confidence: Mapping[str, float],
) -> InputRow:
    sure = [confidence[m.motion_id] for m in motions if m.motion_id in confidence]
    masked = [1.0 - float(_input(motion)[1].mean()) for motion in motions]
    return InputRow(
        group=group,
        videos=len(videos),
        failed=sum(bool(video.reason) for video in videos),
        frames=sum(map(count_person_frames, videos), PersonFrames()),
        motions=len(motions),
        confidence=float(np.mean(sure)) if sure else None,
        masked_share=float(np.mean(masked)) if masked else None,
    )


def _warnings(figures: Mapping[str, Mapping[str, Figures]], motions: int) -> tuple[str, ...]:
    said = []
    for name, found in figures.items():
        if len(found) < motions:
            said.append(f"{motions - len(found)} of {motions} motions have no label of {name}")
        unknown = sum(REPROJECTION not in each for each in found.values())
        if unknown:
            said.append(
                f"{unknown} motions show no joint but the root: {name} have no reprojection error "
                "there"
            )
        gliding = sum("foot_skating" not in each for each in found.values())
        if gliding:
            said.append(
                f"in {gliding} of {len(found)} motions of {name} no foot stands: they are not in "
                "the mean of skating, see the skating ratio"
            )
    return tuple(said)
