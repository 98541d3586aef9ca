"""The unit of work: one shard of clips, from paths to a commit; returns counts, never frames."""

from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass

from flows.counts import Failure, ShardCounts
from flows.engines import checkpoint_for, model_loads
from flows.ingest_plan import LeftClip, PlannedClip
from flows.ingest_rows import motion_rows, track_rows, video_row
from flows.options import IngestOptions
from flows.progress import say
from flows.recipe import estimator_for, recipe_for
from flows.worker_process import worker_name
from models.lifting.labelling import ClipResult, label_people
from models.lifting.lift_beside import worked_beside
from models.lifting.observing import observe_clip
from models.lifting.skeleton_observing import observe_skeletons
from pipeline.stopwatch import Stopwatch
from pipeline.video.hashed_files import has_changed
from storage.lineage import Lineage, make_lineage
from storage.rows import MotionRow, ShardRows, TrackRow, VideoRow
from storage.shards import commit_shard, known_hashes
from storage.store import create_store

CHANGED = "changed or went away since its content was hashed"
_uncommitted: dict[tuple[str, str, str], tuple[ShardRows, list[LeftClip]]] = {}
"""Rows of shards whose commit failed in this process: a repetition need not compute them again."""
HELD_SHARDS = 4
"""Of those, how many are held: a store that stays away must not fill the memory."""


def process_shard(
    options: IngestOptions, shard_id: str, clips: tuple[PlannedClip, ...]
) -> ShardCounts:
    """Label every clip of a shard and commit the rows at once.

    Clips that another run stored meanwhile are passed over, and so are files that are not what
    they were when they were hashed: their rows would go by another content's name.

    Args:
        options: The ingest's options; the models they name are built once per process.
        shard_id: Names the commit: a repeated shard changes nothing.
        clips: What to process.

    Raises:
        StoreUnreachable: The store did not answer; running the shard again is safe.
        StoreError: The rows could not be committed.
    """
    store = create_store(options.out)
    known = known_hashes(store, options.dataset)
    todo = [clip for clip in clips if clip.video_hash not in known]
    key = (options.out, options.dataset, shard_id)
    if key not in _uncommitted:
        _uncommitted[key] = _compute(options, shard_id, todo)
    rows, left = _uncommitted[key]
    for oldest in list(_uncommitted)[:-HELD_SHARDS]:
        _uncommitted.pop(oldest, None)
    watch = Stopwatch()
    new = commit_shard(store, rows).new_videos if rows.videos else frozenset[str]()
    _uncommitted.pop(key, None)
    _drop_downloads(options, clips)
    return _counts(rows, new, left, clips, watch)


def _compute(
    options: IngestOptions, shard_id: str, clips: Collection[PlannedClip]
) -> tuple[ShardRows, list[LeftClip]]:
    recipe = recipe_for(options)
    lineage = make_lineage(recipe, options)
    videos: list[VideoRow] = []
    tracks: list[TrackRow] = []
    motions: list[MotionRow] = []
    left: list[LeftClip] = []
    for clip, made in worked_beside((c, _work(options, c, lineage)) for c in clips):
        if made is None:
            left.append(LeftClip(clip.source, CHANGED))
            continue
        videos.append(made.video)
        tracks.extend(made.tracks)
        motions.extend(made.motions)
        _say(made.video, len(made.motions))
    return ShardRows(options.dataset, shard_id, recipe.recipe_id, videos, tracks, motions), left


@dataclass(frozen=True)
class _ClipRows:
    """What a clip becomes in the tables."""

    video: VideoRow
    tracks: list[TrackRow]
    motions: list[MotionRow]


def _work(
    options: IngestOptions, clip: PlannedClip, lineage: Lineage
) -> Callable[[], _ClipRows | None]:
    """Look at a clip now; what is left to do is to label whom it shows, and to make its rows.

    The answer is None where its file is not the one that was hashed.
    """
    label = _labelling(options, clip)

    def rows() -> _ClipRows | None:
        result = label()
        if result is None:
            return None
        facts = (clip, result, options.dataset, lineage)
        return _ClipRows(video_row(*facts), track_rows(*facts), motion_rows(*facts))

    return rows


def _labelling(options: IngestOptions, clip: PlannedClip) -> Callable[[], ClipResult | None]:
    """Look at a clip; the answer labels whom it shows."""
    if clip.reason is not None:
        failed = ClipResult(reason=clip.reason, detail=clip.detail)
        return lambda: failed
    path, label = clip.source.path, options.label
    if clip.stamp is not None and has_changed(path, clip.stamp):
        return lambda: None
    device = options.pose.device
    checkpoint = None if label.only_2d else checkpoint_for(options.checkpoint, device)
    if clip.skeleton is not None:
        seen = observe_skeletons(path, clip.skeleton, options.skeleton_fps, label, clip.video_hash)
    else:
        estimator = estimator_for(options.pose, label.people)
        seen = observe_clip(path, estimator, label, known_hash=clip.video_hash)
    if clip.stamp is not None and has_changed(path, clip.stamp):
        return lambda: None
    return lambda: label_people(seen, checkpoint, label)


def _say(video: VideoRow, motions: int) -> None:
    outcome = f"{motions} motions" if video.reason is None else video.reason
    spent = (video.seconds_decode, video.seconds_pose, video.seconds_normalise, video.seconds_lift)
    say(f"  {video.name}: {outcome} ({sum(s or 0.0 for s in spent):.1f} s)")


def _drop_downloads(options: IngestOptions, clips: Collection[PlannedClip]) -> None:
    """Copies of a bucket's videos go when their rows are stored."""
    for clip in clips:
        if clip.source.url is not None and not options.keep_downloads:
            clip.source.path.unlink(missing_ok=True)


def _counts(
    rows: ShardRows,
    new: Collection[str],
    left: list[LeftClip],
    clips: Collection[PlannedClip],
    watch: Stopwatch,
) -> ShardCounts:
    videos = [row for row in rows.videos if row.video_hash in new]
    spent = {
        stage: sum(getattr(row, f"seconds_{stage}") or 0.0 for row in videos)
        for stage in ("decode", "pose", "normalise", "lift")
    }
    spent["commit"] = watch.seconds
    failures = [Failure(r.name, r.reason, r.detail or "") for r in videos if r.reason]
    gone = {clip.source.name for clip in left}
    others = [c for c in clips if c.video_hash not in new and c.source.name not in gone]
    return ShardCounts(
        videos=len(videos),
        ok=sum(row.reason is None for row in videos),
        motions=sum(row.video_hash in new for row in rows.motions),
        seconds=spent,
        reasons=dict(Counter(failure.reason for failure in failures)),
        worker=worker_name(),
        model_loads=model_loads(),
        failures=tuple(failures),
        known=len(others),
        left=tuple(str(clip) for clip in left),
    )
