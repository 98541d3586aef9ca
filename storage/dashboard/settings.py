"""How a dashboard is served: address, token, names, limits; all of it decided before it starts."""

import ipaddress
import os
from dataclasses import dataclass, field
from pathlib import Path

BODY_BYTES = 4_000_000
"""Largest body of a request: each motion of a large decision is named twice in it."""
CAPTION_CHARS = 500
CAPTIONS = 20
"""Sentences of one decision."""
NOTE_CHARS = 2_000
NAME_CHARS = 100
"""Length of a curator's name."""
ID_CHARS = 200
MOTION_CHARS = 1_000
"""Length of a motion's id: of motion capture it is a file's place in its folders."""
BULK = 5_000
"""Motions that one decision may be about."""
PAGE_ROWS = 200
SEARCH_CHARS = 200
ASK_CHARS = 300
ASK_SECONDS = (2.0, 9.8)
"""Length of a motion that is asked for: what the network was trained with."""
CACHE_BYTES = 2_000_000_000
"""Pictures and films kept; the longest unused go first."""
LOOPBACK_NAMES = ("localhost",)
TOKEN_CHARS = 8
"""Shortest token taken."""


def cache_folder() -> Path:
    """Where pictures and films are kept: never in the store, and they may be deleted any time."""
    given = os.environ.get("XDG_CACHE_HOME", "")
    base = Path(given) if given else Path.home() / ".cache"
    return base / "crossdiff" / "dashboard"


@dataclass(frozen=True)
class Settings:
    """What the server is told once."""

    by: str
    """Who decides, where a request does not say."""
    host: str = "127.0.0.1"
    port: int = 8420
    token: str | None = field(default=None, repr=False)
    """What a visitor must know; None: whoever is on this machine may."""
    cache: Path = field(default_factory=cache_folder)
    cache_bytes: int = CACHE_BYTES
    check_every_s: float = 2.0
    """How often the store is asked for news, at most."""

    def __post_init__(self) -> None:
        """Refuse what would leave the store open to others, or could not be served."""
        if not self.by.strip() or len(self.by) > NAME_CHARS:
            raise ValueError(f"say who decides: --by NAME, at most {NAME_CHARS} characters")
        if not self.by.isprintable():  # nor what a shell hands over of bytes that are no UTF-8
            raise ValueError("--by NAME must be one line of readable text: write it as UTF-8")
        if not 0 <= self.port <= 65535:
            raise ValueError(f"--port is {self.port}: give 1 to 65535, or 0 for a free one")
        if self.token is not None and len(self.token) < TOKEN_CHARS:
            raise ValueError(f"--token is too short: give at least {TOKEN_CHARS} characters")
        if self.token is not None and not (self.token.isascii() and self.token.isprintable()):
            raise ValueError("--token holds characters that no header carries: use plain ones")
        if self.token is None and not is_loopback(self.host):
            raise ValueError(
                f"--host {self.host} lets other machines in: add --token SECRET, or leave it out"
            )


def is_loopback(host: str) -> bool:
    """Whether an address is reached from this machine alone."""
    if host.lower() in LOOPBACK_NAMES:
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
