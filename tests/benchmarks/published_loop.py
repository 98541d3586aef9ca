"""The published training loop, written plainly: what a training step is measured against.

Own layers, so that nothing that is made faster in `models/` reaches it: float32, attention as
softmax(Q K^T) V with the whole matrix in memory, the text encoder inside every step, and each of
the four paths encoded and decoded by itself. Parameter names are the published ones: a test loads
our weights and gets our outputs.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.network import Dim, NetworkConfig, sinusoidal_table

CLIP_CONTEXT = 77
"""Tokens of a sentence in CLIP; the published code cuts at 22 and pads to this."""
PATHS: tuple[tuple[Dim, Dim], ...] = (("3d", "3d"), ("2d", "3d"), ("3d", "2d"), ("2d", "2d"))
TABLE_LENGTH = 5000


class PlainAttention(nn.Module):
    """softmax(Q K^T / sqrt(d)) V, dropout on the probabilities."""

    def __init__(self, c: NetworkConfig) -> None:
        super().__init__()
        self.heads, self.dropout = c.heads, c.dropout
        self.in_proj_weight = nn.Parameter(torch.empty(3 * c.width, c.width))
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * c.width))
        self.out_proj = nn.Linear(c.width, c.width)
        nn.init.xavier_uniform_(self.in_proj_weight)

    def forward(self, query: Tensor, memory: Tensor) -> Tensor:
        weights, biases = self.in_proj_weight.chunk(3), self.in_proj_bias.chunk(3)
        q, k, v = (
            functional.linear(x, w, b).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for x, w, b in zip((query, memory, memory), weights, biases, strict=True)
        )
        scores = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])
        share = functional.dropout(scores.softmax(-1), self.dropout, self.training)
        out: Tensor = self.out_proj((share @ v).transpose(1, 2).flatten(2))
        return out


class PlainLayer(nn.Module):
    """A post-norm transformer layer; with `cross`, a decoder's."""

    def __init__(self, c: NetworkConfig, feed_forward: int, *, cross: bool) -> None:
        super().__init__()
        self.self_attn = PlainAttention(c)
        self.linear1 = nn.Linear(c.width, feed_forward)
        self.linear2 = nn.Linear(feed_forward, c.width)
        self.norm1, self.norm2 = nn.LayerNorm(c.width), nn.LayerNorm(c.width)
        self.dropout = nn.Dropout(c.dropout)
        if cross:
            self.multihead_attn = PlainAttention(c)
            self.norm3 = nn.LayerNorm(c.width)

    def forward(self, x: Tensor, memory: Tensor | None = None) -> Tensor:
        x = self.norm1(x + self.dropout(self.self_attn(x, x)))
        last = self.norm2
        if memory is not None:
            x = self.norm2(x + self.dropout(self.multihead_attn(x, memory)))
            last = self.norm3
        hidden = self.dropout(functional.gelu(self.linear1(x)))
        out: Tensor = last(x + self.dropout(self.linear2(hidden)))
        return out


def _stack(c: NetworkConfig, layers: int, feed_forward: int, *, cross: bool) -> nn.ModuleList:
    return nn.ModuleList(PlainLayer(c, feed_forward, cross=cross) for _ in range(layers))


class _Encoder(nn.Module):
    """Only there for the name `layers` in the published keys."""

    def __init__(self, layers: nn.ModuleList) -> None:
        super().__init__()
        self.layers = layers

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = layer(x)
        return x


class _TimeEmbedding(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.time_embed = nn.Sequential(nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width))


