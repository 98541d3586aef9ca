"""A tiny CLIP, saved in every format that users have CLIP in."""

import json
import warnings
from pathlib import Path

import torch
from torch import nn

from models.text.clip_package import clip_module

WIDTH, LAYERS, EMBEDDING, WORDS, POSITIONS = 64, 2, 32, 49408, 77
IMAGE = 8


def tiny_clip(seed: int = 0) -> nn.Module:
    """OpenAI's class with random weights that float16 holds, as theirs are."""
    torch.manual_seed(seed)
    package = clip_module("model")
    clip = package.CLIP(EMBEDDING, IMAGE, 1, 64, 4, POSITIONS, WORDS, WIDTH, 1, LAYERS).eval()
    package.convert_weights(clip)
    return clip.float()


def save_archive(clip: nn.Module, path: Path) -> Path:
    """As OpenAI publishes it: traced, code and all, in half precision what theirs has so."""
    half = tiny_clip()
    half.load_state_dict(clip.state_dict())
    clip_module("model").convert_weights(half)
    sentence = torch.zeros(1, POSITIONS, dtype=torch.int)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        traced = torch.jit.trace(
            half, (torch.zeros(1, 3, IMAGE, IMAGE), sentence), check_trace=False
        )
        traced.save(str(path))
    return path


def save_state(clip: nn.Module, path: Path) -> Path:
    torch.save(clip.state_dict(), path)
    return path


def save_wrapped(clip: nn.Module, path: Path) -> Path:
    """As a training program leaves it."""
    state = {f"module.{name}": value for name, value in clip.state_dict().items()}
    torch.save({"epoch": 3, "state_dict": state}, path)
    return path


def save_transformers(clip: nn.Module, folder: Path, *, whole: bool = False) -> Path:
    """A transformers folder of the same weights: the text tower, or the whole `CLIPModel`."""
    from transformers import CLIPConfig, CLIPModel, CLIPTextConfig, CLIPTextModelWithProjection

    text = {
        "hidden_size": WIDTH, "intermediate_size": 4 * WIDTH, "num_hidden_layers": LAYERS,
        "num_attention_heads": 1, "projection_dim": EMBEDDING,
    }  # fmt: skip
    if whole:
        vision = {
            "hidden_size": 64, "intermediate_size": 64, "num_hidden_layers": 1,
            "num_attention_heads": 1, "image_size": IMAGE, "patch_size": 4,
        }  # fmt: skip
        model = CLIPModel(
            CLIPConfig(text_config=text, vision_config=vision, projection_dim=EMBEDDING)
        )
    else:
        model = CLIPTextModelWithProjection(CLIPTextConfig(**text))
    with torch.no_grad():
        _copy(clip, model)
    model.save_pretrained(folder)
    return folder


def _copy(clip: nn.Module, model: nn.Module) -> None:
    text = model.text_model
    text.embeddings.token_embedding.weight.copy_(clip.token_embedding.weight)
    text.embeddings.position_embedding.weight.copy_(clip.positional_embedding)
    text.final_layer_norm.load_state_dict(clip.ln_final.state_dict())
    model.text_projection.weight.copy_(clip.text_projection.T)
    for block, layer in zip(clip.transformer.resblocks, text.encoder.layers, strict=True):
        attention = layer.self_attn
        parts = (attention.q_proj, attention.k_proj, attention.v_proj)
        for i, part in enumerate(parts):
            part.weight.copy_(block.attn.in_proj_weight[i * WIDTH : (i + 1) * WIDTH])
            part.bias.copy_(block.attn.in_proj_bias[i * WIDTH : (i + 1) * WIDTH])
        for ours, theirs in (
            (block.attn.out_proj, attention.out_proj),
            (block.ln_1, layer.layer_norm1),
            (block.ln_2, layer.layer_norm2),
            (block.mlp.c_fc, layer.mlp.fc1),
            (block.mlp.c_proj, layer.mlp.fc2),
        ):
            theirs.load_state_dict(ours.state_dict())


def edit_json(file: Path, **changes: object) -> None:
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))
