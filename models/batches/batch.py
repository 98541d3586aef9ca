"""What one training step reads: motions in both dimensions, and what of them is known."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Knowledge:
    """What of a batch is known; the rest is zero in every input and out of every loss."""

    mask3: Tensor
    """(B, T, D3) True where the 3D entry is known; all False for a sample that is 2D alone."""
    mask2: Tensor
    """(B, T, D2) True where the 2D entry is known."""
    weight3: Tensor
    """(B,) 0..1 how much the losses that read or write a sample's 3D count."""

    def join(self, other: "Knowledge") -> "Knowledge":
        """Both one after the other."""
        return Knowledge(
            torch.cat([self.mask3, other.mask3]),
            torch.cat([self.mask2, other.mask2]),
            torch.cat([self.weight3, other.weight3]),
        )

    def part(self, some: slice) -> "Knowledge":
        """That of some of the samples."""
        return Knowledge(self.mask3[some], self.mask2[some], self.weight3[some])


@dataclass(frozen=True)
class Batch:
    """One training step's input, not normalised."""

    x3: Tensor
    """(B, T, D3)"""
    x2: Tensor
    """(B, T, D2) clean view."""
    input2: Tensor
    """(B, T, D2) the same view as the lifting input sees it (noise, scale)."""
    mask2: Tensor
    """(B, T, D2) False where the lifting input's entry is hidden."""
    pad: Tensor
    """(B, T) True beyond a clip's end."""
    text: Tensor
    """(B, text_dim)"""
    knowledge: Knowledge | None = None
    """None: motion capture, where everything is known."""
    confidence: Tensor | None = None
    """(B, T, J) in [0, 1] of the joints of `input2`, 0 where not seen; None: nobody asked."""

    def join(self, other: "Batch") -> "Batch":
        """Both one after the other."""
        certain = self.knowledge is None and other.knowledge is None
        told = [b.confidence for b in (self, other) if b.confidence is not None]
        return Batch(
            x3=torch.cat([self.x3, other.x3]),
            x2=torch.cat([self.x2, other.x2]),
            input2=torch.cat([self.input2, other.input2]),
            mask2=torch.cat([self.mask2, other.mask2]),
            pad=torch.cat([self.pad, other.pad]),
            text=torch.cat([self.text, other.text]),
            knowledge=None if certain else self.known().join(other.known()),
            confidence=torch.cat(told) if len(told) == 2 else None,
        )

    def part(self, some: slice) -> "Batch":
        """Some of its samples."""
        return Batch(
            x3=self.x3[some],
            x2=self.x2[some],
            input2=self.input2[some],
            mask2=self.mask2[some],
            pad=self.pad[some],
            text=self.text[some],
            knowledge=None if self.knowledge is None else self.knowledge.part(some),
            confidence=None if self.confidence is None else self.confidence[some],
        )

    def known(self) -> Knowledge:
        """`knowledge`, written out where everything is known."""
        if self.knowledge is not None:
            return self.knowledge
        everything3 = torch.ones_like(self.x3, dtype=torch.bool)
        everything2 = torch.ones_like(self.x2, dtype=torch.bool)
        return Knowledge(everything3, everything2, self.x3.new_ones(len(self.x3)))
