"""One video file to people: who is in it, shot by shot, as a 2D estimator saw them. No 3D yet."""

import itertools
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from models.lifting.label_config import LabelConfig
from pipeline.arrays import Float32, Float64
from pipeline.camera.observe import CameraObserver
from pipeline.camera.path import CameraPath
from pipeline.camera.similarity import at_times
from pipeline.carriers import FrameBatch, VideoInfo
from pipeline.performer import PersonScore, score_people
from pipeline.pose.protocol import PersonTrack, PoseEstimator
from pipeline.read_ahead import read_ahead
from pipeline.reasons import PipelineError, Reason
from pipeline.shots import ShotSettings, split_shots
from pipeline.skeletons import HUMANML3D
from pipeline.stopwatch import Stopwatch
from pipeline.tracking import Choice, choose_person
from pipeline.video import ReadLimits, read_frames

WHOLE_FILE = 0
"""The number of the only shot of a file that is not cut into shots."""

MIN_CAMERA_QUALITY = 0.3
"""A camera path that is less sure than this is told and not used."""


@dataclass(frozen=True)
class Person:
    """One person in one shot."""

    shot: int
    number: int
    """Of the person in the shot, from 0."""
    track: PersonTrack
    choice: Choice | None = None
    """Why this person is to become motion; None for the others."""
    camera: CameraPath | None = None
    """How the camera moved during the shot; None where it was not watched."""
    part: PersonScore | None = None
    """How much this looks like the one who performs the action; None where nobody asked."""

    def camera_at(self, times: Float64) -> Float32 | None:
        """(N, 4) the camera's motion at some times (N,), as `CameraPath.similarity` has it."""
        if self.camera is None:
            return None
        return at_times(self.camera.times, self.camera.similarity, times).astype(np.float32)

    @property
    def camera_used(self) -> bool:
        """Whether the camera's motion is sure enough to be taken out."""
        return self.camera is not None and self.camera.quality >= MIN_CAMERA_QUALITY

    @property
    def score(self) -> float:
        """How sure the choice is; 0 for people who were not chosen."""
        return self.choice.score if self.choice else 0.0

    @property
    def wanted(self) -> bool:
        """Whether this person is to become motion."""
        return self.choice is not None


@dataclass
class ObservedClip:
    """All 2D of one file. With a reason it is not to be labelled."""

    info: VideoInfo | None = None
    reason: Reason | None = None
    detail: str | None = None
    people: list[Person] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=lambda: {"decode": 0.0, "pose": 0.0})


def observe_clip(
    path: Path,
    estimator: PoseEstimator,
    config: LabelConfig,
    *,
    known_hash: str | None = None,
    limits: ReadLimits | None = None,
) -> ObservedClip:
    """Read a file once and follow the people in it; a failure ends up in the result.

    Args:
        path: Video file.
        estimator: 2D pose backend.
        config: Settings that change the numbers.
        known_hash: SHA-256 of the file when it is known already.
        limits: Bounds on decoding.
    """
    seen = ObservedClip()
    try:
        _read(seen, path, estimator, config, known_hash, limits)
        check_length(seen, config)
    except PipelineError as error:
        seen.reason, seen.detail = error.reason, error.detail
    return seen


def _read(
    seen: ObservedClip,
    path: Path,
    estimator: PoseEstimator,
    config: LabelConfig,
    known_hash: str | None,
    limits: ReadLimits | None,
) -> None:
    watch, waited = Stopwatch(), seen.seconds
    with read_frames(path, HUMANML3D.fps, limits=limits, known_hash=known_hash) as stream:
        batches = _timed(stream, waited)
        first = next(batches, None)
        if first is None:
            raise PipelineError(Reason.NO_FRAMES, "the file opens but gives no picture")
        height, width = first.frames.shape[1:3]
        everything = itertools.chain([first], batches)
        seen.people = _people(everything, estimator, config, (width, height))
        seen.info = stream.info
    waited["pose"] = watch.seconds - waited["decode"]
    choose_people(seen, config)


def _people(
    frames: Iterable[FrameBatch],
    estimator: PoseEstimator,
    config: LabelConfig,
    frame_size: tuple[int, int],
) -> list[Person]:
    """Everybody in every shot."""
    if not config.shots:
        return _people_of(WHOLE_FILE, frames, estimator, config, frame_size)
    return [
        person
        for shot in split_shots(frames, ShotSettings())
        for person in _people_of(shot.index, shot.batches, estimator, config, frame_size)
    ]


def _people_of(
    shot: int,
    frames: Iterable[FrameBatch],
    estimator: PoseEstimator,
    config: LabelConfig,
    frame_size: tuple[int, int],
) -> list[Person]:
    """Everybody in one shot; the camera is watched on the way."""
    observer = CameraObserver() if config.camera else None
    watched = frames if observer is None else observer.watch(frames)
    if config.shots or config.camera:  # without them nothing is done to frames on their way
        with closing(read_ahead(watched)) as ready:
            tracks = estimator.estimate(ready, frame_size)
    else:
        tracks = estimator.estimate(watched, frame_size)
    camera = None if observer is None else observer.path(tracks)
    sure = camera is not None and camera.quality >= MIN_CAMERA_QUALITY
    scores = score_people(tracks, camera if sure else None)
    return [
        Person(shot, n, track, camera=camera, part=part)
        for n, (track, part) in enumerate(zip(tracks, scores, strict=True))
    ]


def choose_people(seen: ObservedClip, config: LabelConfig) -> None:
    """Say who is to become motion: of each shot one person, or everybody who is sure enough.

    Raises:
        PipelineError: Nobody is.
    """
    best = choose_person([person.track for person in seen.people])
    if best.score < config.min_person_score:
        # Named all the same, so that the row says how unlikely they are.
        seen.people[best.index] = replace(seen.people[best.index], choice=best)
        raise PipelineError(
            Reason.NO_PERSON,
            f"nobody is large, steady and sure enough to be a person: {best.why}",
        )
    for shot in sorted({person.shot for person in seen.people}):
        here = [i for i, person in enumerate(seen.people) if person.shot == shot]
        first = choose_person([seen.people[i].track for i in here])
        for i in here if config.people == "all" else [here[first.index]]:
            own = first if i == here[first.index] else choose_person([seen.people[i].track])
            if own.score >= config.min_person_score:
                seen.people[i] = replace(seen.people[i], choice=own)


def check_length(seen: ObservedClip, config: LabelConfig) -> None:
    """Raise `too_short` for a clip shorter than a motion."""
    shortest_s = config.cleaning.min_frames / config.cleaning.fps
    if seen.info is not None and seen.info.duration_s < shortest_s:
        raise PipelineError(
            Reason.TOO_SHORT,
            f"{seen.info.duration_s:.2f} s of video; a motion needs {shortest_s:.2f} s",
        )


def _timed(stream: Iterable[FrameBatch], seconds: dict[str, float]) -> Iterator[FrameBatch]:
    """Pass batches on, adding the time spent waiting for them to `decode`."""
    batches = iter(stream)
    while True:
        watch = Stopwatch()
        batch = next(batches, None)
        seconds["decode"] += watch.seconds
        if batch is None:
            return
        yield batch
