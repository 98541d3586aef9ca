"""What a file turned out to be once its frames were read, and what the codecs said meanwhile."""

from pipeline.reasons import PipelineError, Reason
from pipeline.video import chatter
from pipeline.video.choice import Choice
from pipeline.video.containers import Container, ContainerFacts
from pipeline.video.notices import Notice
from pipeline.video.protocol import Header
from pipeline.video.timing import duration_s, measured_fps

COUNTED_CONTAINERS = frozenset({Container.MP4, Container.AVI})
"""Containers whose header holds a number of frames; elsewhere OpenCV guesses one."""
MAX_HEADER_FRAMES = 10**9
"""Above this a header's frame count is a mark for "unknown"."""
MIN_KEPT_FRACTION = 0.5
"""Of the header's frames, how many must decode from a damaged (not merely cut off) file."""


def header_frames(choice: Choice, facts: ContainerFacts) -> int | None:
    """The number of frames that the container's header claims, if it holds one."""
    if choice.header is None or facts.kind not in COUNTED_CONTAINERS:
        return None
    claimed = choice.header.frames
    return claimed if 0 < claimed < MAX_HEADER_FRAMES else None


def refuse_ruins(choice: Choice, facts: ContainerFacts) -> None:
    """Give a damaged file up when most of it is lost.

    A file that is only cut off is kept: what is left of it is whole.

    Raises:
        PipelineError: `decode_error`.
    """
    claimed = header_frames(choice, facts)
    if claimed is None or len(choice.times) >= MIN_KEPT_FRACTION * claimed:
        return
    if chatter.tells_damage() and not _is_cut_off(facts):
        detail = f"only {len(choice.times)} of {claimed} frames can be decoded"
        raise PipelineError(Reason.DECODE_ERROR, detail)


def describe_reading(
    choice: Choice, facts: ContainerFacts, size: tuple[int, int], recount: int | None
) -> Header:
    """The facts of a file read to its end, as they travel to the parent.

    Args:
        choice: Decoder and times that were used last.
        facts: What the container said.
        size: (width, height) of the frames sent.
        recount: Pictures that OpenCV counts where decord is seen to have repeated some.
    """
    header = choice.header
    decoded = choice.source.decoded if recount is None else recount
    times = choice.times[:decoded]
    fps = header.fps if header else 0.0
    claimed = header_frames(choice, facts)
    notices = set(choice.notices) | _noticed(facts)
    if claimed is not None and claimed != decoded:
        notices.add(Notice.HEADER_FRAME_COUNT)
    if decoded < len(choice.times):
        notices.add(Notice.DAMAGED_FRAMES)
    if recount is not None:
        notices.add(Notice.TIMES_UNCERTAIN)
    return {
        "size_bytes": facts.size_bytes,
        "width": size[0],
        "height": size[1],
        "rotation_deg": header.rotation_deg if header else 0,
        "fps": measured_fps(times, fps),
        "frames_header": claimed,
        "frames_decoded": decoded,
        "duration_s": duration_s(times, fps),
        "pixel_aspect": header.pixel_aspect if header else 1.0,
        "decoder": choice.source.name,
        "warnings": sorted(notice.value for notice in notices),
    }


def _noticed(facts: ContainerFacts) -> set[Notice]:
    found = set()
    if _is_cut_off(facts):
        found.add(Notice.TRUNCATED)
    if chatter.tells_damage():
        found.add(Notice.DAMAGED_FRAMES)
    return found


def _is_cut_off(facts: ContainerFacts) -> bool:
    return not facts.complete or chatter.tells_cut_off()
