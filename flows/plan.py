"""`crossdiff plan`: what a store says about the cost of videos, put to a number of them."""

import os
from dataclasses import asdict, dataclass
from typing import Any

from flows.start_up import measure_start
from pipeline.plan_lines import plan_lines, unknowns
from pipeline.planning import PlanQuestion, make_plan
from storage.stage_costs import stage_costs
from storage.store import open_store


@dataclass(frozen=True)
class PlanOptions:
    """One plan."""

    store: str
    videos: int
    dataset: str | None = None
    seconds_per_video: float | None = None
    workers: int | None = None
    """None: the cores of this machine."""
    gpu_speedup: float | None = None
    shard_size: int | None = None
    """None: what the store's commits had."""
    measure_start: bool = False


def run_plan(options: PlanOptions) -> tuple[dict[str, Any], list[str]]:
    """Answer from the store's own measurements.

    Returns:
        The answer as data, and as lines for a terminal.

    Raises:
        ValueError: Nothing was measured there, or an option makes no sense.
        StoreError: The store cannot be read.
    """
    costs = stage_costs(open_store(options.store), options.dataset)
    question = PlanQuestion(
        videos=options.videos,
        workers=os.cpu_count() or 1 if options.workers is None else options.workers,
        seconds_per_video=options.seconds_per_video,
        gpu_speedup=options.gpu_speedup,
        shard_size=options.shard_size,
    )
    plan = make_plan(costs, question)
    if options.measure_start:
        # After the first plan, which refuses wrong options at once.
        plan = make_plan(costs, PlanQuestion(**{**asdict(question), "start_s": measure_start()}))
    (estimator,) = costs.estimators
    data = {
        "store": options.store,
        "dataset": options.dataset,
        "estimator": estimator,
        **asdict(plan),
        "unknown": unknowns(plan, estimator),
    }
    return data, plan_lines(plan, estimator)
