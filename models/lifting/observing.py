"""One video file to people: who is in it, shot by shot, as a 2D estimator saw them. No 3D yet."""

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from models.lifting.label_config import LabelConfig
from pipeline.carriers import FrameBatch, VideoInfo
from pipeline.pose.protocol import PersonTrack, PoseEstimator
from pipeline.reasons import PipelineError, Reason
from pipeline.skeletons import HUMANML3D
from pipeline.stopwatch import Stopwatch
from pipeline.tracking import Choice, choose_person
from pipeline.video import ReadLimits, read_frames

WHOLE_FILE = 0
"""The number of the only shot of a file that is not cut into shots."""


@dataclass(frozen=True)
class Person:
    """One person in one shot."""

    shot: int
    number: int
    """Of the person in the shot, from 0."""
    track: PersonTrack
    choice: Choice | None = None
    """Why this person is to become motion; None for the others."""

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
        _check_length(seen, config)
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
        tracks = estimator.estimate(everything, frame_size=(width, height))
        seen.info = stream.info
    waited["pose"] = watch.seconds - waited["decode"]
    seen.people = [Person(WHOLE_FILE, n, track) for n, track in enumerate(tracks)]
    choice = choose_person(tracks)
    chosen = seen.people[choice.index]
    seen.people[choice.index] = Person(chosen.shot, chosen.number, chosen.track, choice)
    if choice.score < config.min_person_score:
        raise PipelineError(
            Reason.NO_PERSON,
            f"nobody is large, steady and sure enough to be a person: {choice.why}",
        )


def _check_length(seen: ObservedClip, config: LabelConfig) -> None:
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
