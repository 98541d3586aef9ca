"""A stand-in for mmcv's compiled operators, so that mmpose runs on the pure-Python `mmcv-lite`.

Importing `mmpose.apis` or `mmdet.apis` imports every mmcv operator from the compiled module
`mmcv._ext`, which only full builds of mmcv have (a CUDA-version-specific wheel or a compiler run).
RTMPose calls none of them; person detectors call one, non-maximum suppression, which torchvision
also has. So the stand-in answers `nms` with torchvision's and refuses every other operator by name
when it is called.
"""

import importlib
import importlib.util
import sys
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import NoReturn

import torch

MODULE = "mmcv._ext"


def install_if_absent() -> bool:
    """Register the stand-in unless mmcv brings its own operators; call before importing mmpose.

    Returns:
        Whether the stand-in is in use.

    Raises:
        ModuleNotFoundError: mmcv itself is not installed.
    """
    if MODULE not in sys.modules and importlib.util.find_spec(MODULE) is None:
        sys.modules[MODULE] = _StandIn(MODULE)
    return isinstance(sys.modules.get(MODULE), _StandIn)


class _StandIn(ModuleType):
    """A module that has every operator; all but `nms` raise when called."""

    def __init__(self, name: str) -> None:
        super().__init__(name, __doc__)
        # A spec keeps importlib.util.find_spec working; no loader tells mmcv there are no real ops.
        self.__spec__ = ModuleSpec(name, loader=None)
        self.nms = _nms

    def __getattr__(self, operator: str) -> Callable[..., NoReturn]:
        if operator.startswith("__"):
            raise AttributeError(operator)

        def refuse(*_args: object, **_kwargs: object) -> NoReturn:
            raise NotImplementedError(
                f"mmcv's compiled operator {operator!r} is not in mmcv-lite: install the full mmcv"
            )

        return refuse


def _nms(
    boxes: torch.Tensor, scores: torch.Tensor, iou_threshold: float, offset: int
) -> torch.Tensor:
    """Indices of the boxes kept, best first; `offset` 1 counts the last pixel into a box's size."""
    torchvision_ops = importlib.import_module("torchvision.ops")  # part of the [mmpose] extra
    widened = boxes + boxes.new_tensor([0, 0, offset, offset])
    kept: torch.Tensor = torchvision_ops.nms(widened, scores, iou_threshold)
    return kept
