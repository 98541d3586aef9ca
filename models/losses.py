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


def masked_mse(predicted: Tensor, target: Tensor, valid: Tensor, weight: Tensor) -> Tensor:
    """Mean squared error over valid frames, averaged over samples.

    Args:
        predicted: (B, T, D).
        target: (B, T, D).
        valid: (B, T) True on frames that count.
        weight: (D,) weight of each feature, mean 1.
    """
    error = ((predicted.float() - target) ** 2 * weight).mean(-1) * valid
    return (error.sum(1) / valid.sum(1).clamp(min=1)).mean()


def path_losses(
    outputs: Mapping[str, Tensor], x3: Tensor, x2: Tensor, valid: Tensor, weight3: Tensor
) -> dict[str, Tensor]:
    """Unweighted loss of every path that was computed; `x3`, `x2` are normalised targets."""
    weight2 = torch.ones(x2.shape[-1], device=x2.device)
    targets = {"3d": (x3, weight3), "2d": (x2, weight2)}
    out = {}
    for path, predicted in outputs.items():
        target, weight = targets[path.split("->")[1]]
        out[path] = masked_mse(predicted, target, valid, weight)
    return out
