"""People in one video file to pseudo-3D motions: clean, project, lift, judge.

Without a checkpoint the motions end where the lift would begin: 2D is all that is known of them.
"""

from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from models.checkpoint import Checkpoint
from models.lifting.label_config import GUESS_THRESHOLD, LabelConfig
from models.lifting.observing import ObservedClip, Person, observe_clip
from models.lifting.pseudo_label import (
    PseudoLabel,
    SeenView,
    ViewFacts,
    label_view,
    picture_shown,
)
from pipeline.arrays import Bool, Float32
from pipeline.body_definition import where_measured
from pipeline.carriers import Pose2D, VideoInfo
from pipeline.cleaning import CleanRun, clean_pose, spans, with_guesses
from pipeline.cleaning_config import CleaningConfig
from pipeline.feature_masks import feature_mask2d
from pipeline.half_body import (
    PlacedHips,
    SeenBody,
    Visible,
    half_body_scale,
    place_hips,
    seen_body,
    visible_part,
)
from pipeline.joint_mapping import MappedPose, map_joints
from pipeline.pixels_to_view import ProjectedView, project_run
from pipeline.pose.joint_sets import JOINT_SETS
from pipeline.pose.protocol import PoseEstimator
from pipeline.quality import LabelQuality, view_quality
from pipeline.reasons import PipelineError, Reason
from pipeline.second_opinion import opinion_during
from pipeline.skeletons import HUMANML3D
from pipeline.stopwatch import Stopwatch
from pipeline.video import ReadLimits

STAGES = ("decode", "pose", "normalise", "lift")


@dataclass(frozen=True)
class LabelledMotion:
    """One motion of N frames: what was seen, and the pseudo-3D made of it."""

    start_frame: int
    """In 20-fps frames since the person was first seen."""
    start_s: float
    """Time of frame 0 in the video."""
    view: Float32
    """(N, 22, 2)"""
    features2d: Float32
    """(N-1, 134), not normalised."""
    mask2d: Bool
    """(N-1, 134)"""
    seen: Bool
    """(N, 22)"""
    confidence: Float32
    """(N, 22) the 2D estimator's; 0 where not seen."""
    visible: Visible
    """How much of the body was seen."""
    pixels: Float32
    """(N, 22, 2) cleaned joints in the picture, pixels as stored."""
    px_per_metre: float
    label: PseudoLabel | None
    """None where only 2D was wanted."""

    @property
    def joints3d(self) -> Float32 | None:
        """(N, 22, 3) metres."""
        return self.label.joints3d if self.label else None

    @property
    def features3d(self) -> Float32 | None:
        """(N-1, 263), not normalised."""
        return self.label.features3d if self.label else None

    @property
    def mask3d(self) -> Bool | None:
        """(N-1, 263) True where the feature rests on joints that were seen."""
        return self.label.mask3d if self.label else None

    @property
    def quality(self) -> LabelQuality:
        """Figures of the label, or of the view alone."""
        return self.label.quality if self.label else view_quality(self.seen, self.confidence)


@dataclass(frozen=True)
class CleanedTrack:
    """A person's cleaned joints over all motions; masked between them."""

    start_s: float
    pixels: Float32
    """(T, 22, 2)"""
    seen: Bool
    """(T, 22)"""


@dataclass
class LabelledPerson:
    """One person and what became of them."""

    person: Person
    motions: list[LabelledMotion] = field(default_factory=list)
    reason: Reason | None = None
    """Why a person who was to become motion did not."""
    detail: str | None = None

    @property
    def cleaned(self) -> CleanedTrack | None:
        """What the motions were made from, on one 20-fps clock; None without a motion."""
        if not self.motions:
            return None
        first, last = self.motions[0], self.motions[-1]
        frames = last.start_frame + len(last.seen) - first.start_frame
        pixels = np.zeros((frames, *first.pixels.shape[1:]), np.float32)
        seen = np.zeros((frames, first.seen.shape[1]), dtype=np.bool_)
        for motion in self.motions:
            start = motion.start_frame - first.start_frame
            pixels[start : start + len(motion.seen)] = motion.pixels
            seen[start : start + len(motion.seen)] = motion.seen
        return CleanedTrack(first.start_s, pixels, seen)


