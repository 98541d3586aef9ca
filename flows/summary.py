"""What an ingest did, as data and as lines for a terminal."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import TypedDict

from flows.counts import Failure, ShardCounts
from flows.ingest_plan import IngestPlan
from flows.options import IngestOptions
from flows.progress import say
from models.lifting.label_wish import label_words
from storage.catalog import Counts, count_rows
from storage.patience import patiently
from storage.store import open_store
from storage.versions import newest_version

SHOWN_FILES = 20
"""Files that the terminal names; `--json` names them all."""


class WorkerShare(TypedDict):
    """A worker process's part of a run."""

    shards: int
    model_loads: dict[str, int]
    """pose, lift -> how often it built that model."""


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
    workers: dict[str, WorkerShare]
    """What each worker process did."""
    unsettled: int = 0
    """Files left for another run: still being written, or changed while this one was at work."""
    unsettled_files: tuple[str, ...] = ()
    """A sentence on each."""
    unstored: int = 0
    """Clips of the failed shards."""
    failures: tuple[Failure, ...] = ()
    """Files of this run that did not become motion."""
    warnings: tuple[str, ...] = ()
    """What went wrong beside the rows: no report, a Prefect server that was not told."""
    report: str | None = None
    labels: str = ""
    """How views became 3D, in words."""
    continues: bool = False
    """Whether that is the data set's own way, since nobody chose another."""

    def warned(self, warning: str) -> "IngestSummary":
        """The same with one more warning."""
        return replace(self, warnings=(*self.warnings, warning))

    def lines(self) -> list[str]:
        """For a terminal."""
        out = [
            f"{self.found} files: {self.processed} processed, {self.known} known, "
            f"{self.duplicates} duplicates, {self.unsettled} unsettled, {self.unstored} not stored "
            f"({self.seconds:.1f} s)",
            f"{self.ok} ok with {self.motions} motions, {self.failed} failed",
        ]
        if self.labels:
            own = f", as data set {self.dataset} has them" if self.continues else ""
            out.append(f"labels: {self.labels}{own}")
        out += [f"  {reason}: {n}" for reason, n in sorted(self.failures_by_reason.items())]
        out += [f"  shard {k} was not stored: {v}" for k, v in self.failed_shards.items()]
        out += [f"  {said}" for said in self.unsettled_files[:SHOWN_FILES]]
        if self.unsettled_files[SHOWN_FILES:]:
            out.append(f"  and {len(self.unsettled_files[SHOWN_FILES:])} more")
        out += [f"  warning: {said}" for said in self.warnings]
        out.append(f"store {self.store}@{self.version}")
        if self.report:
            out.append(f"report {self.report}")
        return out


def summarise(
    options: IngestOptions,
    plan: IngestPlan,
    counts: Sequence[ShardCounts],
    failures: Mapping[str, str],
    seconds: float,
    unstored: int = 0,
) -> IngestSummary:
    """Add up the shards and look at the store as it is now.

    Args:
        options: Of the ingest.
        plan: What was to be done.
        counts: Of the shards that are stored.
        failures: Why the others are not, by shard.
        seconds: Since the start.
        unstored: Clips of the shards that are not stored.

    Raises:
        StoreError: The store cannot be read.
    """
    reasons: Counter[str] = Counter()
    stages: Counter[str] = Counter()
    for shard in counts:
        reasons.update(shard.reasons)
        stages.update(shard.seconds)
    version, now = patiently(lambda: _now(options), say)
    left = [*map(str, plan.left), *chain.from_iterable(shard.left for shard in counts)]
    return IngestSummary(
        dataset=options.dataset,
        store=options.out,
        version=version,
        found=plan.found,
        known=sum((plan.known, *(c.known for c in counts))),
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
        workers=_workers(counts),
        unsettled=len(left),
        unsettled_files=tuple(left),
        unstored=unstored,
        failures=tuple(chain.from_iterable(shard.failures for shard in counts)),
        warnings=plan.warnings,
        labels=label_words(options.label),
        continues=options.continues,
    )


def _now(options: IngestOptions) -> tuple[int, Counts]:
    store = open_store(options.out)
    return newest_version(store.location).videos, count_rows(store, options.dataset)


def _workers(counts: Sequence[ShardCounts]) -> dict[str, WorkerShare]:
    """Shards and model loads by worker process."""
    shards = Counter(shard.worker for shard in counts)
    loads: dict[str, Counter[str]] = {}
    for shard in counts:
        # Each shard tells the process's count so far: | keeps the largest.
        loads[shard.worker] = loads.get(shard.worker, Counter()) | Counter(shard.model_loads)
    return {name: {"shards": shards[name], "model_loads": dict(loads[name])} for name in shards}
