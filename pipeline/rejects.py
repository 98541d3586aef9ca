"""An item that could not be used: named and explained, while the run goes on."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Reject:
    """An item of a data set that could not become a motion."""

    name: str
    """File, clip or motion id."""
    reason: str
    """One sentence for a human."""