@dataclass
class ClipResult:
    """All that one file gave, whether or not it became motion."""

    info: VideoInfo | None = None
    reason: Reason | None = None
    detail: str | None = None
    people: list[LabelledPerson] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=lambda: dict.fromkeys(STAGES, 0.0))

    @property
    def motions(self) -> list[LabelledMotion]:
        """Of everybody."""
        return [motion for each in self.people for motion in each.motions]

    @property
    def wanted(self) -> list[LabelledPerson]:
        """Who was to become motion."""
        return [each for each in self.people if each.person.wanted]


def label_clip(
    path: Path,
    estimator: PoseEstimator,
    checkpoint: Checkpoint | None,
    config: LabelConfig,
    *,
    known_hash: str | None = None,
    limits: ReadLimits | None = None,
) -> ClipResult:
    """Run every stage on one file; a failure ends up in the result, never as an exception.

    Args:
        path: Video file.
        estimator: 2D pose backend.
        checkpoint: Lifting network; None leaves the motions without 3D.
        config: Settings that change the numbers.
        known_hash: SHA-256 of the file when it is known already.
        limits: Bounds on decoding.
    """
    seen = observe_clip(path, estimator, config, known_hash=known_hash, limits=limits)
    return label_people(seen, checkpoint, config)


def label_people(
    seen: ObservedClip, checkpoint: Checkpoint | None, config: LabelConfig
) -> ClipResult:
    """Label whoever of a file is to become motion.

    A person of whom nothing can be made has a reason; the file fails when nobody gives a motion,
    for the reason of the person who was most sure to.

    Args:
        seen: The file's people.
        checkpoint: Lifting network; None leaves the motions without 3D.
        config: Settings that change the numbers.
    """
    result = ClipResult(
        seen.info, seen.reason, seen.detail, [LabelledPerson(p) for p in seen.people]
    )
    result.seconds.update(seen.seconds)
    if seen.reason is not None:
        return result
    for each in result.wanted:
        try:
            _label_person(each, result, checkpoint, config)
        except PipelineError as error:
            each.reason, each.detail = error.reason, error.detail
            # Runs lifted before the failing one do not stand alone.
            each.motions.clear()
    if not result.motions:
        first = max(result.wanted, key=lambda each: each.person.score)
        result.reason, result.detail = first.reason, first.detail
    return result


def _label_person(
    each: LabelledPerson, result: ClipResult, checkpoint: Checkpoint | None, config: LabelConfig
) -> None:
    watch, person = Stopwatch(), each.person
    if config.body_joints:
        person = replace(person, track=where_measured(person.track))
    aspect = 1.0 if result.info is None else result.info.pixel_aspect
    names = JOINT_SETS[person.track.pose.joint_set].joints
    steady = _without_camera(person)
    limits = {"threshold": config.confidence_threshold, "pixel_aspect": aspect}
    hips = place_hips(steady, names, **limits) if config.half_bodies else None
    pose = map_joints(hips.pose if hips else steady, names, **limits)
    runs = clean_pose(pose, config.cleaning)
    if not runs:
        raise _no_run(pose, config.cleaning)
    views = [_view_of(run, hips) for run in runs]
    if config.guesses:
        low = {**limits, "threshold": GUESS_THRESHOLD}
        guesses = map_joints(hips.pose if hips else steady, names, **low)
        views = [_with_guesses(view, guesses, config.cleaning) for view in views]
    result.seconds["normalise"] += watch.seconds
    watch = Stopwatch()
    for view in views:
        each.motions.append(_lift_run(view, person, aspect, checkpoint, config))
    result.seconds["lift"] += watch.seconds


def _without_camera(person: Person) -> Pose2D:
    """The person's joints as the camera of the shot's first frame would have seen them."""
    pose = person.track.pose
    if person.camera is None or not person.camera_used:
        return pose
    return replace(pose, joints=person.camera.to_first(pose.joints, pose.times))


