"""Wall-clock seconds since a moment."""

import time
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Stopwatch:
    """Starts when made."""

    began: float = field(default_factory=time.perf_counter)

    @property
    def seconds(self) -> float:
        """Seconds since it was made."""
        return time.perf_counter() - self.began
