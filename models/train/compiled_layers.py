"""Transformer layers compiled once and shared: every layer of a kind runs the same machine code.

Compiling the whole network would take minutes for each window length. The layers take nearly all
the time and there are only a few kinds of them, so each kind is compiled once for any length.
"""

from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

LAYER_KINDS = (nn.TransformerEncoderLayer, nn.TransformerDecoderLayer)
MOST_VARIANTS = 64
"""Variants (layer kind, sizes, with and without gradients) kept before the compiler gives up."""


def _run_layer(layer: nn.Module, *tensors: Tensor, **options: Any) -> Tensor:  # noqa: ANN401
    out: Tensor = type(layer).forward(layer, *tensors, **options)
    return out


def compile_layers(network: nn.Module, **options: Any) -> None:  # noqa: ANN401
    """Compile every transformer layer in place; parameter names stay.

    Args:
        network: Its layers' `forward` is replaced.
        options: For `torch.compile`.
    """
    torch._dynamo.config.recompile_limit = MOST_VARIANTS
    compiled = torch.compile(_run_layer, dynamic=True, **options)
    for module in network.modules():
        if isinstance(module, LAYER_KINDS):
            object.__setattr__(module, "forward", partial(compiled, module))
