"""A Prefect API for one run when the user names none: one for the run and all its workers.

Prefect would start one by itself, but another one in every worker process, and a run that is killed
would leave them all behind. This one leaves when its standard input closes, which the system does
when the process that started it ends, however it ends.
"""

import atexit
import os
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

from prefect.client.orchestration import get_client
from prefect.context import refresh_global_settings_context
from prefect.settings import get_current_settings

HOST = "127.0.0.1"
EXIT_S = 5.0
"""How long the server may take to leave before it is killed."""
PACKAGE_ROOT = Path(__file__).resolve().parent.parent


def ensure_api() -> str:
    """The address of the Prefect API of this process; one is started when none is configured.

    The address goes into the environment, so that worker processes find the same API.

    Raises:
        ConnectionError: The configured server does not answer, or our own did not start.
    """
    named = get_current_settings().api.url
    if named:
        _require_answer(named)
        return named
    # A listening socket is handed over: its port is nobody else's, and requests wait in its queue
    # until the server takes them.
    with socket.create_server((HOST, 0)) as listener:
        address = f"http://{HOST}:{listener.getsockname()[1]}/api"
        process = _start(listener)
    atexit.register(_stop, process)
    _await_answer(address)
    os.environ["PREFECT_API_URL"] = address
    refresh_global_settings_context()
    return address


def _require_answer(address: str) -> None:
    with get_client(sync_client=True) as client:
        problem = client.api_healthcheck()
    if problem is not None:
        raise ConnectionError(f"no Prefect server answers at PREFECT_API_URL {address}: {problem}")


def _start(listener: socket.socket) -> subprocess.Popen[bytes]:
    path = os.pathsep.join([str(PACKAGE_ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    return subprocess.Popen(  # noqa: S603 - our own module, no shell
        [sys.executable, "-P", "-m", "flows.local_api_server", str(listener.fileno())],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        env={**os.environ, "PREFECT_UI_ENABLED": "false", "PYTHONPATH": path},
        pass_fds=[listener.fileno()],
        process_group=0,  # Ctrl-C is for us: the server must still be there to hear of it
    )


def _await_answer(address: str) -> None:
    patience = get_current_settings().server.ephemeral.startup_timeout_seconds
    try:
        with urllib.request.urlopen(f"{address}/health", timeout=patience):  # noqa: S310 - our own
            return
    except OSError as error:
        raise ConnectionError(f"Prefect's local server did not start: {error}") from error


def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.stdin is not None:
        process.stdin.close()
    try:
        process.wait(EXIT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
