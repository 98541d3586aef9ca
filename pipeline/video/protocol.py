"""The language between a process and its decoding child: JSON lines down, framed arrays up.

Down (the child's stdin), one JSON object a line:
    `{"command": "read", ...fields of ReadRequest}` and `{"command": "stop", "clip": n}`.
Up (a pipe): 4 bytes big-endian length, a JSON header of that length, then as many raw bytes as
the header's `bytes` says. Kinds: `ready`, `beat` (still working), `batch` (times as float64,
then frames as uint8 RGB), `end` (what was learnt), `error` (reason and detail).
No pickle: nothing that comes up can run code.
"""

import json
import os
import struct
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from pipeline.arrays import Float64, UInt8
from pipeline.video.limits import ReadLimits

LENGTH = struct.Struct(">I")
BEAT_EVERY_S = 0.5
"""How often a busy child says that it lives."""

Header = dict[str, Any]


@dataclass(frozen=True)
class ReadRequest:
    """One file to decode, as it travels to the child."""

    clip: int
    """Number of the request; a `stop` names it, so that a late one stops nothing else."""
    path: str
    limits: ReadLimits
    fps: float | None = None
    """Grid rate in frames a second, None for every frame."""
    batch_size: int = 1
    at_s: float | None = None
    """When set: only the frame nearest to this time, instead of a grid."""
    known_hash: str | None = None
    """SHA-256 when the caller has it already; else the child computes it."""

    def to_line(self) -> bytes:
        """The request as one line of JSON."""
        return json.dumps({"command": "read", **asdict(self)}).encode() + b"\n"

    @classmethod
    def from_order(cls, order: Header) -> "ReadRequest":
        """The request back from its JSON object, without its `command`."""
        return cls(**{**order, "limits": ReadLimits(**order["limits"])})


def stop_line(clip: int) -> bytes:
    """The order to put a clip down, as one line of JSON."""
    return json.dumps({"command": "stop", "clip": clip}).encode() + b"\n"


class ClipStoppedError(Exception):
    """The parent no longer wants the clip that is being decoded."""


class Outbox:
    """The child's end of the pipe upwards."""

    def __init__(self, fd: int, stopped: Callable[[], bool]) -> None:
        self._fd = fd
        self._stopped = stopped
        self._last_sent = time.monotonic()

    def send(self, header: Header, payload: Sequence[memoryview] = ()) -> None:
        """Write one message; blocks while the parent does not read (that is the back-pressure)."""
        text = json.dumps({**header, "bytes": sum(part.nbytes for part in payload)}).encode()
        for part in (memoryview(LENGTH.pack(len(text)) + text), *payload):
            self._write(part)
        self._last_sent = time.monotonic()

    def send_batch(self, times: Sequence[float], frames: Sequence[UInt8]) -> None:
        """Send frames (H, W, 3) with their times in seconds, unless the parent said stop."""
        self.check_stopped()
        stamps: Float64 = np.asarray(times, np.float64)
        parts = [np.ascontiguousarray(part).data.cast("B") for part in (stamps, *frames)]
        self.send({"kind": "batch", "shape": [len(frames), *frames[0].shape]}, parts)

    def beat(self) -> None:
        """Say, not too often, that the child is working; raise when the parent said stop."""
        self.check_stopped()
        if time.monotonic() - self._last_sent > BEAT_EVERY_S:
            self.send({"kind": "beat"})

    def check_stopped(self) -> None:
        """Raise `ClipStoppedError` when the parent wants no more of this clip."""
        if self._stopped():
            raise ClipStoppedError

    def _write(self, part: memoryview) -> None:
        sent = 0
        while sent < part.nbytes:
            sent += os.write(self._fd, part[sent:])
