"""How much of the persons that were seen in videos became motion: coverage, counted in frames.

A person-frame is one frame, as it was read (at most 20 a second), in which the 2D estimator found
one person: at least one joint inside the picture. It is labelled when that person became motion and
the frame lies in one of the motions. Persons whom the estimator missed are in no count; what it
took for a person without reason is in all of them.
"""

from dataclasses import dataclass

import numpy as np

from pipeline.arrays import Bool, Float64


@dataclass(frozen=True)
class Span:
    """A motion's place in its video."""

    start_s: float
    """Time of frame 0."""
    frames: int
    fps: float


@dataclass(frozen=True)
class SeenPerson:
    """One person in one video."""

    times: Float64
    """(N,) seconds in the video of the frames in which the person was found."""
    chosen: bool
    """Whether this person was to become motion."""
    motions: tuple[Span, ...] = ()
    """Of this person."""


@dataclass(frozen=True)
class SeenVideo:
    """What was seen in one file, and what became of it."""

    action: str
    """Class; empty when unknown."""
    reason: str
    """Reason code of a failure; empty when the file gave motions."""
    persons: tuple[SeenPerson, ...]
    """Empty where no picture could be read or nobody was found."""


@dataclass(frozen=True)
class PersonFrames:
    """Person-frames of some videos."""

    seen: int = 0
    """Of everybody."""
    chosen: int = 0
    """Of the persons that were kept, in videos that failed later too."""
    labelled: int = 0

    def __add__(self, other: "PersonFrames") -> "PersonFrames":
        return PersonFrames(
            self.seen + other.seen, self.chosen + other.chosen, self.labelled + other.labelled
        )

    @property
    def coverage(self) -> float | None:
        """Labelled share of everybody's frames; None when nobody was seen."""
        return self.labelled / self.seen if self.seen else None

    @property
    def coverage_of_chosen(self) -> float | None:
        """Labelled share of the kept persons' frames; None when nobody was."""
        return self.labelled / self.chosen if self.chosen else None


def count_person_frames(video: SeenVideo) -> PersonFrames:
    """The person-frames of one video."""
    kept = [person for person in video.persons if person.chosen]
    return PersonFrames(
        seen=sum(len(person.times) for person in video.persons),
        chosen=sum(len(person.times) for person in kept),
        labelled=sum(int(_inside(person.times, person.motions).sum()) for person in kept),
    )


def _inside(times: Float64, motions: tuple[Span, ...]) -> Bool:
    """(N,) True where a time lies in a motion; a frame stands for half a frame on either side."""
    inside = np.zeros(len(times), dtype=np.bool_)
    for span in motions:
        first = span.start_s - 0.5 / span.fps
        inside |= (times >= first) & (times < first + span.frames / span.fps)
    return inside
