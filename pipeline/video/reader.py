"""Reading a video: frames in batches, RGB, upright, with true times, sampled by time."""

import itertools
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

import numpy as np

from pipeline.carriers import FrameBatch, VideoInfo
from pipeline.reasons import PipelineError, Reason
from pipeline.video.hashing import sha256_of
from pipeline.video.limits import ReadLimits
from pipeline.video.process import POOL, DecoderProcess
from pipeline.video.protocol import Header, ReadRequest, stop_line

DRAIN_S = 5.0
"""How long a decoder may take to put down a clip that we no longer want."""
_clip_numbers = itertools.count(1)


def read_frames(
    path: Path | str,
    fps: float | None = 20.0,
    batch_size: int = 16,
    limits: ReadLimits | None = None,
    known_hash: str | None = None,
) -> "FrameStream":
    """Open a video for reading in order, decoded ahead of us in another process.

    Args:
        path: The file.
        fps: Frames a second to take: for every grid time k / fps the nearest frame, each frame
            once and with its own true time. None takes every frame.
        batch_size: Frames in a batch; fewer when the pictures are large, and in the last.
        limits: Bounds on time, memory and picture size.
        known_hash: The file's SHA-256 when already known, so that it is not computed again.

    Returns:
        A stream: a context manager, an iterator of `FrameBatch`, and afterwards `.info`.
        Iterating raises `PipelineError` with the reason when the file cannot be read.
    """
    if fps is not None and not fps > 0:
        raise ValueError(f"fps must be positive or None, got {fps}")
    if batch_size < 1:
        raise ValueError(f"batch_size must be at least 1, got {batch_size}")
    file = str(Path(path).absolute())
    request = ReadRequest(
        next(_clip_numbers), file, limits or ReadLimits(), fps, batch_size, known_hash=known_hash
    )
    return FrameStream(Path(path), request)


def read_frame_at(path: Path | str, time_s: float, limits: ReadLimits | None = None) -> FrameBatch:
    """The one frame nearest to a time, for a thumbnail; the file is decoded up to it.

    Returns:
        A batch of one frame with its true time.

    Raises:
        PipelineError: The file cannot be read.
    """
    file = str(Path(path).absolute())
    request = ReadRequest(next(_clip_numbers), file, limits or ReadLimits(), at_s=time_s)
    with FrameStream(Path(path), request) as stream:
        for batch in stream:
            return batch
    raise PipelineError(Reason.NO_FRAMES, "no picture could be decoded at that time")


def content_hash(path: Path | str) -> str:
    """SHA-256 of a file's bytes in hex, read in pieces.

    Raises:
        PipelineError: `not_found` or `unreadable`.
    """
    try:
        return sha256_of(Path(path))
    except FileNotFoundError as error:
        raise PipelineError(Reason.NOT_FOUND, "there is no such file") from error
    except OSError as error:
        detail = f"the operating system refuses to read it: {error.strerror or error}"
        raise PipelineError(Reason.UNREADABLE, detail) from error


class FrameStream:
    """Batches of one file's frames in order; see `read_frames`.

    The decoding process works one batch ahead and then waits, so memory does not depend on the
    length of the video. Leaving early is cheap.
    """

    def __init__(self, path: Path, request: ReadRequest) -> None:
        self._path = path
        self._request = request
        self._info: VideoInfo | None = None
        self._process: DecoderProcess | None = None
        self._finished = False

    @property
    def info(self) -> VideoInfo:
        """What was learnt about the file.

        Raises:
            RuntimeError: Asked before the last batch, or after a failure.
        """
        if self._info is None:
            raise RuntimeError("a video's info is known after its last batch: read to the end")
        return self._info

    @property
    def decoder_pid(self) -> int | None:
        """Process id of the decoding process while the stream is open."""
        return self._process.pid if self._process else None

    def __enter__(self) -> "FrameStream":
        self._open()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __iter__(self) -> Iterator[FrameBatch]:
        """Yield the batches, once; closes the stream at the end."""
        try:
            header = self._first_header()
            while header["kind"] != "end":
                if header["kind"] == "batch":
                    yield self._receive_batch(header)
                header = self._next_header()
            self._finish(header)
        finally:
            self.close()

    def close(self) -> None:
        """Give the decoding process back; stops it first if the file is not read to its end."""
        process, self._process = self._process, None
        if process is None:
            return
        if not self._finished and not self._put_down(process):
            return
        self._finished = True
        POOL.give(process)

    def _open(self) -> DecoderProcess:
        if self._finished:
            raise RuntimeError("a frame stream can be read once: open the file again")
        if self._process is None:
            self._process = POOL.take()
            self._process.send(self._request.to_line())
        return self._process

    def _first_header(self) -> Header:
        """The first header; once more from another process if ours had died while idle."""
        process = self._open()
        try:
            return self._next_header()
        except PipelineError as error:
            lost = self._process is None and error.reason is Reason.DECODER_CRASHED
            if not (lost and process.was_idle):
                raise
        self._finished = False
        return self._next_header()

    def _next_header(self) -> Header:
        process = self._open()
        try:
            header = process.receive_header(self._request.limits.stall_s)
        except BaseException:
            self._lose(process)
            raise
        if header["kind"] == "error":
            self._finished = True
            raise PipelineError(Reason(header["reason"]), header["detail"])
        return header

    def _receive_batch(self, header: Header) -> FrameBatch:
        process = self._open()
        frames = np.empty(header["shape"], np.uint8)
        times = np.empty(len(frames), np.float64)
        try:
            for array in (times, frames):
                process.receive_into(array.data.cast("B"), self._request.limits.stall_s)
        except BaseException:
            self._lose(process)
            raise
        return FrameBatch(times=times, frames=frames)

    def _finish(self, header: Header) -> None:
        self._finished = True
        if header["info"] is not None:
            facts = {**header["info"], "warnings": tuple(header["info"]["warnings"])}
            self._info = VideoInfo(path=self._path, **facts)

    def _lose(self, process: DecoderProcess) -> None:
        """End a process that is dead, silent, or (Ctrl-C) left in the middle of a message."""
        process.kill()
        self._process = None
        self._finished = True

    def _put_down(self, process: DecoderProcess) -> bool:
        """Stop the decoder within the clip; False when it had to be killed."""
        try:
            process.send(stop_line(self._request.clip))
            while (header := process.receive_header(DRAIN_S))["kind"] not in ("end", "error"):
                process.receive_into(memoryview(bytearray(header["bytes"])), DRAIN_S)
        except BaseException as error:
            self._lose(process)
            if not isinstance(error, PipelineError):
                raise
            return False
        return True
