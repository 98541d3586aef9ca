"""Read OpenMMLab `.pth` checkpoints without running anything they contain."""

import pickle
import re
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.serialization import safe_globals

from pipeline.pose.protocol import PoseSetupError

_reconstruct = np.array(0).__reduce__()[0]
_scalar = np.float32(0).__reduce__()[0]

NUMPY_GLOBALS: list[Any] = [
    np.ndarray,
    np.dtype,
    *sorted({type(np.dtype(code)) for code in "?bBhHiIlLqQefdSU"}, key=lambda kind: kind.__name__),
    # numpy 1 and 2 pickle arrays and scalars under different module names.
    *((_reconstruct, f"numpy.{core}.multiarray._reconstruct") for core in ("core", "_core")),
    *((_scalar, f"numpy.{core}.multiarray.scalar") for core in ("core", "_core")),
]
"""The numpy constructors in checkpoint metadata (joint sigmas, colours, metric values). They build
plain arrays; none of them calls anything a file names."""


class LossCurve:
    """Stands in for mmengine's `HistoryBuffer` while reading: its arrays, without its behaviour."""


def _no_attribute(*_names: object) -> None:
    """Stands in for `getattr`: what a training checkpoint looks up, its reader does not need."""


TRAINING_LEFTOVERS: list[Any] = [
    (LossCurve, "mmengine.logging.history_buffer.HistoryBuffer"),
    (_no_attribute, "builtins.getattr"),
]
"""A checkpoint straight from training (not published) holds loss curves, whose pickles look up
their methods with `getattr`. Both names are answered with inert things of ours."""


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint as data.

    Args:
        path: A `.pth` file.

    Returns:
        Its dictionary, with `state_dict` (tensor by name) and `meta`; a bare state dict is wrapped.

    Raises:
        PoseSetupError: The file is missing, damaged, no checkpoint, or asks to run code.
    """
    try:
        with safe_globals([*NUMPY_GLOBALS, *TRAINING_LEFTOVERS]):
            content = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise PoseSetupError(f"there is no checkpoint {path}") from error
    except pickle.UnpicklingError as error:
        raise PoseSetupError(f"refused checkpoint {path}: {_refusal(str(error))}") from error
    except (RuntimeError, OSError, EOFError, ValueError, KeyError, TypeError) as error:
        raise PoseSetupError(f"{path} is damaged or not a PyTorch checkpoint") from error
    if not isinstance(content, dict):
        raise PoseSetupError(f"{path} holds {type(content).__name__}, not a checkpoint")
    checkpoint = content if "state_dict" in content else {"state_dict": content}
    weights = checkpoint["state_dict"]
    if not isinstance(weights, dict) or not any(map(torch.is_tensor, weights.values())):
        raise PoseSetupError(f"{path} holds no weights")
    return checkpoint


def load_weights(model: torch.nn.Module, checkpoint: dict[str, Any], path: Path) -> list[str]:
    """Put a checkpoint's weights into a model; every weight the model has must be there.

    Args:
        model: The model to fill.
        checkpoint: What `read_checkpoint` gave.
        path: Named in errors.

    Returns:
        Names in the checkpoint that the model has no place for.

    Raises:
        PoseSetupError: Weights are missing or have other shapes.
    """
    weights = {
        name.removeprefix("module."): value  # saved from a DistributedDataParallel wrapper
        for name, value in checkpoint["state_dict"].items()
    }
    try:
        result = model.load_state_dict(weights, strict=False)
    except RuntimeError as error:
        mismatch = re.search(r"size mismatch for (\S+):", str(error))
        what = f"{mismatch[1]} has another shape" if mismatch else "the weights do not fit"
        raise PoseSetupError(f"{path} is not for this config: {what}") from error
    missing = result.missing_keys
    if missing:
        raise PoseSetupError(
            f"{path} is not for this config: it lacks {len(missing)} weights, e.g. {missing[0]}"
        )
    return list(result.unexpected_keys)


def _refusal(message: str) -> str:
    """Torch's long refusal in one clause that names what the file asked for."""
    reason = message.rsplit("error:", maxsplit=1)[-1]
    asked = re.search(r"(?:GLOBAL|function|class) ([\w.]+)", reason)
    if asked and asked[1] != "None":  # None: the call was one we answer with nothing
        return f"it asks to run {asked[1]}, which no weights file needs"
    return "it is more or other than weights"
