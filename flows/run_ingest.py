"""What `crossdiff ingest` does: nothing new needs no engine, anything else runs the flow."""

from flows.begin import begin
from flows.options import IngestOptions
from flows.summary import IngestSummary, summarise
from pipeline.stopwatch import Stopwatch


def run_ingest(options: IngestOptions) -> IngestSummary:
    """Ingest what is new.

    Raises:
        ValueError: Wrong options; see `flows.begin.begin` for the others.
    """
    watch = Stopwatch()
    plan = begin(options)
    if not plan.pending:
        return summarise(options, plan, [], {}, watch.seconds)
    # Here and not above: Prefect is not needed to find that there is nothing to do.
    from flows.ingest import ingest_flow, task_runner  # noqa: PLC0415
    from flows.local_api import ensure_api  # noqa: PLC0415

    ensure_api()
    return ingest_flow.with_options(task_runner=task_runner(options.workers))(options, plan)
