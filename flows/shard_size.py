"""How many clips a shard gets when the user does not say."""

from dataclasses import replace

from flows.ingest_plan import IngestPlan
from flows.options import IngestOptions
from pipeline.skeleton_files import is_skeleton_file
from pipeline.splits import clips_per_shard
from storage.stage_costs import stage_costs
from storage.store import open_store

LOCAL = 8
"""Clips of a shard on this machine: little is lost when a run is stopped."""
SKELETONS = 64
"""The same of a skeleton file, whose clips take a tenth of a second and a commit most of one."""
SECONDS_PER_CLIP = 5.0
"""Of one CPU, where nothing was measured yet: UCF101 clips take 3 to 8."""


def shard_size(options: IngestOptions) -> int:
    """Clips per shard of options that may leave it open."""
    return options.shard_size or (SKELETONS if is_skeleton_file(options.videos) else LOCAL)


def sized(options: IngestOptions, plan: IngestPlan, workers: int) -> IngestOptions:
    """The same options with a shard size: the user's, or one that makes tasks worth sending.

    Args:
        options: Of the ingest.
        plan: What is to be done.
        workers: Shards that can run at the same time.
    """
    if options.runner == "local" or options.shard_size is not None:
        return replace(options, shard_size=shard_size(options))
    size = clips_per_shard(len(plan.pending), workers, _seconds_per_clip(options))
    return replace(options, shard_size=size)


def _seconds_per_clip(options: IngestOptions) -> float:
    """What a clip of this data set has taken so far, all stages together."""
    measured = stage_costs(open_store(options.out), options.dataset).seconds_per_video()
    return sum(measured.values()) or SECONDS_PER_CLIP
