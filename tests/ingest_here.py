"""An ingest inside the test's process, without an engine: plan, then shard by shard."""

from dataclasses import dataclass
from pathlib import Path

from flows.begin import begin
from flows.counts import ShardCounts
from flows.ingest_plan import IngestPlan
from flows.options import IngestOptions
from flows.shard import process_shard
from flows.summary import IngestSummary, summarise
from models.checkpoint_id import SHIPPED
from models.lifting.label_config import LabelConfig

DATASET = "here"


@dataclass(frozen=True)
class Here:
    """What an ingest did."""

    plan: IngestPlan
    counts: list[ShardCounts]
    summary: IngestSummary


def options_for(videos: str | Path, out: str | Path, **more: object) -> IngestOptions:
    """The published labels unless told otherwise: these tests are about rows, not about labels."""
    given = {"label": LabelConfig(), **more}
    return IngestOptions(str(videos), DATASET, str(out), SHIPPED, **given)


def ingest_here(options: IngestOptions) -> Here:
    plan = begin(options)
    counts = [process_shard(options, name, clips) for name, clips in plan.shards(8)]
    return Here(plan, counts, summarise(options, plan, counts, {}, 0.0))
