"""How an evaluation runs: where motions are kept, what is shown. None of it decides a score."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from models.generate.generation import BatchPlan


class Bar(Protocol):
    """Shows how far a piece of work is."""

    def update(self, n: float, /) -> object:
        """Count n more."""
        ...


class _NoBar:
    def update(self, n: float, /) -> None:
        """Show nothing."""


def _no_counter(total: int, what: str, unit: str) -> AbstractContextManager[Bar]:
    del total, what, unit
    return nullcontext(_NoBar())


@dataclass(frozen=True)
class Conduct:
    """How an evaluation runs."""

    batches: BatchPlan | None = None
    """None: what fits the device."""
    folder: Path | None = None
    """Where drawn motions are kept, so that a killed run goes on; None keeps nothing."""
    origin: str = ""
    """Version and commit of the code: motions that another one drew are drawn again."""
    counter: Callable[[int, str, str], AbstractContextManager[Bar]] = _no_counter
    """(total, what, unit) -> a bar."""
    say: Callable[[str], object] = lambda line: None
    scenes: int = 6
    """Captions whose motions a report plays."""
