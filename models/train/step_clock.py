"""Where a training step's time goes: data, forward, backward, optimizer."""

import time
from dataclasses import dataclass, field

import torch

MILLISECONDS = 1000.0
PARTS = ("data", "forward", "backward", "optimizer")


@dataclass
class StepClock:
    """Measures one step; made when the step begins.

    Every lap waits for the device, so a timed step is a little slower than others: time a few.
    """

    device: torch.device
    seconds: dict[str, float] = field(default_factory=dict)
    """By part, of the laps so far."""

    def __post_init__(self) -> None:
        self._last = self._now()

    def lap(self, part: str) -> None:
        """What went by since the last lap was `part`."""
        now = self._now()
        self.seconds[part] = self.seconds.get(part, 0.0) + now - self._last
        self._last = now

    def _now(self) -> float:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        return time.perf_counter()


@dataclass
class TimeSplit:
    """Mean of the timed steps."""

    steps: int = 0
    seconds: dict[str, float] = field(default_factory=dict)

    def add(self, clock: StepClock) -> None:
        """Count one timed step."""
        self.steps += 1
        for part, value in clock.seconds.items():
            self.seconds[part] = self.seconds.get(part, 0.0) + value

    def milliseconds(self) -> dict[str, float]:
        """Mean milliseconds a step by part; empty before the first timed step."""
        return {p: MILLISECONDS * s / self.steps for p, s in self.seconds.items()}
