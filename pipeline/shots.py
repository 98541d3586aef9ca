"""Cut a film where the picture jumps: a track never crosses a cut."""

import itertools
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import cv2
import numpy as np

from pipeline.arrays import UInt8
from pipeline.carriers import FrameBatch
from pipeline.reduced_pictures import halving, reduced

CLOCK_HZ = 1000.0
"""PySceneDetect counts time in ticks; frames keep their own times."""


@dataclass(frozen=True)
class ShotSettings:
    """PySceneDetect's `AdaptiveDetector`.

    A cut stands out from the change around it, so that a fast pan is none.
    """

    adaptive_threshold: float = 3.0
    """A cut changes the picture this many times as much as its neighbours in time do."""
    window_width: int = 2
    """Neighbours on either side, frames. Frames are held back by as many."""
    min_content_val: float = 27.0
    """Least mean change of hue, saturation and brightness, of 255: `ContentDetector`'s default.
    With `AdaptiveDetector`'s own 15, still clips are cut at codec key frames (changes up to 22.5 on
    the clips this was tried on, where true cuts change the picture by 62 and more)."""
    least_side_px: int = 128
    """Frames are halved while their longer side stays at this or more before they are compared:
    the means of 160x120 pixels tell a cut as those of 320x240 do, at a fifth of the price."""
    min_shot_s: float = 0.5
    """Seconds that must pass between two cuts."""

    def __post_init__(self) -> None:
        """Refuse what PySceneDetect cannot use."""
        if self.window_width < 1 or self.min_shot_s < 0:
            raise ValueError(
                f"window_width must be 1 or more and min_shot_s 0 or more, got "
                f"{self.window_width} and {self.min_shot_s}"
            )


@dataclass(frozen=True)
class Shot:
    """One uncut piece of a film."""

    index: int
    start_s: float
    """Time of its first frame in the film, seconds."""
    first_frame: int
    """Index of its first frame among the film's frames."""
    batches: Iterator[FrameBatch] = field(repr=False)
    """Its frames, with their times in the film; gone once the next shot is asked for."""


def split_shots(batches: Iterable[FrameBatch], settings: ShotSettings) -> Iterator[Shot]:
    """Split a film at its cuts, while it streams.

    Like `itertools.groupby`: the shots share the film's frames, so a shot's frames are to be
    consumed before the next shot is asked for; what was left of them is skipped. No more than
    `window_width` frames are held, whatever the film's length. A film without a cut is one shot; a
    film without frames none.

    Args:
        batches: The film's frames, in time order.
        settings: What counts as a cut.

    Yields:
        The shots in order.
    """
    film = _Film(_marked(batches, settings))
    for index in itertools.count():
        first = film.open_shot()
        if first is None:
            return
        yield Shot(index, float(first.times[0]), film.passed, film.shot_frames())
        for _ in film.shot_frames():  # what the caller left
            pass


@dataclass
class _Film:
    """The marked frames of a film, and how far they were read."""

    frames: Iterator[tuple[bool, FrameBatch]]
    passed: int = 0
    """Frames handed out so far."""
    waiting: FrameBatch | None = None
    """A frame that was read and not handed out: the first of a shot."""
    opened: bool = False
    """Whether the waiting frame belongs to the shot that is being handed out."""

    def open_shot(self) -> FrameBatch | None:
        """The first frame of the next shot, which stays waiting; None at the film's end."""
        if self.waiting is None:
            self.waiting = next((frame for _, frame in self.frames), None)
        self.opened = self.waiting is not None
        return self.waiting

    def shot_frames(self) -> Iterator[FrameBatch]:
        """Frames up to the next cut."""
        if self.opened and self.waiting is not None:
            self.opened, first, self.waiting = False, self.waiting, None
            self.passed += 1
            yield first
        while self.waiting is None:
            cut, frame = next(self.frames, (False, None))
            if frame is None:
                return
            if cut:
                self.waiting = frame
                return
            self.passed += 1
            yield frame


def _marked(
    batches: Iterable[FrameBatch], settings: ShotSettings
) -> Iterator[tuple[bool, FrameBatch]]:
    """Every frame as a batch of its own, and whether a shot begins with it."""
    from scenedetect import FrameTimecode  # noqa: PLC0415 - a third of a second to import
    from scenedetect.detectors import AdaptiveDetector  # noqa: PLC0415

    detector = AdaptiveDetector(
        adaptive_threshold=settings.adaptive_threshold,
        min_scene_len=float(settings.min_shot_s),
        window_width=settings.window_width,
        min_content_val=settings.min_content_val,
    )
    held: deque[tuple[int, FrameBatch]] = deque()
    cuts: set[int] = set()
    for frame in _one_by_one(batches):
        code = FrameTimecode(float(frame.times[0]), fps=CLOCK_HZ)
        held.append((code.frame_num, frame))
        small = _small(frame.frames[0], settings)
        cuts.update(c.frame_num for c in detector.process_frame(code, small))
        if len(held) > settings.window_width:  # no later frame can mark the first any more
            tick, oldest = held.popleft()
            yield tick in cuts, oldest
    yield from ((tick in cuts, frame) for tick, frame in held)


def _small(frame: UInt8, settings: ShotSettings) -> UInt8:
    """A frame as PySceneDetect compares them: small, and blue first."""
    how = halving((frame.shape[1], frame.shape[0]), settings.least_side_px)
    return np.asarray(cv2.cvtColor(reduced(frame, how), cv2.COLOR_RGB2BGR), np.uint8)


def _one_by_one(batches: Iterable[FrameBatch]) -> Iterator[FrameBatch]:
    """Batches of one frame, as views."""
    for batch in batches:
        for i in range(len(batch.times)):
            yield FrameBatch(batch.times[i : i + 1], batch.frames[i : i + 1])
