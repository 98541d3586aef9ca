"""`crossdiff plan`: what a store says about the cost of videos, put to a number of them."""

import os
from dataclasses import asdict, dataclass
from typing import Any

from flows.start_up import measure_start
from models.lifting.label_config import config_of
from models.lifting.label_wish import label_words
from pipeline.plan_lines import plan_lines, unknowns
from pipeline.planning import PlanQuestion, make_plan
from storage.recipes import all_recipes
from storage.stage_costs import stage_costs
from storage.store import Store, open_store


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
    store = open_store(options.store)
    costs = stage_costs(store, options.dataset)
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
    labels = _labels(store, costs.datasets)
    data = {
        "store": options.store,
        "dataset": options.dataset,
        "estimator": estimator,
        "labels": labels,
        **asdict(plan),
        "unknown": unknowns(plan, estimator),
    }
    first, *rest = plan_lines(plan, estimator)
    return data, [first, f"labels as measured: {labels}", *rest]


def _labels(store: Store, datasets: tuple[str, ...]) -> str:
    """How the videos that were timed became 3D: what is planned for costs what that costs.

    Raises:
        ValueError: In more than one way.
    """
    recipes = all_recipes(store)
    found = {name: _words(recipes[name]["config"]) for name in datasets if name in recipes}
    if len(set(found.values())) > 1:
        told = "; ".join(f"{name}: {words}" for name, words in found.items())
        raise ValueError(
            f"the videos there were labelled in different ways, which cost differently ({told}): "
            "choose one data set with --dataset"
        )
    return next(iter(found.values()), "unknown")


def _words(settings: dict[str, Any]) -> str:
    try:
        return label_words(config_of(settings))
    except ValueError:  # of another version, which this one need not know to tell what it took
        return "settings that this version does not know"
