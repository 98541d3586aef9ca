"""The lifting network of a worker process: built once, shared by all its shards."""

from functools import lru_cache
from pathlib import Path

import torch

from models.checkpoint import Checkpoint, load_checkpoint


@lru_cache(maxsize=2)
def checkpoint_for(folder: Path, device: str) -> Checkpoint:
    """The lifting network; one CPU thread, since workers are processes that share the cores."""
    torch.set_num_threads(1)
    chosen = device
    if device == "auto":
        chosen = "cuda" if torch.cuda.is_available() else "cpu"
    return load_checkpoint(folder, chosen)
