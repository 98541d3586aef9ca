"""The tensors of a TorchScript archive, read without running anything that it holds.

OpenAI's CLIP weights come as such an archive. `torch.jit.load` compiles the archive's code and
may run parts of it, and that code can write files; `torch.load(weights_only=True)` refuses it.
But an archive is a zip of plain storages with one pickle that says which belongs where, and that
pickle needs only tensors and attribute bags. Everything else in it is refused here by name.
"""

import io
import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor

CODE_MARK = "constants.pkl"
"""The entry that tells an archive of code from a state dict that `torch.save` wrote."""
LARGEST_PICKLE = 64 * 2**20
"""Bytes. CLIP's is 0.1 MB: it holds names and shapes, no numbers."""
_STORAGES = {
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "DoubleStorage": torch.float64,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "BoolStorage": torch.bool,
}


def is_torchscript(path: Path) -> bool:
    """Whether a file is a TorchScript archive."""
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any(name.rpartition("/")[2] == CODE_MARK for name in archive.namelist())


def read_torchscript(path: Path) -> dict[str, Tensor]:
    """All tensors of the archive's module tree, named as `state_dict` names them.

    Raises:
        pickle.UnpicklingError: The archive asks for something that is no tensor and no module.
        zipfile.BadZipFile, KeyError, RuntimeError, TypeError, ValueError: It is damaged.
    """
    with zipfile.ZipFile(path) as archive:
        index = next((n for n in archive.namelist() if n.endswith("/data.pkl")), None)
        if index is None or archive.getinfo(index).file_size > LARGEST_PICKLE:
            raise ValueError("it has no index of tensors")
        root = _TensorUnpickler(archive, index.rpartition("/")[0]).load()
    found: dict[str, Tensor] = {}
    _collect(root, "", found)
    return found


class _Node:
    """A module of the archive: a bag of attributes, whatever its class was."""

    attributes: dict[str, Any]

    def __setstate__(self, state: object) -> None:
        self.attributes = state if isinstance(state, dict) else {}


def _collect(node: object, prefix: str, found: dict[str, Tensor]) -> None:
    for name, value in getattr(node, "attributes", {}).items():
        if isinstance(value, Tensor):
            found[f"{prefix}{name}"] = value
        elif isinstance(value, _Node):
            _collect(value, f"{prefix}{name}.", found)


def _rebuild(
    storage: Tensor, offset: int, size: Sequence[int], stride: Sequence[int], *_: object
) -> Tensor:
    return torch.as_strided(storage, tuple(size), tuple(stride), offset)


class _TensorUnpickler(pickle.Unpickler):  # find_class below allows nothing that can act
    def __init__(self, archive: zipfile.ZipFile, folder: str) -> None:
        super().__init__(io.BytesIO(archive.read(f"{folder}/data.pkl")))
        self._archive, self._folder = archive, folder

    def find_class(self, module: str, name: str) -> type | torch.dtype | Callable[..., Any]:
        """Only modules (as inert bags), tensors and their storages."""
        if module.startswith("__torch__"):
            return type("Node", (_Node,), {})  # a new one each time: it can be written to
        if module == "torch" and name in _STORAGES:
            return _STORAGES[name]
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _rebuild
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        raise pickle.UnpicklingError(f"Unsupported global: {module}.{name}")

    def persistent_load(self, key: object) -> Tensor:
        """(numbers,) storage of the archive."""
        kind, dtype, name, _device, count = cast(tuple[Any, ...], key)
        if kind != "storage" or not str(name).isalnum():
            raise pickle.UnpicklingError(f"Unsupported storage: {name}")
        numbers = bytearray(self._archive.read(f"{self._folder}/data/{name}"))
        if not count:
            return torch.zeros(0, dtype=dtype)
        return torch.frombuffer(numbers, dtype=dtype, count=count)