class PublishedNetwork(nn.Module):
    """One call a path: condition, encode, decode; nothing is kept from path to path."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        c = self.config = config
        self.motion_token = nn.Parameter(torch.randn(c.max_frames, 1, c.width))
        self.joint_token = nn.Parameter(torch.randn(c.max_frames, 1, c.width))
        table = sinusoidal_table(TABLE_LENGTH, c.width)
        self.register_buffer("table", table, persistent=False)
        self.table: Tensor
        self.embed_timestep = _TimeEmbedding(c.width)
        self.embed_text = nn.Linear(c.text_dim, c.width)
        self.bridge = _stack(c, c.shared_layers, c.feed_forward, cross=False)
        parts: dict[str, nn.Module] = {}
        for dim, width, root in (("m", c.dim3, c.root3), ("j", c.dim2, c.root2)):
            parts[f"p_linear_{dim}"] = nn.Linear(width - root, c.width)
            parts[f"p_linear2_{dim}"] = nn.Linear(c.width, width - root)
            parts[f"r_linear_{dim}"] = nn.Linear(root, c.width)
            parts[f"r_linear2_{dim}"] = nn.Linear(c.width, root)
            pose = _stack(c, c.private_layers, c.feed_forward, cross=False)
            parts[f"seqTransEncoder_{dim}"] = _Encoder(pose)
            path = _stack(c, c.root_layers, c.root_feed_forward, cross=False)
            parts[f"r_encoder_{dim}"] = _Encoder(path)
            parts[f"decoder_{dim}"] = _stack(c, c.shared_layers, c.feed_forward, cross=True)
            parts[f"r_decoder_{dim}"] = _stack(c, c.root_layers, c.root_feed_forward, cross=True)
        for name, part in parts.items():
            self.add_module(name, part)

    def forward(self, x: Tensor, source: Dim, target: Dim, t: Tensor, text: Tensor) -> Tensor:
        """(B, T, D source) -> (B, T, D target)."""
        memory, root = self._encode(x, source, t, text)
        return self._decode(memory, root, target)

    def _encode(
        self, x: Tensor, source: Dim, t: Tensor, text: Tensor
    ) -> tuple[list[Tensor], Tensor]:
        s, fields = ("m", self.config.root3) if source == "3d" else ("j", self.config.root2)
        part, frames = self.get_submodule, x.shape[1] + 1
        token = self.embed_timestep.time_embed(self.table[t]) + self.embed_text(text)
        tokens = (token[:, None], part(f"p_linear_{s}")(x[..., fields:]))
        pose = part(f"seqTransEncoder_{s}")(torch.cat(tokens, 1) + self.table[:frames])
        tokens = (token[:, None], part(f"r_linear_{s}")(x[..., :fields]))
        root = part(f"r_encoder_{s}")(torch.cat(tokens, 1) + self.table[:frames])
        memory = []
        for layer in self.bridge:
            pose = layer(pose)
            memory.append(pose)
        return memory, root[:, 1:]

    def _decode(self, memory: list[Tensor], root: Tensor, target: Dim) -> Tensor:
        s = "m" if target == "3d" else "j"
        queries = self.motion_token if target == "3d" else self.joint_token
        pose = queries[: root.shape[1], 0].repeat(len(root), 1, 1)
        part = self.get_submodule
        layers, root_layers = (list(part(f"{n}_{s}").children()) for n in ("decoder", "r_decoder"))
        for i, layer in enumerate(layers):
            pose = layer(pose, memory[i])
            if i >= len(layers) - len(root_layers):
                root = root_layers[i - len(layers) + len(root_layers)](root, pose)
        return torch.cat([part(f"r_linear2_{s}")(root), part(f"p_linear2_{s}")(pose)], -1)


class TextTower(nn.Module):
    """A text encoder of CLIP ViT-B/32's size with random weights, frozen: its cost is its size."""

    def __init__(self) -> None:
        super().__init__()
        from transformers import CLIPTextConfig, CLIPTextModelWithProjection

        config = CLIPTextConfig(attn_implementation="eager")  # the defaults are ViT-B/32's
        self.vocabulary = config.vocab_size
        self.model = CLIPTextModelWithProjection(config).eval().requires_grad_(False)

    @torch.no_grad()
    def forward(self, tokens: Tensor) -> Tensor:
        """(B, CLIP_CONTEXT) token ids -> (B, 512)."""
        out: Tensor = self.model(input_ids=tokens).text_embeds
        return out
