"""The unit of work: one shard of clips, from paths to a commit; returns counts, never frames."""

from collections import Counter

from flows.counts import ShardCounts
from flows.engines import checkpoint_for
from flows.ingest_plan import PlannedClip
from flows.ingest_rows import motion_rows, track_rows, video_row
from flows.options import IngestOptions
from flows.progress import say
from flows.recipe import estimator_for, recipe_for
from models.lifting.labelling import ClipResult, label_clip
from pipeline.stopwatch import Stopwatch
from storage.lineage import Lineage, make_lineage
from storage.rows import MotionRow, ShardRows, TrackRow, VideoRow
from storage.shards import commit_shard
from storage.store import create_store


def process_shard(
    options: IngestOptions, shard_id: str, clips: tuple[PlannedClip, ...]
) -> ShardCounts:
    """Label every clip of a shard and commit the rows at once.

    Args:
        options: The ingest's options; the models they name are built once per process.
        shard_id: Names the commit: a repeated shard changes nothing.
        clips: What to process.

    Raises:
        StoreError: The rows could not be committed; running the shard again is safe.
    """
    recipe = recipe_for(options)
    lineage = make_lineage(recipe, options)
    videos: list[VideoRow] = []
    tracks: list[TrackRow] = []
    motions: list[MotionRow] = []
    for clip in clips:
        watch = Stopwatch()
        result = _label(options, clip)
        made = _rows(clip, result, options.dataset, lineage)
        videos.append(made[0])
        tracks.extend(made[1])
        motions.extend(made[2])
        _say(clip, result, watch)
    watch = Stopwatch()
    rows = ShardRows(options.dataset, shard_id, recipe.recipe_id, videos, tracks, motions)
    commit_shard(create_store(options.out), rows)
    return _counts(videos, motions, watch)


def _label(options: IngestOptions, clip: PlannedClip) -> ClipResult:
    if clip.reason is not None:
        return ClipResult(reason=clip.reason, detail=clip.detail)
    return label_clip(
        clip.source.path,
        estimator_for(options.pose),
        checkpoint_for(options.checkpoint, options.pose.device),
        options.label,
        known_hash=clip.video_hash,
    )


def _rows(
    clip: PlannedClip, result: ClipResult, dataset: str, lineage: Lineage
) -> tuple[VideoRow, list[TrackRow], list[MotionRow]]:
    return (
        video_row(clip, result, dataset, lineage),
        track_rows(clip, result, dataset, lineage),
        motion_rows(clip, result, dataset, lineage),
    )


def _say(clip: PlannedClip, result: ClipResult, watch: Stopwatch) -> None:
    outcome = f"{len(result.motions)} motions" if result.reason is None else result.reason.value
    say(f"  {clip.source.name}: {outcome} ({watch.seconds:.1f} s)")


def _counts(videos: list[VideoRow], motions: list[MotionRow], watch: Stopwatch) -> ShardCounts:
    spent = {
        stage: sum(getattr(row, f"seconds_{stage}") or 0.0 for row in videos)
        for stage in ("decode", "pose", "normalise", "lift")
    }
    spent["commit"] = watch.seconds
    reasons = Counter(row.reason for row in videos if row.reason)
    ok = sum(row.reason is None for row in videos)
    return ShardCounts(len(videos), ok, len(motions), spent, dict(reasons))
