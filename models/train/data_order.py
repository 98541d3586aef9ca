"""Which motions a step trains on: every motion once an epoch, in an order that a resume repeats."""

from dataclasses import dataclass

import torch
from torch import Tensor

EPOCH_STRIDE = 1_000_033
"""Keeps the orders of neighbouring seeds apart."""


def epoch_order(seed: int, epoch: int, count: int) -> Tensor:
    """(count,) the order in which an epoch walks through `count` motions."""
    g = torch.Generator().manual_seed(seed * EPOCH_STRIDE + epoch)
    return torch.randperm(count, generator=g)


@dataclass(frozen=True)
class LengthGroups:
    """How an epoch's batches come to hold motions of about one length."""

    lengths: Tensor
    """(M,) of the motions that are walked through."""
    batch: int
    """Motions of a batch."""
    batches: int
    """So many batches are filled together: among their motions, drawn at random, neighbours in
    length become a batch. More: less padding, and fewer chances to meet another motion."""


def grouped_order(order: Tensor, groups: LengthGroups, first: int, seed: int) -> Tensor:
    """An epoch's order with every batch filled from motions of about one length.

    Args:
        order: (M,) the order drawn for the epoch.
        groups: How.
        first: Position of the epoch's first motion, counted from the run's start: batches begin at
            multiples of their size, wherever epochs do.
        seed: Of the order of the batches.

    Returns:
        (M,) the same motions. The batches that two epochs share a part of stay at the ends.
    """
    size, g = groups.batch, torch.Generator().manual_seed(seed)
    head = min(-first % size, len(order))
    parts = [order[:head]]
    for start in range(head, len(order), size * groups.batches):
        some = order[start : start + size * groups.batches]
        some = some[groups.lengths[some].argsort(stable=True)]
        whole = some[: len(some) // size * size].view(-1, size)
        parts += [whole[torch.randperm(len(whole), generator=g)].flatten(), some[whole.numel() :]]
    return torch.cat(parts)


class EpochWalk:
    """Positions in an endless row of shuffled epochs; keeps only the orders in use."""

    def __init__(self, seed: int, motions: Tensor, groups: LengthGroups | None = None) -> None:
        """Walk through `motions`, (M,) indices on the device where they are needed."""
        self.seed, self.motions, self.groups = seed, motions, groups
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
            size = len(self.motions)
            order = epoch_order(self.seed, epoch, size)
            if self.groups is not None:
                own = self.seed * EPOCH_STRIDE + epoch
                order = grouped_order(order, self.groups, epoch * size, own)
            self._orders[epoch] = self.motions[order.to(self.motions.device)]
        return self._orders[epoch]
