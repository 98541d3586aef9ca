"""Which motions a step trains on: every motion once an epoch, in an order that a resume repeats."""

import torch
from torch import Tensor

EPOCH_STRIDE = 1_000_033
"""Keeps the orders of neighbouring seeds apart."""


def epoch_order(seed: int, epoch: int, count: int) -> Tensor:
    """(count,) the order in which an epoch walks through `count` motions."""
    g = torch.Generator().manual_seed(seed * EPOCH_STRIDE + epoch)
    return torch.randperm(count, generator=g)


class EpochWalk:
    """Positions in an endless row of shuffled epochs; keeps only the orders in use."""

    def __init__(self, seed: int, motions: Tensor) -> None:
        """Walk through `motions`, (M,) indices on the device where they are needed."""
        self.seed, self.motions = seed, motions
        self._orders: dict[int, Tensor] = {}

    def take(self, first: int, count: int) -> Tensor:
        """(count,) motions at positions `first`, `first + 1`, ... counted from the run's start."""
        size, out = len(self.motions), []
        while count > 0:
            epoch, start = divmod(first, size)
            part = self._order(epoch)[start : start + count]
            out.append(part)
            first, count = first + len(part), count - len(part)
        return torch.cat(out)

    def _order(self, epoch: int) -> Tensor:
        if epoch not in self._orders:
            self._orders = {k: v for k, v in self._orders.items() if k == epoch - 1}
            order = epoch_order(self.seed, epoch, len(self.motions))
            self._orders[epoch] = self.motions[order.to(self.motions.device)]
        return self._orders[epoch]
