"""The text tower of a CLIP that the user has, in OpenAI's names, whatever the file's format."""

import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from models.text.clip_package import clip_vocabulary
from models.weight_files import WeightFile, WeightFileError, read_weights

HEAD_WIDTH = 64
"""CLIP's attention heads are as many as the width holds of these."""
WANTED = "give OpenAI's ViT-B-32.pt or a transformers folder of openai/clip-vit-base-patch32"
_NOT_TEXT = ("visual.", "vision_model.", "visual_projection.")
_SCALARS = ("logit_scale", "input_resolution", "context_length", "vocab_size")
_WEIGHT_NAMES = ("model.safetensors", "pytorch_model.bin")


def read_text_tower(path: Path) -> dict[str, Tensor]:
    """The text tower's tensors, float32, in OpenAI's names.

    Args:
        path: OpenAI's TorchScript archive, a state dict in OpenAI's names (.pt, .safetensors),
            or a transformers folder (`CLIPModel`, `CLIPTextModelWithProjection`).

    Raises:
        WeightFileError: Not a CLIP, damaged, or one that OpenAI's class would compute wrongly.
    """
    file = _weight_file(path) if path.is_dir() else path
    weights = read_weights(file)
    if "text_model.final_layer_norm.weight" not in weights.tensors:
        return {n: v.float() for n, v in weights.tensors.items() if is_text(n)}
    _check_config(file.parent)
    _check_vocabulary(file.parent)
    return _from_transformers(weights, file)


def is_text(name: str) -> bool:
    """Whether a tensor of OpenAI's CLIP belongs to its text tower."""
    return not name.startswith(_NOT_TEXT) and name not in _SCALARS


def count_layers(state: dict[str, Tensor], prefix: str) -> int:
    """How many numbered layers there are under a prefix."""
    return len({n.removeprefix(prefix).split(".")[0] for n in state if n.startswith(prefix)})


_TRANSFORMERS_NAMES = {
    "text_model.embeddings.token_embedding.weight": "token_embedding.weight",
    "text_model.embeddings.position_embedding.weight": "positional_embedding",
    "text_model.final_layer_norm.weight": "ln_final.weight",
    "text_model.final_layer_norm.bias": "ln_final.bias",
}
_TRANSFORMERS_PARTS = {
    "layer_norm1": "ln_1",
    "layer_norm2": "ln_2",
    "mlp.fc1": "mlp.c_fc",
    "mlp.fc2": "mlp.c_proj",
    "self_attn.out_proj": "attn.out_proj",
}
_LAYER = "text_model.encoder.layers."


def _from_transformers(weights: WeightFile, file: Path) -> dict[str, Tensor]:
    """The text tower in OpenAI's names: q, k, v in one matrix, the projection transposed."""
    given = {n: v.float() for n, v in weights.tensors.items()}
    try:
        state = {ours: given[theirs] for theirs, ours in _TRANSFORMERS_NAMES.items()}
        state["text_projection"] = given["text_projection.weight"].T.contiguous()
        for i in range(count_layers(given, _LAYER)):
            here, there = f"transformer.resblocks.{i}.", f"{_LAYER}{i}."
            for kind in ("weight", "bias"):
                for theirs, ours in _TRANSFORMERS_PARTS.items():
                    state[f"{here}{ours}.{kind}"] = given[f"{there}{theirs}.{kind}"]
                qkv = [given[f"{there}self_attn.{part}_proj.{kind}"] for part in "qkv"]
                state[f"{here}attn.in_proj_{kind}"] = torch.cat(qkv)
    except KeyError as error:
        raise WeightFileError(f"{file} is not a whole CLIP ({error} missing); {WANTED}") from error
    return state


def _weight_file(folder: Path) -> Path:
    found = next((folder / name for name in _WEIGHT_NAMES if (folder / name).is_file()), None)
    if found is None:
        raise WeightFileError(f"{folder} holds neither {' nor '.join(_WEIGHT_NAMES)}; {WANTED}")
    return found


def _read_json(file: Path) -> dict[str, Any]:
    try:
        values = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise WeightFileError(f"{file} is missing or not JSON; {WANTED}") from error
    if not isinstance(values, dict):
        raise WeightFileError(f"{file} holds no JSON object; {WANTED}")
    return values


def _check_config(folder: Path) -> None:
    """OpenAI's class knows one activation, head width and epsilon; others would come out wrong."""
    values = _read_json(folder / "config.json")
    text = values.get("text_config") or values
    width, heads = text.get("hidden_size", 512), text.get("num_attention_heads", 8)
    found = (text.get("hidden_act", "quick_gelu"), width / heads, text.get("layer_norm_eps", 1e-5))
    wanted = ("quick_gelu", HEAD_WIDTH, 1e-5)
    if found != wanted:
        raise WeightFileError(
            f"{folder} is another kind of CLIP (activation, head width and epsilon {found}, not "
            f"{wanted}); {WANTED}"
        )


def _check_vocabulary(folder: Path) -> None:
    """The tokenizer's files, where there are any, must hold the vocabulary that is used."""
    found: object = None
    if (folder / "tokenizer.json").is_file():
        found = _read_json(folder / "tokenizer.json").get("model", {}).get("vocab")
    elif (folder / "vocab.json").is_file():
        found = _read_json(folder / "vocab.json")
    if found is not None and found != clip_vocabulary().encoder:
        raise WeightFileError(f"{folder} has another vocabulary than OpenAI's CLIP; {WANTED}")