def _no_run(pose: MappedPose, config: CleaningConfig) -> PipelineError:
    """Why no stretch of the track is long enough, told apart for the reader of the table."""
    enough = pose.seen.sum(axis=1) >= config.min_joints
    shortest_s = config.min_frames / config.fps
    step = float(np.median(np.diff(pose.times))) if len(pose.times) > 1 else 0.0
    whole = max((b - a for a, b in spans(pose.seen.any(axis=1))), default=0) * step
    usable = max((b - a for a, b in spans(enough & pose.seen[:, 0])), default=0) * step
    if whole >= shortest_s:
        return PipelineError(
            Reason.TOO_FEW_JOINTS,
            f"hips and at least {config.min_joints} of 22 joints are seen for {usable:.1f} s "
            f"without a break; a motion needs {shortest_s:.1f} s",
        )
    return PipelineError(
        Reason.PERSON_TOO_BRIEF,
        f"the person is in sight for {whole:.1f} s without a break; a motion needs "
        f"{shortest_s:.1f} s",
    )


@dataclass(frozen=True)
class _RunView:
    """A run in the projected view, and what of it was really seen."""

    run: CleanRun
    view: ProjectedView
    body: SeenBody


def _view_of(run: CleanRun, hips: PlacedHips | None) -> _RunView:
    if hips is None:
        nothing = np.zeros_like(run.seen)
        return _RunView(run, project_run(run), SeenBody(run.seen, nothing, visible_part(run.seen)))
    body = seen_body(run, hips, HUMANML3D.fps)
    scale = half_body_scale(run.joints, body.seen) if body.placed.any() else None
    return _RunView(run, project_run(run, scale), body)


def _with_guesses(whole: _RunView, guesses: MappedPose, config: CleaningConfig) -> _RunView:
    """The view with guessed joints beside those that were seen; the body's scale stays."""
    run = with_guesses(whole.run, guesses, config)
    return replace(whole, run=run, view=project_run(run, whole.view.px_per_metre))


def _lift_run(
    whole: _RunView,
    person: Person,
    pixel_aspect: float,
    checkpoint: Checkpoint | None,
    config: LabelConfig,
) -> LabelledMotion:
    run, view, body = whole.run, whole.view, whole.body
    n = len(view.features)  # T positions give T - 1 rows, and as many lifted positions
    confidence = np.where(body.placed, 0.0, run.confidence).astype(np.float32)
    return LabelledMotion(
        start_frame=run.start_frame,
        start_s=run.start_s,
        view=view.joints[:n],
        features2d=view.features[: n - 1],
        mask2d=feature_mask2d(body.seen, HUMANML3D)[: n - 1],
        seen=body.seen[:n],
        confidence=confidence[:n],
        visible=body.visible,
        pixels=_in_picture(run, n, person, pixel_aspect),
        px_per_metre=view.px_per_metre,
        label=None
        if checkpoint is None
        else label_view(
            _seen_view(whole, confidence, person, pixel_aspect, config), checkpoint, config
        ),
    )


def _seen_view(
    whole: _RunView,
    confidence: Float32,
    person: Person,
    pixel_aspect: float,
    config: LabelConfig,
) -> SeenView:
    """What a label is made from."""
    run, view, body = whole.run, whole.view, whole.body
    opinion = None
    if config.second_opinion:
        opinion = opinion_during(person.track, run.start_s, len(view.features))
    return SeenView(
        joints=view.joints,
        seen=body.seen,
        anchored=body.anchored | (run.seen & ~body.placed),
        confidence=confidence,
        features=view.features,
        mask=view.mask,
        facts=ViewFacts(
            px_per_metre=view.px_per_metre,
            picture=picture_shown(person.track.pose.frame_size, pixel_aspect),
            camera_quality=person.camera.quality if person.camera else None,
        ),
        opinion=opinion,
    )


def _in_picture(run: CleanRun, frames: int, person: Person, pixel_aspect: float) -> Float32:
    """(N, 22, 2) cleaned joints where they are in the picture, pixels as stored."""
    stored = (run.joints[:frames] / [pixel_aspect, 1.0]).astype(np.float32)
    if person.camera is None or not person.camera_used:
        return stored
    times = run.start_s + np.arange(frames) / HUMANML3D.fps
    return person.camera.to_picture(stored, times)
