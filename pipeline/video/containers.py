"""What a file's own bytes say about it, before any decoder sees them."""

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import BinaryIO

from pipeline.reasons import PipelineError, Reason

HEAD_BYTES = 512
"""Read to tell containers apart; a real video shows binary bytes within them."""
MP4_FIRST_BOXES = frozenset({b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot"})
RIFF_SIZE_UNKNOWN = frozenset({0, 0xFFFFFFFF})
"""What a recorder that never came back to its header leaves there."""


class Container(StrEnum):
    """The containers that are treated differently; everything else is `other`."""

    MP4 = "mp4"  # MP4, MOV, M4V, 3GP: boxes with a moov index
    AVI = "avi"
    MATROSKA = "matroska"  # MKV, WebM
    OTHER = "other"


@dataclass(frozen=True)
class ContainerFacts:
    """What the structure of a file says, without decoding."""

    kind: Container
    size_bytes: int
    has_index: bool
    """False only for an MP4 whose moov box is missing or cut off."""
    complete: bool
    """False when the structure names bytes beyond the end of the file."""


def describe_container(path: Path) -> ContainerFacts:
    """Look at the first bytes and the top-level boxes of a file.

    Raises:
        PipelineError: `not_found`, `unreadable`, `empty_file`, or `not_a_video` for plain text
            (never shown to a decoder: playlists may make one open other files).
    """
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            head = file.read(HEAD_BYTES)
            if not head:
                raise PipelineError(Reason.EMPTY_FILE, "the file holds no bytes")
            if _is_text(head):
                raise PipelineError(Reason.NOT_A_VIDEO, f"{size} bytes of plain text, not a video")
            return _facts(file, head, size)
    except FileNotFoundError as error:
        raise PipelineError(Reason.NOT_FOUND, "there is no such file") from error
    except OSError as error:
        detail = f"the operating system refuses to read it: {error.strerror or error}"
        raise PipelineError(Reason.UNREADABLE, detail) from error


def _facts(file: BinaryIO, head: bytes, size: int) -> ContainerFacts:
    if head[:4] == b"RIFF" and head[8:11] == b"AVI":
        return ContainerFacts(Container.AVI, size, True, _riff_complete(head, size))
    if head[4:8] in MP4_FIRST_BOXES:
        boxes = list(_boxes(file, size))
        index = any(name == b"moov" and end <= size for name, end in boxes)
        return ContainerFacts(Container.MP4, size, index, all(end <= size for _, end in boxes))
    kind = Container.MATROSKA if head[:4] == b"\x1a\x45\xdf\xa3" else Container.OTHER
    return ContainerFacts(kind, size, True, True)


def _is_text(head: bytes) -> bool:
    """Whether the bytes are UTF-8 text without control characters."""
    if any(byte < 32 and byte not in b"\t\n\r\f" for byte in head):
        return False
    try:
        head.decode("utf-8")
    except UnicodeDecodeError as error:
        return error.start >= len(head) - 3 and error.start > 0  # a character cut by the window
    return True


def _riff_complete(head: bytes, size: int) -> bool:
    if len(head) < 8:
        return False
    (claimed,) = struct.unpack_from("<I", head, 4)
    return claimed in RIFF_SIZE_UNKNOWN or claimed + 8 <= size


def _boxes(file: BinaryIO, size: int) -> Iterator[tuple[bytes, int]]:
    """Names and end offsets of the top-level boxes (ISO/IEC 14496-12, section 4.2)."""
    start = 0
    while start + 8 <= size:
        file.seek(start)
        head = file.read(16)
        length, name = struct.unpack_from(">I4s", head)
        if length == 1 and len(head) == 16:
            (length,) = struct.unpack_from(">Q", head, 8)
        elif length == 0:  # the last box runs to the end of the file
            length = size - start
        if length < 8:
            return  # not a box: what follows cannot be walked
        yield name, start + length
        start += length
