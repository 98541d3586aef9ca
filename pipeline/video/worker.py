"""The decoding process: `python -m pipeline.video.worker`, started by `pipeline.video.process`.

C libraries that crash, hang or chatter do so in here. Standard input carries the commands and
doubles as the lifeline: when it closes, however the parent died, the process ends at once.
"""

import json
import os
import queue
import signal
import sys
import threading

import cv2

from pipeline.reasons import PipelineError, Reason
from pipeline.video.decoding import decode_clip
from pipeline.video.memory import is_starved, limit_memory
from pipeline.video.protocol import ClipStoppedError, Header, Outbox, ReadRequest


class _Orders:
    """Commands from the parent, read by a thread so that `stop` is seen while decoding."""

    def __init__(self) -> None:
        self._reads: queue.Queue[ReadRequest] = queue.Queue()
        self._stopped_clip = -1
        self.clip = -1
        threading.Thread(target=self._listen, daemon=True).start()

    def next_read(self) -> ReadRequest:
        """Wait for the next file to read."""
        request = self._reads.get()
        self.clip = request.clip
        return request

    def is_stopped(self) -> bool:
        """Whether the parent gave up the clip being decoded."""
        return self._stopped_clip == self.clip

    def _listen(self) -> None:
        for line in sys.stdin.buffer:
            order = json.loads(line)
            command = order.pop("command")
            if command == "stop":
                self._stopped_clip = order["clip"]
            else:
                self._reads.put(ReadRequest.from_order(order))
        os._exit(0)  # the parent closed the pipe or died: not even a running decoder may stay


def main() -> None:
    """Decode files as they are asked for until standard input closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's business
    cv2.setNumThreads(1)
    pipe = os.dup(sys.stdout.fileno())
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # nobody's print may enter the protocol
    orders = _Orders()
    outbox = Outbox(pipe, orders.is_stopped)
    outbox.send({"kind": "ready"})
    while True:
        request = orders.next_read()
        limit_memory(request.limits.memory_bytes)
        try:
            answer = _decode(request, outbox)
        except BrokenPipeError:
            os._exit(0)
        if answer is not None:
            outbox.send(answer)


def _decode(request: ReadRequest, outbox: Outbox) -> Header | None:
    """Decode one file; the last message to send, or None when it is already sent."""
    try:
        decode_clip(request, outbox)
    except PipelineError as error:
        return _starved() if is_starved() else _error(error.reason, error.detail)
    except ClipStoppedError:
        return {"kind": "end", "info": None}
    except MemoryError:
        return _starved()
    except cv2.error as error:
        starved = error.code == cv2.Error.StsNoMem
        return _starved() if starved else _error(Reason.DECODE_ERROR, f"OpenCV failed: {error.err}")
    return None


def _starved() -> Header:
    return _error(Reason.DECODER_CRASHED, "the decoding process ran out of its memory limit")


def _error(reason: Reason, detail: str) -> Header:
    return {"kind": "error", "reason": reason.value, "detail": detail}


if __name__ == "__main__":
    main()
