"""What an exporter needs of a motion, wherever it comes from."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from pipeline.arrays import AnyFloat, Float32


@dataclass(frozen=True)
class ExportMotion:
    """A motion to be written to a file."""

    motion_id: str
    joints: AnyFloat | None
    """(T, J, 3) metres, Y up; None: only 2D is known."""
    features: Float32 | None
    """(T-1 or T, D3) feature rows, not normalised."""
    fps: float
    joint_set: str
    """Name of the skeleton."""
    captions: tuple[str, ...] = ()
    tokens: tuple[str, ...] = ()
    """`word/POS word/POS` of each caption; empty when not known."""
    action: str | None = None
    split: str | None = None
    """train, val or test."""
    mirrored: bool = False
    azimuth_deg: float | None = None
    """Turn of the body about y from which it was filmed; None: nobody filmed it."""
    lineage: Mapping[str, Any] = field(default_factory=dict)
    """Plain values: what it was made from."""

    def __repr__(self) -> str:
        shape = None if self.joints is None else self.joints.shape
        return f"ExportMotion({self.motion_id!r}, joints {shape}, {self.fps:g} fps)"

    def with_tokens(self, tokens: tuple[str, ...]) -> "ExportMotion":
        """The same motion with tokens for its captions."""
        return replace(self, tokens=tokens)
