"""The deployments `relabel`, `report` and `compact`: what keeps a store in order."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

from prefect import flow
from prefect.artifacts import create_link_artifact
from prefect.client.schemas.objects import State
from pydantic import Field

from flows.compact import run_compact
from flows.deployments.ending import DAY_S, HOUR_S, Done, attempt, completed, ended
from storage.compaction import FEWEST_FILES

Fewest = Annotated[int, Field(ge=2)]


@flow(name="relabel-dataset", persist_result=False, timeout_seconds=DAY_S)
def relabel(store: str, dataset: str, checkpoint: Path) -> State[Any]:
    """Lift the stored views of a data set again with another checkpoint; older versions stay.

    Args:
        store: Store URL.
        dataset: The data set.
        checkpoint: A checkpoint folder, or a folder with a promoted one.
    """
    # Here and not above: `prefect deploy` needs no torch to see what can be asked for.
    from flows.relabel import RelabelOptions, run_relabel  # noqa: PLC0415

    options = RelabelOptions(store=store, dataset=dataset, checkpoint=checkpoint)
    return _keep(f"relabel-{dataset}", f"Relabelling of {dataset}", lambda: run_relabel(options))


@flow(name="store-report", persist_result=False, timeout_seconds=HOUR_S)
def report(store: str, out: Path, dataset: str | None = None) -> State[Any]:
    """Write the HTML report of a store.

    Args:
        store: Store URL, or `URL@version`.
        out: The HTML file to write, on the worker's machine.
        dataset: Only this data set.
    """
    from flows.report import write_report  # noqa: PLC0415

    def work() -> Done:
        path = write_report(store, out, dataset).absolute()
        create_link_artifact(path.as_uri(), key="store-report", description=f"Report of {store}")
        return {"report": str(path)}, [f"report: {path}"]

    return _keep("store-report-lines", f"Report of {store}", work)


@flow(name="compact-store", persist_result=False, timeout_seconds=DAY_S)
def compact(store: str, fewest: Fewest = FEWEST_FILES) -> State[Any]:
    """Merge the small files of all tables of a store; no row changes, older versions stay.

    Args:
        store: Store URL.
        fewest: Least number of small files worth merging.
    """
    return _keep("compact", f"Compaction of {store}", lambda: run_compact(store, fewest))


def _keep(key: str, title: str, work: Callable[[], Done]) -> State[Any]:
    def step() -> State[Any]:
        data, lines = attempt(work)
        return completed(key, title, lines, data)

    return ended(step)
