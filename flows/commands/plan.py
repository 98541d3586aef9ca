"""`crossdiff plan`."""

from flows.commands.outcome import Outcome


def plan(
    store: str,
    videos: int,
    seconds_per_video: float | None = None,
    workers: int | None = None,
    gpu_speedup: float | None = None,
    shard_size: int | None = None,
    dataset: str | None = None,
    measure_start: bool = False,
    json: bool = False,
) -> Outcome:
    """Say what ingesting many videos would take, from what those in a store have taken.

    Args:
        store: A store with some videos that this installation ingested, or `STORE@VERSION`.
        videos: How many to plan for, e.g. 1000000.
        seconds_per_video: Their mean length; that of the store's videos if left out.
        workers: Workers, a core each; the cores of this machine if left out.
        gpu_speedup: Also answer for pose and lift this many times as fast.
        shard_size: Videos a commit; as the store's commits had if left out.
        dataset: Only what this data set's videos took.
        measure_start: Time the start of a run too, with a tiny one (half a minute).
        json: Print one JSON object on stdout instead of text.
    """
    from flows.plan import PlanOptions, run_plan  # noqa: PLC0415

    options = PlanOptions(
        store=store,
        videos=videos,
        dataset=dataset,
        seconds_per_video=seconds_per_video,
        workers=workers,
        gpu_speedup=gpu_speedup,
        shard_size=shard_size,
        measure_start=measure_start,
    )
    return Outcome(*run_plan(options))
