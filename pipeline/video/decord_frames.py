"""Reading with decord, the first choice, with the checks that it needs."""

import zlib
from collections.abc import Iterator
from pathlib import Path

import decord
import numpy as np

from pipeline.arrays import Bool, Float64, UInt8

SIGNATURE_STRIDE = 8
"""Rows between those that enter a frame's checksum."""


class DecordRefusedError(Exception):
    """Decord cannot read this file; the message says why."""


class DecordBrokeError(Exception):
    """Decord failed after some frames; those before stay good."""


class DecordFrames:
    """Sequential frames of a file, upright RGB (decord applies the rotation itself).

    Frames are only ever taken one after another: decord's seeking returns wrong frames where
    the container holds no exact index. Its packets run ahead of its decoding without bound and
    all of a file's frames may pile up in memory: only for files whose frames all fit.
    """

    name = "decord"

    def __init__(self, path: Path, threads: int) -> None:
        try:
            self._reader = decord.VideoReader(str(path), num_threads=threads)
            count = len(self._reader)
            stamps = self._reader.get_frame_timestamp(list(range(count)))
        except Exception as error:  # RuntimeError, AssertionError or its own DECORDError
            raise DecordRefusedError(str(error)) from error
        self.raw_times: Float64 = np.asarray(stamps[:, 0], np.float64)
        """(N,) seconds of every packet, sorted; absurd where the container has none."""
        self.decoded = 0
        """Pictures handed out by decord so far, wanted or not."""
        self.repeats_tail = False
        """Set at the end: the last frame equals an earlier one. Decord fills up with repeats
        when fewer pictures decode than there are packets."""

        self._first: UInt8 | None = None

    def first(self) -> UInt8:
        """Decode the first frame (H, W, 3), which `pictures` gives again.

        Raises:
            DecordRefusedError: There is none.
        """
        if self._first is None:
            try:
                self._first = self._next()
            except DecordBrokeError as error:
                raise DecordRefusedError(str(error)) from error
        if self._first is None:
            raise DecordRefusedError("no frame comes out")
        return self._first

    def pictures(self, wanted: Bool) -> Iterator[tuple[int, UInt8]]:
        """Decode from the start; yield (frame number, (H, W, 3)) where `wanted` (N,) says so.

        Raises:
            DecordBrokeError: A packet could not be decoded.
        """
        seen: set[int] = set()
        signature = 0
        frame: UInt8 | None = self.first()
        while frame is not None and self.decoded < len(wanted):
            index = self.decoded
            self.decoded += 1
            signature = zlib.crc32(np.ascontiguousarray(frame[::SIGNATURE_STRIDE]).data)
            self.repeats_tail = signature in seen
            seen.add(signature)
            if wanted[index]:
                yield index, frame
            frame = self._next()

    def _next(self) -> UInt8 | None:
        try:
            frame: UInt8 = self._reader.next().asnumpy()
        except StopIteration:
            return None
        except decord.DECORDError as error:
            raise DecordBrokeError(str(error)) from error
        return frame
