"""What an ingest has to do: which files are new by content, and how they fall into shards."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from pipeline.reasons import PipelineError, Reason
from pipeline.splits import shards
from pipeline.video import SourceClip, content_hash
from storage.lineage import sha256_text

HASH_THREADS = 4


@dataclass(frozen=True)
class PlannedClip:
    """One distinct content to process."""

    source: SourceClip
    video_hash: str
    """SHA-256 of the content; of the path when the file cannot be read at all."""
    aliases: tuple[str, ...] = ()
    """Names of further files with the same content."""
    reason: Reason | None = None
    """Set when the file could not even be read for hashing."""
    detail: str | None = None


@dataclass(frozen=True)
class IngestPlan:
    """All files found, and what is left to do."""

    found: int
    """Files."""
    known: int
    """Files whose content the data set holds already."""
    duplicates: int
    """Files whose content another file of this run has."""
    pending: tuple[PlannedClip, ...] = field(default_factory=tuple)

    def shards(self, size: int) -> list[tuple[str, tuple[PlannedClip, ...]]]:
        """(shard id, clips) pairs; the id is a function of the clips."""
        return [(_shard_id(part), tuple(part)) for part in shards(self.pending, size)]


def plan_ingest(sources: Sequence[SourceClip], known: frozenset[str]) -> IngestPlan:
    """Hash the files and leave out what the data set holds.

    Args:
        sources: Files, from `find_videos`.
        known: Content hashes that are done.
    """
    with ThreadPoolExecutor(HASH_THREADS) as pool:
        hashed = list(pool.map(_hashed, sources))
    first: dict[str, list[PlannedClip]] = {}
    for clip in hashed:
        first.setdefault(clip.video_hash, []).append(clip)
    fresh = [group for digest, group in first.items() if digest not in known]
    done = [clip for clip in hashed if clip.video_hash in known]
    extra = [clip for group in fresh for clip in group[1:]]
    return IngestPlan(
        found=len(sources),
        known=len(done),
        duplicates=len(extra),
        pending=tuple(_merged(group) for group in fresh),
    )


def _hashed(source: SourceClip) -> PlannedClip:
    try:
        return PlannedClip(source, content_hash(source.path))
    except PipelineError as error:
        digest = sha256_text(f"unread:{source.path}")
        return PlannedClip(source, digest, reason=error.reason, detail=error.detail)


def _merged(group: list[PlannedClip]) -> PlannedClip:
    head = group[0]
    names = tuple(clip.source.name for clip in group[1:])
    return PlannedClip(head.source, head.video_hash, names, head.reason, head.detail)


def _shard_id(clips: Sequence[PlannedClip]) -> str:
    return sha256_text("\n".join(clip.video_hash for clip in clips))[:16]
