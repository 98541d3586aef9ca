"""The `ingest` flow: videos in, rows in the store out; interrupted anywhere, it can run again."""

from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from typing import Any

from flows.prefect_settings import prepare_environment

prepare_environment()

from prefect import flow, task  # noqa: E402
from prefect.artifacts import create_markdown_artifact  # noqa: E402
from prefect.futures import PrefectFuture, as_completed  # noqa: E402
from prefect.task_runners import ProcessPoolTaskRunner, TaskRunner, ThreadPoolTaskRunner  # noqa: E402

from flows.begin import begin  # noqa: E402
from flows.counts import ShardCounts  # noqa: E402
from flows.ingest_plan import IngestPlan, PlannedClip  # noqa: E402
from flows.options import IngestOptions  # noqa: E402
from flows.progress import counter  # noqa: E402
from flows.shard import process_shard  # noqa: E402
from flows.summary import IngestSummary, summarise  # noqa: E402
from flows.worker_process import begin_worker  # noqa: E402
from pipeline.stopwatch import Stopwatch  # noqa: E402

RETRIES = 2
RETRY_DELAYS_S = [2.0, 10.0]
"""A shard that fails is one that could not be committed or whose worker died: that may pass.
Bad videos never fail a shard."""


@dataclass(frozen=True)
class ShardJob:
    """A task's whole input: paths and settings, never frames."""

    options: IngestOptions
    shard_id: str
    clips: tuple[PlannedClip, ...] = field(repr=False)


@task(
    name="shard",
    task_run_name="shard {job.shard_id}",
    retries=RETRIES,
    retry_delay_seconds=RETRY_DELAYS_S,
    persist_result=False,
)
def shard_task(job: ShardJob) -> ShardCounts:
    """Process one shard and commit it."""
    return process_shard(job.options, job.shard_id, job.clips)


def task_runner(workers: int) -> TaskRunner[Any]:
    """Where shards run: one worker is a thread here, several are processes with their own models.

    Processes are spawned: the table engine panics after a fork.
    """
    if workers == 1:
        return ThreadPoolTaskRunner(max_workers=1)
    return ProcessPoolTaskRunner(max_workers=workers, initializer=begin_worker)


@flow(name="ingest", persist_result=False, validate_parameters=False)
def ingest_flow(options: IngestOptions, plan: IngestPlan | None = None) -> IngestSummary:
    """Process every new file, shard by shard.

    Args:
        options: What to ingest, how, and into which store.
        plan: From `begin`, when the caller made it already.
    """
    watch = Stopwatch()
    plan = begin(options) if plan is None else plan
    jobs = [ShardJob(options, name, clips) for name, clips in plan.shards(options.shard_size)]
    by_future: dict[PrefectFuture[ShardCounts], ShardJob] = {
        shard_task.submit(job): job for job in jobs
    }
    counts: list[ShardCounts] = []
    failures: dict[str, str] = {}
    with counter(len(plan.pending), "ingest", "clip") as bar:
        for future in as_completed(list(by_future)):
            job = by_future[future]
            outcome = _outcome(future)
            if isinstance(outcome, ShardCounts):
                counts.append(outcome)
            else:
                failures[job.shard_id] = outcome
            bar.update(len(job.clips))
    summary = summarise(options, plan, counts, failures, watch.seconds)
    create_markdown_artifact(summary.markdown(), key="ingest-summary")
    return summary


def _outcome(future: PrefectFuture[ShardCounts]) -> ShardCounts | str:
    """A finished shard's counts, or why it was not stored."""
    try:
        outcome: object = future.result(raise_on_failure=False)
    except BrokenProcessPool:
        return "a worker process died (killed, or out of memory); the shards it left are not stored"
    if isinstance(outcome, ShardCounts):
        return outcome
    return f"{type(outcome).__name__}: {outcome}"
