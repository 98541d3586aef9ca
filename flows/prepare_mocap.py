"""`crossdiff prepare mocap`: a packed motion-capture archive to a data set per part."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from flows.names import split_names
from flows.prepare import store_motions
from flows.prepare_report import PrepareReport
from models.data.mocap_motions import prepare_clip
from models.data.motion import Motion
from models.text.text_encoder import TextEncoder
from pipeline.mocap_archive import MIN_FRAMES, MocapClip, count_archive, read_archive_items
from pipeline.rejects import Reject
from pipeline.skeletons import HUMANML3D

READER = "mocap-archive"
COPIES = (False, True)
"""Each clip gives a motion and its mirror image."""


def prepare_mocap(
    folder: Path, url: str, parts: Sequence[str], encoder: TextEncoder, min_frames: int = MIN_FRAMES
) -> list[PrepareReport]:
    """Store every usable clip of some parts of the archive, and its mirror image.

    Args:
        folder: The archive.
        url: The store.
        parts: Names of the parts; each becomes a data set.
        encoder: Embeds the captions.
        min_frames: Shorter clips are rejects.

    Raises:
        ValueError: A part is not in the folder, or was named twice.
        StoreError: The store cannot be used.
    """
    counts = archive_sizes(folder, parts)
    return [
        store_motions(
            archive_motions(folder, name, min_frames),
            url,
            name,
            encoder=encoder,
            skeleton=HUMANML3D,
            config={"reader": READER, "min_frames": min_frames},
            total=sum(counts[name] for _ in COPIES),
        )
        for name in counts
    ]


def archive_sizes(folder: Path, parts: Sequence[str]) -> dict[str, int]:
    """Part -> clips that it lists: a quick look before anything slow is begun.

    Raises:
        ValueError: A part is not in the folder, or was named twice.
    """
    return {name: count_archive(folder, name) for name in part_names(parts)}


def part_names(parts: Sequence[str]) -> list[str]:
    """Names given with spaces or commas between them.

    Raises:
        ValueError: None is given, or one is given twice.
    """
    names = list(split_names(parts))
    if not names or len(set(names)) < len(names):
        raise ValueError(f"--parts {' '.join(parts)}: name each part once, e.g. cmu,hdm05")
    return names


def archive_motions(folder: Path, name: str, min_frames: int) -> Iterator[Motion | Reject]:
    """The motions of one part, canonical, with their mirror images.

    Raises:
        ValueError: The part cannot be read.
    """
    for item in read_archive_items(folder, name, min_frames):
        if isinstance(item, Reject):
            yield item
            continue
        named = replace(item, clip_id=clip_name(item, name))
        try:
            yield from prepare_clip(named)
        except ValueError as error:
            yield Reject(named.clip_id, str(error))


def clip_name(clip: MocapClip, part: str) -> str:
    """The clip's id, beginning with its part: other data sets have ids like `008142` as well."""
    return clip.clip_id if clip.clip_id.startswith(part) else f"{part}_{clip.clip_id}"
