"""The `ingest` flow: videos in, rows in the store out; interrupted anywhere, it can run again."""

from dataclasses import dataclass, field
from typing import Any

from flows.prefect_settings import prepare_environment

prepare_environment()

from prefect import flow, task  # noqa: E402
from prefect.client.schemas.objects import State  # noqa: E402
from prefect.futures import PrefectFuture, as_completed  # noqa: E402

from flows.begin import begin  # noqa: E402
from flows.counts import ShardCounts  # noqa: E402
from flows.finished_ingest import leave_summary  # noqa: E402
from flows.ingest_artifacts import ProgressArtifact, show_summary  # noqa: E402
from flows.ingest_plan import IngestPlan, PlannedClip  # noqa: E402
from flows.options import IngestOptions  # noqa: E402
from flows.plain_errors import plain_errors, sentence  # noqa: E402
from flows.progress import counter  # noqa: E402
from flows.reporting import add_report  # noqa: E402
from flows.runners import lost_worker_errors  # noqa: E402
from flows.shard import process_shard  # noqa: E402
from flows.shard_size import shard_size  # noqa: E402
from flows.summary import IngestSummary, summarise  # noqa: E402
from flows.time_limit import time_limit  # noqa: E402
from pipeline.stopwatch import Stopwatch  # noqa: E402
from pipeline.time_limits import shard_limit_s  # noqa: E402
from storage.errors import StoreUnreachable  # noqa: E402
from storage.patience import JITTER, RETRIES, retry_delays  # noqa: E402


@dataclass(frozen=True)
class ShardJob:
    """A task's whole input: paths and settings, never frames."""

    options: IngestOptions
    shard_id: str
    clips: tuple[PlannedClip, ...] = field(repr=False)

    @property
    def limit_s(self) -> float:
        """Seconds after which the shard is taken to hang."""
        sizes = (clip.size_bytes for clip in self.clips if clip.stamp is not None)
        return self.options.shard_timeout_s or shard_limit_s(sizes)


def may_pass_by_itself(task: object, run: object, state: State[Any]) -> bool:
    """Whether a shard is worth another attempt: its store could not be reached.

    Anything else (another recipe, a full disk, a hung library) would be the same again, and bad
    videos never fail a shard.
    """
    return isinstance(state.data, StoreUnreachable)


@task(
    name="shard",
    task_run_name="shard {job.shard_id}",
    retries=RETRIES,
    retry_jitter_factor=JITTER,
    retry_condition_fn=may_pass_by_itself,
    persist_result=False,
)
def shard_task(job: ShardJob) -> ShardCounts:
    """Process one shard and commit it."""
    with time_limit(f"shard {job.shard_id}", job.limit_s):
        return process_shard(job.options, job.shard_id, job.clips)


@flow(name="ingest", persist_result=False, validate_parameters=False)
def ingest_flow(options: IngestOptions, plan: IngestPlan | None = None) -> IngestSummary:
    """Process every new file, shard by shard.

    Args:
        options: What to ingest, how, and into which store.
        plan: From `begin`, when the caller made it already.
    """
    watch = Stopwatch()
    plan = begin(options) if plan is None else plan
    jobs = [ShardJob(options, name, clips) for name, clips in plan.shards(shard_size(options))]
    attempt = shard_task.with_options(retry_delay_seconds=retry_delays())
    shown = ProgressArtifact(len(plan.pending), options.dataset)
    by_future: dict[PrefectFuture[ShardCounts], ShardJob] = {
        attempt.submit(job): job for job in jobs
    }
    counts: list[ShardCounts] = []
    failures: list[tuple[ShardJob, str]] = []
    with counter(len(plan.pending), "ingest", "clip") as bar:
        for future in as_completed(list(by_future)):
            job = by_future[future]
            outcome = _outcome(future)
            if isinstance(outcome, ShardCounts):
                counts.append(outcome)
            else:
                failures.append((job, outcome))
            bar.update(len(job.clips))
            shown.add(len(job.clips))
    unstored = sum(len(job.clips) for job, _ in failures)
    said = {job.shard_id: why for job, why in failures}
    summary = add_report(summarise(options, plan, counts, said, watch.seconds, unstored))
    if shown.problem is not None:
        summary = summary.warned(shown.problem)
    summary = show_summary(summary)
    leave_summary(summary)
    return summary


def _outcome(future: PrefectFuture[ShardCounts]) -> ShardCounts | str:
    """A finished shard's counts, or why it was not stored."""
    try:
        outcome: object = future.result(raise_on_failure=False)
    except lost_worker_errors():
        return "a worker process died (killed, or out of memory); the shards it left are not stored"
    if isinstance(outcome, ShardCounts):
        return outcome
    if isinstance(outcome, plain_errors()):
        return sentence(outcome)
    return f"{type(outcome).__name__}: {outcome}"
