"""Tensors from other programs' weight files: PyTorch, TorchScript or safetensors.

No file is allowed to run code: PyTorch files are read with `weights_only`, archives as data.
"""

import pickle
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from models.text.torchscript_weights import is_torchscript, read_torchscript

WRAPPERS = ("state_dict", "model_state_dict", "model")
"""Keys under which training programs put the network's own tensors."""
PREFIXES = ("module.", "_orig_mod.", "model.")
"""What DDP, torch.compile and wrapping classes put before every name."""
_REFUSED = ("Unsupported global", "Unsupported class", "Unsupported storage")
"""How unpicklers name an object that is no tensor; other messages are those of damaged files."""
SHOWN = 3
"""How many names a message gives before it only counts."""


class WeightFileError(ValueError):
    """A weight file that cannot be used; the message says why and what to do."""


@dataclass(frozen=True)
class WeightFile:
    """A network's tensors by name."""

    tensors: dict[str, Tensor]
    """On the CPU, in the file's own precision."""
    left_out: tuple[str, ...] = ()
    """What else the file held, in words."""


def name_some(names: list[str]) -> str:
    """The first few names, and how many more there are."""
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def read_weights(path: Path) -> WeightFile:
    """The tensors of a file, without wrappers around them or prefixes before their names.

    Raises:
        WeightFileError: No such file, damaged, not weights, or it could run code.
    """
    if not path.is_file():
        raise WeightFileError(f"{path} is not a file; give the weights you downloaded")
    try:
        return _unwrap(_read(path), path)
    except WeightFileError:
        raise
    except pickle.UnpicklingError as error:
        if any(reason in str(error) for reason in _REFUSED):
            raise WeightFileError(
                f"{path} holds Python objects besides tensors, which can run code when they are "
                "opened; save its state dict alone (torch.save(network.state_dict(), file))"
            ) from error
        raise WeightFileError(_damaged(path)) from error
    except (RuntimeError, ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
        raise WeightFileError(_damaged(path)) from error
    except (EOFError, OSError, zipfile.BadZipFile, SafetensorError) as error:
        raise WeightFileError(_damaged(path)) from error


def _damaged(path: Path) -> str:
    return (
        f"{path} is damaged or not a weight file (PyTorch .pt, TorchScript or .safetensors); "
        "download it again"
    )


def _read(path: Path) -> object:
    if path.suffix == ".safetensors":
        return load_file(path)
    if is_torchscript(path):
        return read_torchscript(path)
    return torch.load(path, map_location="cpu", weights_only=True)


def _unwrap(value: object, path: Path) -> WeightFile:
    left_out: list[str] = []
    while isinstance(value, Mapping):
        inner = next((k for k in WRAPPERS if isinstance(value.get(k), Mapping)), None)
        if inner is None:
            break
        beside = [str(k) for k in value if k != inner]
        if beside:
            left_out.append(f"beside '{inner}': {name_some(beside)}")
        value = value[inner]
    if not isinstance(value, Mapping) or not any(isinstance(v, Tensor) for v in value.values()):
        raise WeightFileError(f"{path} holds no network's tensors; give a file of weights")
    others = [str(k) for k, v in value.items() if not isinstance(v, Tensor)]
    if others:
        left_out.append(f"no tensors: {name_some(others)}")
    tensors = {str(k): v.detach() for k, v in value.items() if isinstance(v, Tensor)}
    return WeightFile(_without_prefixes(tensors), tuple(left_out))


def _without_prefixes(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    shared = next((p for p in PREFIXES if all(name.startswith(p) for name in tensors)), None)
    if shared is None:
        return tensors
    return _without_prefixes({name.removeprefix(shared): v for name, v in tensors.items()})
