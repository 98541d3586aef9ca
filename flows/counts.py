"""What one shard reports back."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Failure:
    """A file that did not become motion."""

    file: str
    reason: str
    detail: str


@dataclass(frozen=True)
class ShardCounts:
    """What a shard brought to the store; what another run had stored by then is not counted."""

    videos: int
    ok: int
    motions: int
    seconds: dict[str, float]
    """Per stage, summed over the clips."""
    reasons: dict[str, int] = field(default_factory=dict)
    """Failed clips by reason code."""
    worker: str = ""
    """Host and process id of who did it."""
    model_loads: dict[str, int] = field(default_factory=dict)
    """How often that process had built each model by then: once, however many shards it did."""
    failures: tuple[Failure, ...] = ()
    known: int = 0
    """Clips that another run stored while this one was at work."""
    left: tuple[str, ...] = ()
    """Files that changed since they were hashed, a sentence each."""
