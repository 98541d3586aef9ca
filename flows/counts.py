"""What one shard reports back."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class ShardCounts:
    """What a shard brought."""

    videos: int
    ok: int
    motions: int
    seconds: dict[str, float]
    """Per stage, summed over the clips."""
    reasons: dict[str, int] = field(default_factory=dict)
    """Failed clips by reason code."""
