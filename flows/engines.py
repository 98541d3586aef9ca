"""The lifting network of a worker process: built once, shared by all its shards."""

from functools import lru_cache
from pathlib import Path

import torch

from flows.options import DEVICE
from flows.recipe import estimator_for
from models.checkpoint import Checkpoint, load_checkpoint


@lru_cache(maxsize=2)
def checkpoint_for(folder: Path, device: str) -> Checkpoint:
    """The lifting network; one CPU thread, since workers are processes that share the cores.

    Args:
        folder: A checkpoint.
        device: auto, cpu, cuda or cuda:N.

    Raises:
        CheckpointError: The checkpoint cannot be used.
        ValueError: This machine has no such device.
    """
    torch.set_num_threads(1)
    return load_checkpoint(folder, device_named(device))


def model_loads() -> dict[str, int]:
    """How often this process has built each model since it began: `pose` and `lift`."""
    return {
        "pose": estimator_for.cache_info().misses,
        "lift": checkpoint_for.cache_info().misses,
    }


def device_named(name: str) -> torch.device:
    """The torch device of `auto` (a GPU if there is one), `cpu`, `cuda` or `cuda:N`.

    Raises:
        ValueError: Another name, or this machine has no such device.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if not DEVICE.fullmatch(name):
        raise ValueError(f"--device {name}: give auto, cpu, cuda or cuda:N")
    device = torch.device(name)
    there = torch.cuda.device_count()
    if device.type == "cuda" and (device.index or 0) >= there:
        raise ValueError(f"there is no device {name} on this machine: it has {there} CUDA devices")
    return device
