"""The `evaluate` flow: one evaluation, measured and published, as Prefect sees it."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from flows.prefect_settings import prepare_environment

prepare_environment()

from prefect import flow  # noqa: E402
from prefect.artifacts import create_markdown_artifact  # noqa: E402
from prefect.exceptions import CancelledRun  # noqa: E402
from prefect.states import Cancelled, Failed  # noqa: E402

from flows.evaluation_page.markdown import page_markdown  # noqa: E402
from flows.evaluation_page.model import Page  # noqa: E402
from flows.publish import Evaluated, publish  # noqa: E402

Published = tuple[Evaluated, dict[str, Any]]


@flow(name="evaluate", flow_run_name="{name}", persist_result=False, validate_parameters=False)
def _evaluate(name: str, measure: Callable[[], Evaluated], out: Path) -> Published:
    """Measure and publish; what goes wrong is the flow run's state and, there, one sentence.

    A state that is returned, unlike an error that is raised, is not printed with a traceback.
    """
    try:
        done = measure()
        return done, publish(done, out)
    except KeyboardInterrupt:
        return cast("Published", Cancelled(message="stopped by its user"))
    except Exception as error:  # noqa: BLE001 - Prefect raises it again when the run has ended
        said = " ".join(str(error).split()) or repr(error)
        return cast("Published", Failed(message=said, data=error))


def evaluate_flow(name: str, measure: Callable[[], Evaluated], out: Path) -> Published:
    """Run the flow; what `measure` raises is raised here.

    Args:
        name: Of the flow run.
        measure: Does the work.
        out: Folder of `flows.publish.publish`.
    """
    try:
        return _evaluate(name, measure, out)
    except CancelledRun as stopped:
        raise KeyboardInterrupt from stopped


def add_artifact(kind: str, page: Page, report: Path) -> None:
    """The scores and the way to the report, beside the flow run."""
    key = re.sub("[^a-z0-9]+", "-", f"evaluation-{kind.lower()}")  # all that Prefect allows
    create_markdown_artifact(page_markdown(page, report), key=key, description=page.title)
