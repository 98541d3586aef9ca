"""How much time, memory and picture one file may ask for."""

from dataclasses import dataclass

MIN_MEMORY_BYTES = 400 * 1024**2
"""Address space of an idle decoding process, and a little more."""


@dataclass(frozen=True)
class ReadLimits:
    """Bounds on the decoding of one file; beyond them it fails with a reason."""

    stall_s: float = 20.0
    """Seconds the decoding process may stay silent while we wait before it is killed.
    Opening a file counts: raise it for very large files on slow storage."""
    max_pixels: int = 8192 * 4320
    """Largest width x height read; 8K by default."""
    memory_bytes: int | None = 4 * 1024**3
    """Address space of the decoding process (RLIMIT_AS); None leaves it unbounded."""
    threads: int = 2
    """Threads of the codec inside the decoding process."""

    def __post_init__(self) -> None:
        if self.stall_s <= 0 or self.max_pixels <= 0 or self.threads <= 0:
            raise ValueError(f"limits must be positive, got {self}")
        if self.memory_bytes is not None and self.memory_bytes < MIN_MEMORY_BYTES:
            least = f"memory_bytes must be None or at least {MIN_MEMORY_BYTES}"
            raise ValueError(f"{least}, which the decoding process takes itself")
