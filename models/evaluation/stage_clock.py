"""Seconds by stage of a longer piece of work."""

from collections.abc import Iterator
from contextlib import contextmanager

from pipeline.stopwatch import Stopwatch


class StageClock:
    """Adds up the seconds of each stage, in the order in which they were first entered."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        """By the stage's name."""

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Count the time inside."""
        self.seconds.setdefault(name, 0.0)
        watch = Stopwatch()
        try:
            yield
        finally:
            self.add(name, watch.seconds)

    def add(self, name: str, seconds: float) -> None:
        """Count time that was measured elsewhere."""
        self.seconds[name] = self.seconds.get(name, 0.0) + seconds
