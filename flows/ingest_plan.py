"""What an ingest has to do: which files are new by content, and how they fall into shards."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from pipeline.reasons import PipelineError, Reason
from pipeline.skeleton_files import SkeletonRecord
from pipeline.splits import SHARD_BYTES, shards_by_weight
from pipeline.video import SourceClip
from pipeline.video.hash_cache import HashCache
from pipeline.video.hashed_files import HashedFile, hash_files
from pipeline.video.stamps import Stamp
from storage.lineage import sha256_text


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
    stamp: Stamp | None = None
    """Of the file when it was hashed: another one means that the hash is not its own any more."""
    skeleton: SkeletonRecord | None = None
    """The annotation of a skeleton file that it is; None for a video."""

    @property
    def size_bytes(self) -> int:
        """How much there is to read."""
        if self.skeleton is not None:
            return self.skeleton.size_bytes
        return self.stamp.size if self.stamp is not None else 0


@dataclass(frozen=True)
class LeftClip:
    """A file that is left for another time."""

    source: SourceClip
    why: str

    def __str__(self) -> str:
        return f"{self.source.name} is left for another time: {self.why}"


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
    left: tuple[LeftClip, ...] = field(default_factory=tuple)
    """Files that are still being written."""
    warnings: tuple[str, ...] = ()
    """What went wrong on the way and changed nothing."""

    def shards(self, size: int) -> list[tuple[str, tuple[PlannedClip, ...]]]:
        """(shard id, clips) pairs; the id is a function of the clips.

        Long videos get shards of few clips: a shard's rows are held until they are committed.
        """
        parts = shards_by_weight(self.pending, size, _weight, SHARD_BYTES)
        return [(_shard_id(part), tuple(part)) for part in parts]


def plan_ingest(
    sources: Sequence[SourceClip],
    known: frozenset[str],
    cache: HashCache | None = None,
    settle_s: float = 0.0,
) -> IngestPlan:
    """Hash the files and leave out what the data set holds.

    Args:
        sources: Files, from `find_videos`.
        known: Content hashes that are done.
        cache: Hashes of files that have not changed since; None reads every file.
        settle_s: Files touched within this many seconds are left for another time.
    """
    files = hash_files([source.path for source in sources], cache, settle_s)
    looked_at = [_clip(source, file) for source, file in zip(sources, files, strict=True)]
    return plan_of(looked_at, known, () if cache is None else cache.problems)


def plan_of(
    looked_at: Sequence[PlannedClip | LeftClip],
    known: frozenset[str],
    warnings: Iterable[str] = (),
) -> IngestPlan:
    """Sort files by what is to be done with them.

    Args:
        looked_at: Every file, with its hash or why it is left.
        known: Content hashes that are done.
        warnings: Passed on.
    """
    hashed = [clip for clip in looked_at if isinstance(clip, PlannedClip)]
    first: dict[str, list[PlannedClip]] = {}
    for clip in hashed:
        first.setdefault(clip.video_hash, []).append(clip)
    fresh = [group for digest, group in first.items() if digest not in known]
    return IngestPlan(
        found=len(looked_at),
        known=sum(clip.video_hash in known for clip in hashed),
        duplicates=sum(len(group[1:]) for group in fresh),
        pending=tuple(_merged(group) for group in fresh),
        left=tuple(clip for clip in looked_at if isinstance(clip, LeftClip)),
        warnings=tuple(warnings),
    )


def unreadable_clip(source: SourceClip, error: PipelineError) -> PlannedClip:
    """A file that nobody can read: it gets a row of its own, under its place's hash."""
    digest = sha256_text(f"unread:{source.place}")
    return PlannedClip(source, digest, reason=error.reason, detail=error.detail)


def _clip(source: SourceClip, file: HashedFile) -> PlannedClip | LeftClip:
    if file.sha256 is not None:
        return PlannedClip(source, file.sha256, stamp=file.stamp)
    if file.error is not None:
        return unreadable_clip(source, file.error)
    return LeftClip(source, file.unsettled or "")


def _weight(clip: PlannedClip) -> float:
    return clip.size_bytes


def _merged(group: list[PlannedClip]) -> PlannedClip:
    names = tuple(clip.source.name for clip in group[1:])
    return replace(group[0], aliases=names)


def _shard_id(clips: Sequence[PlannedClip]) -> str:
    return sha256_text("\n".join(clip.video_hash for clip in clips))[:16]
