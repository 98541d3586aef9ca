"""Losses of the movement autoencoder and of matched and mismatched pairs."""

import torch
from torch import Tensor
from torch.nn import functional

SAME = 1e-12
"""Keeps the root of a squared distance away from 0, where it has no slope."""


def movement_loss(
    rows: Tensor, rebuilt: Tensor, movements: Tensor, sparsity: float, smoothness: float
) -> Tensor:
    """Mean absolute error of the rows, plus the movements' mean size and mean change.

    Args:
        rows: (B, T, W) normalised.
        rebuilt: (B, T, W) by the decoder.
        movements: (B, T // 4, M).
        sparsity: Weight of the size.
        smoothness: Weight of the change.
    """
    change = (movements[:, 1:] - movements[:, :-1]).abs().mean()
    error = functional.l1_loss(rebuilt, rows)
    return error + sparsity * movements.abs().mean() + smoothness * change


def contrastive_loss(texts: Tensor, motions: Tensor, margin: float, shift: int) -> Tensor:
    """Matched pairs to distance 0, mismatched ones beyond the margin (Hadsell et al. 2006).

    Each text's mismatch is the motion `shift` places on. Published code also draws the shift 0,
    where the mismatch is the match; here it must be 1 to B - 1.

    Args:
        texts: (B, E).
        motions: (B, E), of the same pairs.
        margin: Distance from which a mismatch costs nothing.
        shift: 1 to B - 1.

    Raises:
        ValueError: A shift that makes no mismatch.
    """
    if not 0 < shift < len(texts):
        raise ValueError(f"a shift of {shift} makes no mismatched pairs of {len(texts)}")
    matched = functional.pairwise_distance(texts, motions)
    missed = functional.pairwise_distance(texts, motions.roll(-shift, 0))
    return (matched**2).mean() + ((margin - missed).clamp(min=0.0) ** 2).mean()


def infonce_loss(texts: Tensor, motions: Tensor, groups: Tensor, temperature: float) -> Tensor:
    """Symmetric cross-entropy of finding the pair among the batch by distance.

    Distances are Euclidean, as R-Precision's are. Pairs with the same captions are no mismatches
    of each other: they are left out.

    Args:
        texts: (B, E).
        motions: (B, E), of the same pairs.
        groups: (B,) equal where captions are.
        temperature: Distance that makes a mismatch e times less likely.
    """
    squared = (texts[:, None] - motions[None]).square().sum(-1)
    logits = -(squared + SAME).sqrt() / temperature
    pairs = torch.arange(len(texts), device=texts.device)
    same = (groups[:, None] == groups[None]) & (pairs[:, None] != pairs[None])
    logits = logits.masked_fill(same, -torch.inf)
    to_motions = functional.cross_entropy(logits, pairs)
    return (to_motions + functional.cross_entropy(logits.T, pairs)) / 2
