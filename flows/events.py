"""What happened, told to the Prefect server: deployments wait for these events.

Telling is never part of the work: who cannot tell says why, and the next run tells again.
"""

import os
import sys
from collections.abc import Mapping
from typing import Any

SNAPSHOT_COMMITTED = "crossdiff.snapshot.committed"
"""A data set has motions that no finetuning has seen. Payload: dataset, store, version, rows (new
in this run), pending (new since the last finetuning)."""
FINETUNE_FINISHED = "crossdiff.finetune.finished"
"""A network waits for its evaluation. Payload: run (its folder), dataset."""
CHECKPOINT_PROMOTED = "crossdiff.checkpoint.promoted"
CHECKPOINT_REJECTED = "crossdiff.checkpoint.rejected"
"""The evaluation's verdict. Payload: run, checkpoint_id, reasons."""
DATASET_RESOURCE = "crossdiff.dataset"
FINETUNE_RESOURCE = "crossdiff.finetune"
NOBODY = "no Prefect API is configured: set PREFECT_API_URL"


def announce(event: str, resource: str, payload: Mapping[str, Any]) -> str:
    """Tell the Prefect server that something happened.

    The server has the event when this returns: it is posted, not queued.

    Args:
        event: One of the names above.
        resource: What it happened to, e.g. `crossdiff.dataset.NAME`.
        payload: Plain values.

    Returns:
        "" when the server took it, otherwise why nobody was told. Nothing is raised.
    """
    if not _prefect_may_be_there():
        return NOBODY
    try:
        return _post(event, resource, payload)
    except Exception as error:  # noqa: BLE001 - whatever goes wrong at a server
        return f"{event} was not announced: {' '.join(str(error).split()) or repr(error)}"


def _prefect_may_be_there() -> bool:
    """Importing Prefect takes seconds, which who never configured it should not wait for."""
    return bool(os.environ.get("PREFECT_API_URL")) or "prefect" in sys.modules


def _post(event: str, resource: str, payload: Mapping[str, Any]) -> str:
    from prefect.client.orchestration import get_client  # noqa: PLC0415
    from prefect.events import Event  # noqa: PLC0415
    from prefect.settings import get_current_settings  # noqa: PLC0415

    if not get_current_settings().api.url:
        return NOBODY
    told = Event.model_validate(
        {
            "event": event,
            "resource": {"prefect.resource.id": resource, "prefect.resource.name": resource},
            "payload": dict(payload),
            "related": _flow_run(),
        }
    )
    with get_client(sync_client=True) as client:
        client.request("POST", "/events", json=[told.model_dump(mode="json")]).raise_for_status()
    return ""


def _flow_run() -> list[dict[str, str]]:
    """The flow run that tells, so that a server's page of it shows the event."""
    from prefect.context import FlowRunContext  # noqa: PLC0415

    context = FlowRunContext.get()
    if context is None or context.flow_run is None:
        return []
    return [
        {
            "prefect.resource.id": f"prefect.flow-run.{context.flow_run.id}",
            "prefect.resource.role": "flow-run",
            "prefect.resource.name": context.flow_run.name,
        }
    ]
