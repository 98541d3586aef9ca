"""The process behind `flows.local_api`: Prefect's API on a socket that was handed over."""

import os
import signal
import socket
import sys
import threading
import time

from flows.prefect_settings import prepare_environment

EXIT_S = 4.0
"""How long a clean end may take."""


def serve(descriptor: int) -> None:
    """Serve until standard input closes.

    Args:
        descriptor: An inherited, listening socket.
    """
    threading.Thread(target=_leave_with_owner, daemon=True).start()
    prepare_environment()
    # Here and not above: the owner may be gone before these seconds of imports are over.
    import uvicorn  # noqa: PLC0415
    from prefect.server.api.server import create_app  # noqa: PLC0415

    app = create_app(ephemeral=True, final=True)
    config = uvicorn.Config(app, log_level="error", lifespan="on")
    uvicorn.Server(config).run(sockets=[socket.socket(fileno=descriptor)])


def _leave_with_owner() -> None:
    """Wait for the owner's end of the pipe to close; end in order, and then in any case."""
    while os.read(sys.stdin.fileno(), 1):  # not through a buffer, whose lock would outlive us
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(EXIT_S)
    os._exit(1)


if __name__ == "__main__":
    serve(int(sys.argv[1]))
