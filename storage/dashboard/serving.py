"""Serving the dashboard until somebody stops it: its own socket, so that a taken port is told."""

import contextlib
import logging
import socket
from collections.abc import Callable
from urllib.parse import urlencode

import uvicorn
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from storage.dashboard.settings import Settings

BACKLOG = 128
STOP_S = 2
"""How long open answers (films) may take to end after Ctrl-C."""


def listen(settings: Settings) -> socket.socket:
    """The socket to serve on.

    Raises:
        ValueError: The port is taken, or the address is not this machine's; one sentence.
    """
    try:
        found = socket.getaddrinfo(
            settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        family, kind, protocol, _, address = found[0]
        sock = socket.socket(family, kind, protocol)
    except OSError as error:
        raise ValueError(
            f"--host {settings.host} is no address of this machine: {error.strerror or error}"
        ) from error
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(address)
        sock.listen(BACKLOG)
    except OSError as error:
        sock.close()
        raise ValueError(
            f"cannot listen on {settings.host} port {settings.port} ({error.strerror or error}): "
            "another program may use it; choose another --port"
        ) from error
    return sock


def address_of(sock: socket.socket, settings: Settings) -> str:
    """The address to open in a browser, with the token where one is needed."""
    port = int(sock.getsockname()[1])
    host = settings.host
    if host in ("0.0.0.0", "::", ""):  # noqa: S104 - compared, not bound
        host = socket.gethostname()
    shown = f"[{host}]" if ":" in host else host
    query = f"?{urlencode({'token': settings.token})}" if settings.token else ""
    return f"http://{shown}:{port}/{query}"


def serve(app: ASGIApp, sock: socket.socket, ready: Callable[[], None]) -> None:
    """Answer until the process is told to stop (Ctrl-C, SIGTERM).

    Args:
        app: From `create_app`.
        sock: From `listen`; closed at the end.
        ready: Called when answers can be given, and Ctrl-C ends the serving in order.
    """
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
    config = uvicorn.Config(
        _telling(app, ready),
        log_level="error",
        access_log=False,
        lifespan="on",
        server_header=False,
        timeout_graceful_shutdown=STOP_S,
    )
    with contextlib.closing(sock), contextlib.suppress(KeyboardInterrupt):
        uvicorn.Server(config).run(sockets=[sock])


def _telling(app: ASGIApp, ready: Callable[[], None]) -> ASGIApp:
    """The application, which says when it has started: the server takes signals by then."""

    async def telling(scope: Scope, receive: Receive, send: Send) -> None:
        async def send_and_tell(message: Message) -> None:
            await send(message)
            if message["type"] == "lifespan.startup.complete":
                ready()

        await app(scope, receive, send_and_tell if scope["type"] == "lifespan" else send)

    return telling
