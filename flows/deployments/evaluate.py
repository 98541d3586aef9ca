"""The deployment `evaluate`: the gate after a finetuning, which promotes or rejects."""

from pathlib import Path
from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State

from flows import events
from flows.deployments.ending import DAY_S, attempt, completed, ended
from flows.finetune_files import FINETUNE_FILE
from flows.published_metrics import read_json
from flows.snapshot_news import announce_waiting


@flow(name="evaluate-finetuned", persist_result=False, timeout_seconds=DAY_S)
def evaluate(run: Path) -> State[Any]:
    """Compare a finetuned network with its parent; the better one is promoted.

    Args:
        run: Folder of the finetuning.
    """
    return ended(lambda: _evaluate(run))


def _evaluate(run: Path) -> State[Any]:
    # Here and not above: `prefect deploy` needs no torch to see what can be asked for.
    from flows.gate import run_gate  # noqa: PLC0415

    data, lines = attempt(lambda: run_gate(run))
    promoted = data["verdict"] == "promoted"
    event = events.CHECKPOINT_PROMOTED if promoted else events.CHECKPOINT_REJECTED
    payload = {"run": str(run), "verdict": data["verdict"], "reasons": data["reasons"]}
    told = events.announce(event, f"{events.FINETUNE_RESOURCE}.{run.name}", payload)
    # Who found this run waiting stepped back; what is still pending may begin from its outcome.
    waiting = announce_waiting(read_json(run / FINETUNE_FILE)["wild"]["store"])
    lines = [*lines, *filter(None, (told, waiting))]
    return completed(f"gate-{run.name}", f"Evaluation of {run.name}", lines, data)
