"""One file from its first byte to its last, inside the decoding process."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from pipeline.arrays import Bool, Float64, UInt8
from pipeline.reasons import PipelineError, Reason
from pipeline.video import chatter
from pipeline.video.choice import Choice, choose_decoder, opencv_after_failure
from pipeline.video.containers import ContainerFacts, describe_container
from pipeline.video.decord_frames import DecordBrokeError, DecordFrames
from pipeline.video.findings import describe_reading, refuse_ruins
from pipeline.video.hashing import sha256_of
from pipeline.video.memory import is_starved
from pipeline.video.opencv import OutOfStepError, survey
from pipeline.video.protocol import Outbox, ReadRequest
from pipeline.video.timing import nearest_index, pick_nearest

MAX_BATCH_BYTES = 24 * 1024 * 1024
"""Large pictures travel in smaller batches, so that the reader need not wait long for its first."""
RESUME_GAP_S = 1e-3
"""Two decoders' times of the same frame differ by less."""


def decode_clip(request: ReadRequest, outbox: Outbox) -> None:
    """Send a file's frames, then what was learnt about it.

    Raises:
        PipelineError: The file cannot be read; the reason says why.
        MemoryError: The memory limit was met.
        ClipStoppedError: The parent wants no more of it.
    """
    path = Path(request.path)
    chatter.forget()
    _refuse_undecodable_name(request.path)
    facts = describe_container(path)
    choice = choose_decoder(path, facts, request.limits, outbox.beat)
    sender = _Sender(outbox, request.batch_size)
    choice = _send_frames(choice, facts, request, sender)
    if choice.source.decoded < len(choice.times) and request.at_s is None and is_starved():
        raise MemoryError  # frames are missing, and not through the file's fault
    if sender.size == (0, 0):
        raise PipelineError(Reason.NO_FRAMES, "the decoder stops before its first picture")
    if request.at_s is not None:
        outbox.send({"kind": "end", "info": None})
        return
    recount = _recount(choice, request, outbox.beat)
    info = describe_reading(choice, facts, sender.size, recount)
    info["content_hash"] = request.known_hash or sha256_of(path, outbox.beat)
    outbox.send({"kind": "end", "info": info})


class _Sender:
    """Collects frames into batches; remembers the last time sent and the picture size."""

    def __init__(self, outbox: Outbox, batch_size: int) -> None:
        self.outbox = outbox
        self._batch_size = batch_size
        self._times: list[float] = []
        self._frames: list[UInt8] = []
        self.last_s = float("-inf")
        self.size = (0, 0)
        """(width, height) of the first frame."""

    def add(self, time_s: float, frame: UInt8) -> None:
        if self.size == (0, 0):
            self.size = (frame.shape[1], frame.shape[0])
        elif self.size != (frame.shape[1], frame.shape[0]):
            detail = f"the picture changes its size after {time_s:.2f} s"
            raise PipelineError(Reason.DECODE_ERROR, detail)
        self._times.append(time_s)
        self._frames.append(frame)
        self.last_s = time_s
        full = len(self._frames) >= self._batch_size
        if full or (len(self._frames) + 1) * frame.nbytes > MAX_BATCH_BYTES:
            self.flush()

    def flush(self) -> None:
        if self._frames:
            self.outbox.send_batch(self._times, self._frames)
            self._times, self._frames = [], []


def _send_frames(
    choice: Choice, facts: ContainerFacts, request: ReadRequest, sender: _Sender
) -> Choice:
    """Run the chosen decoder, and OpenCV behind the place where it breaks off."""
    refuse_ruins(choice, facts)
    try:
        _run(choice, _wanted(choice.times, request), sender)
    except (DecordBrokeError, OutOfStepError):
        path = Path(request.path)
        choice = opencv_after_failure(choice, path, request.limits.threads, sender.outbox.beat)
        refuse_ruins(choice, facts)
        unsent = choice.times > sender.last_s + RESUME_GAP_S
        _run(choice, _wanted(choice.times, request) & unsent, sender)
    sender.flush()
    return choice


def _refuse_undecodable_name(name: str) -> None:
    try:
        name.encode("utf-8")
    except UnicodeEncodeError as error:  # OpenCV would crash on it
        detail = "the file's name is not valid UTF-8; rename the file"
        raise PipelineError(Reason.UNREADABLE, detail) from error


def _wanted(times: Float64, request: ReadRequest) -> Bool:
    """Which of the frames (N,) the parent asked for; nothing behind the last one, for one frame."""
    if request.at_s is None:
        return pick_nearest(times, request.fps)
    index = int(nearest_index(times, np.asarray([request.at_s]))[0])
    only: Bool = np.arange(index + 1) == index
    return only


def _run(choice: Choice, wanted: Bool, sender: _Sender) -> None:
    for index, frame in choice.source.pictures(wanted):
        sender.add(float(choice.times[index]), frame)
        sender.outbox.beat()
        chatter.trim()


def _recount(choice: Choice, request: ReadRequest, beat: Callable[[], None]) -> int | None:
    """OpenCV's count of the pictures, if decord ended with repeats that OpenCV does not see."""
    if not isinstance(choice.source, DecordFrames) or not choice.source.repeats_tail:
        return None
    counted = len(survey(Path(request.path), request.limits.threads, beat))
    return counted if 0 < counted != choice.source.decoded else None
