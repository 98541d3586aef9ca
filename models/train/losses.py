"""The training losses: mean squared error of the clean-motion estimate on every path."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class PathWeights:
    """Weight of each path's loss; Stage I's are 1, in the wild w23 = w32 = 0.1."""

    w33: float = 1.0
    w23: float = 1.0
    w32: float = 1.0
    w22: float = 1.0

    def by_path(self) -> Mapping[str, float]:
        """Keyed as `CrossDiff.forward` keys its output."""
        return {"3d->3d": self.w33, "2d->3d": self.w23, "3d->2d": self.w32, "2d->2d": self.w22}

    def total(self, losses: Mapping[str, Tensor]) -> Tensor:
        """The weighted sum of the paths that were computed."""
        by_path = self.by_path()
        return torch.stack([by_path[path] * loss for path, loss in losses.items()]).sum()


@dataclass(frozen=True)
class Known:
    """What of a batch the losses may look at; None means all of it."""

    has_3d: Tensor | None = None
    """(B,) False for a sample that has only 2D: no path that reads or writes 3D counts for it. Or
    how much they count, 0..1."""
    mask3: Tensor | None = None
    """(B, T, D3) False where a 3D entry rests on a joint nobody saw."""
    mask2: Tensor | None = None
    """(B, T, D2) the same for 2D."""


EVERYTHING = Known()


def sample_mse(
    predicted: Tensor, target: Tensor, valid: Tensor, weight: Tensor, mask: Tensor | None = None
) -> Tensor:
    """(B,) mean squared error of each sample over valid frames and unmasked entries.

    Args:
        predicted: (B, T, D).
        target: (B, T, D).
        valid: (B, T) True on frames that count.
        weight: (D,) weight of each feature, mean 1.
        mask: (B, T, D) True on entries that count; None: all.
    """
    difference = predicted.float() - target
    if mask is None:
        error = (difference**2 * weight).mean(-1) * valid
        return error.sum(1) / valid.sum(1).clamp(min=1)
    counts = mask & valid[..., None]
    # Chosen before it is squared: whatever is hidden reaches neither loss nor gradient.
    error = torch.where(counts, difference, 0.0) ** 2 * weight
    share = (counts * weight).sum((1, 2))
    # A sample of which nothing is known says nothing: 0, not 0/0.
    return error.sum((1, 2)) / torch.where(share > 0, share, 1.0)


def masked_mse(
    predicted: Tensor,
    target: Tensor,
    valid: Tensor,
    weight: Tensor,
    *,
    mask: Tensor | None = None,
    samples: Tensor | None = None,
) -> Tensor:
    """`sample_mse` averaged over samples.

    Args:
        predicted: (B, T, D).
        target: (B, T, D).
        valid: (B, T) True on frames that count.
        weight: (D,) weight of each feature, mean 1.
        mask: (B, T, D) True on entries that count; None: all.
        samples: (B,) True on samples that count, or how much each counts, 0..1; None: all. The mean
            is over samples that count at all, so that a poor label adds little instead of making
            others louder. Without any, the loss is 0.
    """
    each = sample_mse(predicted, target, valid, weight, mask)
    if samples is None:
        return each.mean()
    counts = samples > 0
    return torch.where(counts, each * samples, 0.0).sum() / counts.sum().clamp(min=1)


def path_losses(
    outputs: Mapping[str, Tensor],
    x3: Tensor,
    x2: Tensor,
    valid: Tensor,
    weight3: Tensor,
    known: Known = EVERYTHING,
) -> dict[str, Tensor]:
    """Unweighted loss of every path that was computed.

    Args:
        outputs: Keyed as `CrossDiff.forward` keys them.
        x3: (B, T, D3) normalised target.
        x2: (B, T, D2) normalised target.
        valid: (B, T) True on frames that count.
        weight3: (D3,) weight of each 3D feature, mean 1.
        known: What the losses may look at.
    """
    weight2 = torch.ones(x2.shape[-1], device=x2.device)
    targets = {"3d": (x3, weight3, known.mask3), "2d": (x2, weight2, known.mask2)}
    out = {}
    for path, predicted in outputs.items():
        target, weight, mask = targets[path.split("->")[1]]
        samples = None if path == "2d->2d" else known.has_3d
        out[path] = masked_mse(predicted, target, valid, weight, mask=mask, samples=samples)
    return out
