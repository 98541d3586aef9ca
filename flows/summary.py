"""What an ingest did, as data, as Markdown for Prefect, and as lines for a terminal."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from flows.counts import ShardCounts
from flows.ingest_plan import IngestPlan
from flows.options import IngestOptions
from storage.catalog import count_rows
from storage.store import open_store
from storage.versions import newest_version


@dataclass(frozen=True)
class IngestSummary:
    """Counts of one ingest; printed by `--json` under these names."""

    dataset: str
    store: str
    version: int
    """Store version after the run: `URL@version` reads this state again."""
    found: int
    known: int
    duplicates: int
    processed: int
    ok: int
    failed: int
    motions: int
    failures_by_reason: dict[str, int]
    """Of this run."""
    failed_shards: dict[str, str]
    """Shards that could not be committed after all retries; run again to try once more."""
    seconds: float
    seconds_by_stage: dict[str, float]
    videos_in_dataset: int
    motions_in_dataset: int
    report: str | None = None

    def lines(self) -> list[str]:
        """For a terminal."""
        out = [
            f"{self.found} files: {self.processed} processed, {self.known} known, "
            f"{self.duplicates} duplicates ({self.seconds:.1f} s)",
            f"{self.ok} ok with {self.motions} motions, {self.failed} failed",
        ]
        out += [f"  {reason}: {n}" for reason, n in sorted(self.failures_by_reason.items())]
        out += [f"  shard {k} was not stored: {v}" for k, v in self.failed_shards.items()]
        out.append(f"store {self.store}@{self.version}")
        if self.report:
            out.append(f"report {self.report}")
        return out

    def markdown(self) -> str:
        """For a Prefect artifact."""
        rows = [f"| {reason} | {n} |" for reason, n in sorted(self.failures_by_reason.items())]
        table = ["", "| reason | clips |", "|---|---|", *rows] if rows else []
        return "\n".join([f"# Ingest of {self.dataset}", *self.lines(), *table])


def summarise(
    options: IngestOptions,
    plan: IngestPlan,
    counts: Sequence[ShardCounts],
    failures: Mapping[str, str],
    seconds: float,
) -> IngestSummary:
    """Add up the shards and look at the store as it is now."""
    reasons: Counter[str] = Counter()
    stages: Counter[str] = Counter()
    for shard in counts:
        reasons.update(shard.reasons)
        stages.update(shard.seconds)
    store = open_store(options.out)
    now = count_rows(store, options.dataset)
    return IngestSummary(
        dataset=options.dataset,
        store=options.out,
        version=newest_version(store.location).videos,
        found=plan.found,
        known=plan.known,
        duplicates=plan.duplicates,
        processed=sum(c.videos for c in counts),
        ok=sum(c.ok for c in counts),
        failed=reasons.total(),
        motions=sum(c.motions for c in counts),
        failures_by_reason=dict(reasons),
        failed_shards=dict(failures),
        seconds=seconds,
        seconds_by_stage={k: float(v) for k, v in stages.items()},
        videos_in_dataset=now.videos,
        motions_in_dataset=now.motions,
    )
