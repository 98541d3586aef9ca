"""Which decoder reads a file: decord where it can be trusted, else OpenCV."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from pipeline.arrays import Float64, UInt8
from pipeline.reasons import PipelineError, Reason
from pipeline.video import chatter
from pipeline.video.containers import Container, ContainerFacts
from pipeline.video.decord_frames import DecordFrames, DecordRefusedError
from pipeline.video.limits import ReadLimits
from pipeline.video.notices import Notice
from pipeline.video.opencv import OpenCvFrames, Probe, probe, survey
from pipeline.video.timing import is_sound, repair_times

DECORD_CONTAINERS = frozenset({Container.MP4, Container.AVI, Container.MATROSKA})
"""Containers in which decord finds the start again after it has listed the packets. In an MPEG
transport stream it lands behind the first group of pictures and makes up for them with repeats."""
MAX_DECORD_BYTES = 256 * 1024 * 1024
"""All frames of a file that decord reads. It queues decoded frames without bound when the reader
is slower than the codec (1 GB for 40 s of 720p), so longer and larger files go to OpenCV."""
MAX_FIRST_FRAME_DIFFERENCE = 16.0
"""Mean grey levels between the two decoders' first frames, which convert colours differently;
another picture differs by more."""
COMPARE_STRIDE = 4
"""Pixels between those compared."""
SQUARE_WITHIN = 0.02
"""A pixel's aspect nearer to 1 than this is rounding of the picture's size."""
NO_STREAM_MESSAGE = "cannot find video stream"
"""What decord says of a file with sound only."""


@dataclass(frozen=True)
class Choice:
    """A decoder ready to run, with the times of all its frames."""

    source: DecordFrames | OpenCvFrames
    times: Float64
    """(N,) strictly increasing seconds from the first frame."""
    header: Probe | None
    notices: frozenset[Notice]


@dataclass(frozen=True)
class _Job:
    """What choosing needs to know about the file."""

    path: Path
    threads: int
    facts: ContainerFacts
    header: Probe | None
    beat: Callable[[], None]

    @property
    def fps(self) -> float:
        return self.header.fps if self.header else 0.0

    @property
    def notices(self) -> frozenset[Notice]:
        square = self.header is None or abs(self.header.pixel_aspect - 1) <= SQUARE_WITHIN
        return frozenset() if square else frozenset({Notice.NON_SQUARE_PIXELS})


def choose_decoder(
    path: Path, facts: ContainerFacts, limits: ReadLimits, beat: Callable[[], None]
) -> Choice:
    """Pick the decoder and settle every frame's time before the first frame is sent.

    Decord is taken for files that fit in memory, when its times are sound, or when a count of the
    pictures that OpenCV decodes confirms its own; and only if both see the same first picture.

    Raises:
        PipelineError: No decoder gives pictures, or they are too large.
    """
    header = probe(path, limits.threads, limits.max_pixels)
    if header is not None and header.width * header.height > limits.max_pixels:
        detail = f"{header.width} x {header.height} pixels; the limit is {limits.max_pixels} in all"
        raise PipelineError(Reason.FRAME_TOO_LARGE, detail)
    job = _Job(path, limits.threads, facts, header, beat)
    if facts.kind not in DECORD_CONTAINERS:
        return _with_opencv(job, "decord is not used for this container")
    try:
        return _with_decord(job, DecordFrames(path, limits.threads))
    except DecordRefusedError as refused:
        return _with_opencv(job, str(refused))


def opencv_after_failure(
    choice: Choice, job_path: Path, threads: int, beat: Callable[[], None]
) -> Choice:
    """OpenCV for the rest of a file that broke off; its times are surveyed anew."""
    raw = survey(job_path, threads, beat)
    header = choice.header
    times, codes = repair_times(raw, header.fps if header else 0.0)
    source = OpenCvFrames(job_path, threads, header.rotation_deg if header else 0)
    notices = choice.notices | frozenset(codes)
    if isinstance(choice.source, DecordFrames):
        notices |= {Notice.DECODER_SWITCHED, Notice.DAMAGED_FRAMES}
    return replace(choice, source=source, times=times, notices=notices)


def _with_decord(job: _Job, source: DecordFrames) -> Choice:
    """Decord, or at least its list of times, where both stand the test."""
    times = source.raw_times
    sound = is_sound(times)
    if job.header and job.header.width * job.header.height * 3 * len(times) > MAX_DECORD_BYTES:
        if not sound:
            raise DecordRefusedError("too large for decord, which lists no sound times either")
        reader = OpenCvFrames(job.path, job.threads, job.header.rotation_deg, expected=times)
        return Choice(reader, times - times[0], job.header, job.notices)
    if not _same_picture(source.first(), job.header.first if job.header else None):
        raise DecordRefusedError("it starts with another picture than OpenCV")
    if sound:
        return Choice(source, times - times[0], job.header, job.notices)
    return _confirmed(job, source)


def _confirmed(job: _Job, source: DecordFrames) -> Choice:
    """Decord with OpenCV's times if both count the same pictures, else OpenCV."""
    raw = survey(job.path, job.threads, job.beat)
    if len(raw) != len(source.raw_times):
        return _opencv_choice(job, raw)
    times, codes = repair_times(raw, job.fps)
    return Choice(source, times, job.header, job.notices | frozenset(codes))


def _with_opencv(job: _Job, refusal: str) -> Choice:
    raw = survey(job.path, job.threads, job.beat) if job.header else np.empty(0)
    if len(raw) == 0:
        raise _nothing_decodes(job, refusal)
    return _opencv_choice(job, raw)


def _opencv_choice(job: _Job, raw: Float64) -> Choice:
    rotation = job.header.rotation_deg if job.header else 0
    times, codes = repair_times(raw, job.fps)
    source = OpenCvFrames(job.path, job.threads, rotation)
    return Choice(source, times, job.header, job.notices | frozenset(codes))


def _same_picture(first: UInt8, other: UInt8 | None) -> bool:
    if other is None:
        return True
    if first.shape != other.shape:
        return False
    ours = first[::COMPARE_STRIDE, ::COMPARE_STRIDE].astype(np.int16)
    theirs = other[::COMPARE_STRIDE, ::COMPARE_STRIDE].astype(np.int16)
    return float(np.abs(ours - theirs).mean()) <= MAX_FIRST_FRAME_DIFFERENCE


def _nothing_decodes(job: _Job, refusal: str) -> PipelineError:
    """The reason of a file in which neither decoder finds a picture."""
    kind = job.facts.kind
    if kind is Container.MP4 and not job.facts.has_index:
        detail = "its index (moov) is missing: the recording or download was cut off"
        return PipelineError(Reason.NO_MOOV, detail)
    if kind is not Container.OTHER and chatter.tells_damage():
        return PipelineError(Reason.DECODE_ERROR, f"no frame of the {kind} container is whole")
    if job.header is not None or (kind is not Container.OTHER and NO_STREAM_MESSAGE in refusal):
        return PipelineError(Reason.NO_FRAMES, f"the {kind} container gives no picture")
    if kind is Container.OTHER:
        return PipelineError(Reason.NOT_A_VIDEO, "neither decord nor OpenCV knows this content")
    return PipelineError(Reason.DECODE_ERROR, f"the {kind} container is damaged from its start")
