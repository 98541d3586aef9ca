"""What a command hands back to the command line."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Outcome:
    """What a command has to say."""

    data: dict[str, Any]
    """For `--json`."""
    lines: list[str] = field(default_factory=list)
    """For a terminal."""
    failed: bool = False
    """Something asked for was not done."""
    told: bool = False
    """All of it has been printed, by a command that ends when somebody stops it."""
