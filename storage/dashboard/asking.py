"""Asking the model for a motion: what the dashboard needs of whoever makes one.

The weights live in another room. Who starts the dashboard hands over a `MotionMaker`.
"""

from dataclasses import dataclass
from typing import Literal, Protocol

from pipeline.arrays import Float32
from storage.dashboard.settings import ASK_CHARS, ASK_SECONDS

State = Literal["queued", "running", "done", "failed", "cancelled"]
GUIDANCE = (0.0, 20.0)
LARGEST_SEED = 2**31 - 1


@dataclass(frozen=True)
class ModelAbout:
    """Which weights answer."""

    available: bool
    name: str = ""
    note: str = ""
    """One sentence on what it is, or why there is none."""


@dataclass(frozen=True)
class Asked:
    """One wish."""

    text: str
    seconds: float
    seed: int = 1
    guidance: float = 2.5

    def __post_init__(self) -> None:
        """Refuse what no motion can be made of."""
        if not self.text.strip():
            raise ValueError("write a sentence first, e.g. a person walks forward")
        if len(self.text) > ASK_CHARS:
            raise ValueError(f"the sentence has over {ASK_CHARS} characters: shorten it")
        if not self.text.isprintable():
            raise ValueError("the sentence must be one line of readable text")
        if not ASK_SECONDS[0] <= self.seconds <= ASK_SECONDS[1]:
            raise ValueError(f"ask for {ASK_SECONDS[0]:g} to {ASK_SECONDS[1]:g} seconds")
        if not 0 <= self.seed <= LARGEST_SEED:
            raise ValueError(f"a seed is a whole number from 0 to {LARGEST_SEED}")
        if not GUIDANCE[0] <= self.guidance <= GUIDANCE[1]:
            raise ValueError(f"guidance is {GUIDANCE[0]:g} to {GUIDANCE[1]:g}")


@dataclass(frozen=True)
class JobState:
    """How far a wish is."""

    state: State
    progress: float | None = None
    """0 to 1; None while it is not known."""
    message: str = ""


@dataclass(frozen=True)
class AskedMotion:
    """What was made."""

    joints3d: Float32
    """(T, 22, 3) metres, y up."""
    fps: float


class AskRefused(ValueError):  # noqa: N818 - named as the situation it reports
    """There is no room for another wish, or no model; one sentence."""


class UnknownJob(LookupError):  # noqa: N818 - named as the situation it reports
    """No job has this name, or it was long ago."""


class MotionMaker(Protocol):
    """Makes motions from sentences, one after the other, without blocking whoever asks."""

    def about(self) -> ModelAbout:
        """Which weights answer now."""
        ...

    def start(self, asked: Asked) -> str:
        """Queue a wish; returns the job's name. Raises `AskRefused`."""
        ...

    def state(self, job: str) -> JobState:
        """How far a job is. Raises `UnknownJob`."""
        ...

    def cancel(self, job: str) -> None:
        """Stop a job; what is done stays done. Raises `UnknownJob`."""
        ...

    def result(self, job: str) -> AskedMotion:
        """What a job made. Raises `UnknownJob`, or `AskRefused` while it is not done."""
        ...

    def close(self) -> None:
        """End everything that still runs."""
        ...
