"""What is read off a file's own bytes."""

import struct
from pathlib import Path

import numpy as np
import pytest

from pipeline.reasons import PipelineError, Reason
from pipeline.video.containers import Container, describe_container


def box(name: bytes, payload: int, claimed: int | None = None) -> bytes:
    return struct.pack(">I4s", claimed or payload + 8, name) + bytes(payload)


LARGE = struct.pack(">I4sQ", 1, b"mdat", 16 + 40) + bytes(40)
TO_THE_END = struct.pack(">I4s", 0, b"mdat") + bytes(99)


@pytest.mark.parametrize(
    ("data", "kind", "has_index", "complete"),
    [
        (box(b"ftyp", 16) + box(b"moov", 50) + box(b"mdat", 50), Container.MP4, True, True),
        (box(b"ftyp", 16) + LARGE + box(b"moov", 50), Container.MP4, True, True),
        (box(b"ftyp", 16) + box(b"moov", 50) + TO_THE_END, Container.MP4, True, True),
        (box(b"ftyp", 16) + box(b"mdat", 50), Container.MP4, False, True),
        (box(b"ftyp", 16) + box(b"moov", 50) + box(b"mdat", 50, 900), Container.MP4, True, False),
        (box(b"ftyp", 16) + box(b"mdat", 9) + box(b"moov", 9, 99), Container.MP4, False, False),
        (box(b"ftyp", 16) + struct.pack(">I4s", 3, b"moov"), Container.MP4, False, True),
        (b"RIFF" + struct.pack("<I", 92) + b"AVI LIST" + bytes(84), Container.AVI, True, True),
        (b"RIFF" + struct.pack("<I", 93) + b"AVI LIST" + bytes(84), Container.AVI, True, False),
        (b"RIFF" + bytes(4) + b"AVI LIST" + bytes(84), Container.AVI, True, True),
        (b"\x1a\x45\xdf\xa3" + bytes(30), Container.MATROSKA, True, True),
        (b"\x47\x40\x11\x10" + bytes(184), Container.OTHER, True, True),
    ],
)
def test_structure(tmp_path: Path, data: bytes, kind: Container, has_index: bool, complete: bool):
    path = tmp_path / "file"
    path.write_bytes(data)
    facts = describe_container(path)
    assert (facts.kind, facts.has_index, facts.complete) == (kind, has_index, complete)
    assert facts.size_bytes == len(data)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", Reason.EMPTY_FILE),
        (b"../../videos/cam1.mp4\n", Reason.NOT_A_VIDEO),
        (b"#EXTM3U\n" + b"http://example.org/\n" * 90, Reason.NOT_A_VIDEO),
        ("Grüße ".encode() * 300, Reason.NOT_A_VIDEO),
    ],
)
def test_no_decoder_sees_text_or_nothing(tmp_path: Path, data: bytes, reason: Reason):
    path = tmp_path / "file.mp4"
    path.write_bytes(data)
    with pytest.raises(PipelineError) as caught:
        describe_container(path)
    assert caught.value.reason is reason


def test_random_bytes_never_break_the_walk(tmp_path: Path):
    rng = np.random.default_rng(0)
    path = tmp_path / "file.mp4"
    for start in (b"\0", b"\0\0\0\x10ftyp", b"\0\0\0\x08free", b"RIFF"):
        for length in (9, 100, 5000):
            path.write_bytes(start + rng.bytes(length))
            assert describe_container(path).size_bytes == len(start) + length
