"""What `crossdiff ingest` does: nothing new needs no engine, anything else runs the flow."""

from dataclasses import replace

from flows.begin import begin
from flows.cluster_address import require_cluster
from flows.label_choice import with_labels
from flows.options import IngestOptions
from flows.plain_errors import plain_errors
from flows.reporting import add_report
from flows.snapshot_news import announce_snapshot
from flows.summary import IngestSummary, summarise
from models.checkpoint_id import resolve_checkpoint
from models.lifting.label_wish import LabelWish
from pipeline.stopwatch import Stopwatch


def run_ingest(options: IngestOptions, wish: LabelWish | None = None) -> IngestSummary:
    """Ingest what is new, and announce motions that wait for a finetuning.

    Args:
        options: The ingest.
        wish: What was asked of labels, where that may depend on the data set: it takes the place
            of `options.label`. None: exactly that.

    Raises:
        ValueError: Wrong options; see `flows.begin.begin` for the others.
    """
    # Once, for all workers: another checkpoint may be promoted while they run.
    fixed = replace(options, checkpoint=resolve_checkpoint(options.checkpoint))
    if wish is not None:
        fixed = with_labels(fixed, wish)
    summary = _ingest(fixed)
    note = announce_snapshot(summary)
    return summary.warned(note) if note else summary


def _ingest(options: IngestOptions) -> IngestSummary:
    watch = Stopwatch()
    if options.runner != "local":
        require_cluster(options.runner, options.address)
    plan = begin(options)
    if not plan.pending:
        return add_report(summarise(options, plan, [], {}, watch.seconds))
    # Here and not above: Prefect is not needed to find that there is nothing to do.
    from flows.api_answers import API_ERRORS  # noqa: PLC0415
    from flows.finished_ingest import place_for_summary  # noqa: PLC0415
    from flows.ingest import ingest_flow  # noqa: PLC0415
    from flows.local_api import ensure_api  # noqa: PLC0415
    from flows.prefect_noise import quiet_when_server_is_away  # noqa: PLC0415
    from flows.runners import for_any_worker, task_runner  # noqa: PLC0415
    from flows.shard_size import sized  # noqa: PLC0415

    ensure_api()
    with (
        task_runner(options.runner, options.workers, options.address) as pool,
        place_for_summary() as finished,
        quiet_when_server_is_away(),
    ):
        ready = sized(for_any_worker(options), plan, pool.workers)
        try:
            return ingest_flow.with_options(task_runner=pool.runner)(ready, plan)
        except API_ERRORS as error:
            if isinstance(error, plain_errors()):
                raise
            return _untold(finished, error)


def _untold(finished: list[IngestSummary], error: Exception) -> IngestSummary:
    """What the run did, when all that failed was telling Prefect.

    Raises:
        ConnectionError: It did not come to its end.
    """
    why = f"the Prefect server does not answer any more ({error})"
    if not finished:
        raise ConnectionError(f"{why}: start it, and run the same command again") from error
    return finished[0].warned(f"{why}: it still shows this run as running")
