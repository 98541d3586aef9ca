"""How a deployment's run ends: what can pass is tried again, the rest is told in one sentence."""

import re
from collections.abc import Callable
from typing import Any

from prefect import get_run_logger
from prefect.artifacts import create_markdown_artifact
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed

from flows.plain_errors import plain_errors, sentence
from flows.quiet_exit import silence_interpreter_exit
from storage.patience import patiently

Done = tuple[dict[str, Any], list[str]]
"""What was done, as data and as lines for people."""
SKIPPED = "Skipped"
HOUR_S = 3600.0
DAY_S = 86400.0


def attempt(work: Callable[[], Done]) -> Done:
    """Do the work, again after a while when the store was out of reach.

    Args:
        work: Safe to repeat.
    """
    return patiently(work, get_run_logger().warning)


def ended(work: Callable[[], State[Any]]) -> State[Any]:
    """The state that the work ends with; a plain error becomes a failure with one sentence."""
    silence_interpreter_exit()  # the run has a process of its own, whose log people read
    try:
        return work()
    except plain_errors() as error:
        return Failed(message=sentence(error))


def completed(key: str, title: str, lines: list[str], data: dict[str, Any]) -> State[Any]:
    """Done: its lines are logged, and left as an artifact of this name."""
    log = get_run_logger()
    for line in lines:
        log.info("%s", line)
    # Indented lines are shown as they are: nothing in them is markup.
    text = "\n".join([f"# {title}", "", *(f"    {line}" for line in lines)])
    allowed = re.sub("[^a-z0-9]+", "-", key.lower())  # all that Prefect takes
    create_markdown_artifact(text, key=allowed, description=title)
    return Completed(message="; ".join(lines), data=data)


def skipped(why: str) -> State[Any]:
    """Nothing was to be done, and this is why."""
    get_run_logger().info("%s", why)
    return Completed(name=SKIPPED, message=why)
