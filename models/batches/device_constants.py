"""Small constants on the training device, made once: a captured CUDA graph may not upload any."""

from functools import lru_cache

import torch
from torch import Tensor


@lru_cache(maxsize=256)
def index_on(device: torch.device, indices: tuple[int, ...]) -> Tensor:
    """(n,) int64 indices; do not write to it."""
    return torch.tensor(indices, dtype=torch.long, device=device)


@lru_cache(maxsize=64)
def rows_on(
    device: torch.device, dtype: torch.dtype, rows: tuple[tuple[float, ...], ...]
) -> Tensor:
    """(n, m) constants; do not write to it."""
    return torch.tensor(rows, dtype=dtype, device=device)
