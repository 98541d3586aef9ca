"""`crossdiff dashboard`."""

from json import dumps
from pathlib import Path

from flows.commands.outcome import Outcome


def dashboard(
    store: str,
    host: str = "127.0.0.1",
    port: int = 8420,
    token: str | None = None,
    by: str | None = None,
    checkpoint: Path | None = None,
    json: bool = False,
) -> Outcome:
    """Look at a store and decide on its motions in a browser; Ctrl-C ends it.

    It reads the tables and writes decisions alone. Nobody but this machine can reach it, unless
    --host says otherwise; then --token is needed.

    Args:
        store: The store; at `STORE@VERSION` nothing can be decided.
        host: Address to listen on.
        port: Port to listen on; 0 takes a free one.
        token: What a visitor must know: the address that is printed holds it.
        by: Who decides, where the page does not say; default: the user of this machine.
        checkpoint: Who is asked for motions: a checkpoint, or a folder of models, of which the
            promoted one answers; default: the weights that come with the package.
        json: Print one JSON object on stdout, as soon as the page can be opened.
    """
    from flows.dashboard import DashboardOptions, run_dashboard  # noqa: PLC0415

    def tell(address: str) -> None:
        told = {"store": store, "url": address}
        print(dumps(told) if json else f"dashboard: {address} (Ctrl-C ends it)", flush=True)

    options = DashboardOptions(store, host, port, token, by, checkpoint)
    return Outcome(run_dashboard(options, tell), told=True)
