"""`crossdiff dashboard`: the store in a browser, until somebody stops it."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from flows.dashboard_asking import motion_maker
from flows.decide import curator
from storage.dashboard.app import create_app
from storage.dashboard.serving import address_of, listen, serve
from storage.dashboard.settings import Settings
from storage.store import open_store


@dataclass(frozen=True)
class DashboardOptions:
    """See `crossdiff dashboard --help`."""

    store: str
    host: str
    port: int
    token: str | None
    by: str | None
    checkpoint: Path | None


def run_dashboard(options: DashboardOptions, tell: Callable[[str], None]) -> dict[str, Any]:
    """Serve until Ctrl-C.

    Args:
        options: What to serve, where, to whom.
        tell: Takes the address, once, when it can be opened.

    Returns:
        `store`, `url`.

    Raises:
        ValueError: A wrong option, or the port is taken.
        StoreError: There is no store.
    """
    settings = Settings(
        by=curator(options.by), host=options.host, port=options.port, token=options.token
    )
    store = open_store(options.store)
    maker = motion_maker(options.checkpoint)
    about = maker.about()
    if options.checkpoint is not None and not about.available:
        maker.close()
        raise ValueError(about.note)
    sock = listen(settings)
    # The port that was found: cookies of two dashboards on one machine differ by it.
    settings = replace(settings, port=sock.getsockname()[1])
    address = address_of(sock, settings)
    app = create_app(store, settings, maker)
    serve(app, sock, lambda: tell(address))
    return {"store": options.store, "url": address}
