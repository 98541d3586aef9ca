"""CrossDiff's network (Ren et al., ECCV 2024): two input dimensions, two outputs, one middle.

Module names follow the published checkpoint (`_m` is 3D motion, `_j` is 2D joints), so that
`official_state_dict_manifest` keys load as they are.
"""

from dataclasses import asdict, dataclass
from typing import Literal

import torch
from torch import Tensor, nn

Dim = Literal["3d", "2d"]
"""Which representation a path reads or writes."""
SUFFIX: dict[Dim, str] = {"3d": "m", "2d": "j"}
_NO_SIZES = ("dropout", "shared", "confidence_input")
"""Fields of `NetworkConfig` that may be zero."""
PER_JOINT_2D = 6
"""Numbers of a 2D row for each joint: place and bone direction of all but the root, and movement.
The four foot contacts stand for the root's."""
PE_TABLE_LENGTH = 5000
"""Rows of the sinusoidal table: longest sequence, and number of timesteps that can be embedded."""


@dataclass(frozen=True)
class NetworkConfig:
    """Sizes; the defaults are the paper's on HumanML3D."""

    width: int = 512
    feed_forward: int = 1024
    root_feed_forward: int = 512
    heads: int = 4
    private_layers: int = 4
    """Encoder layers of each input dimension's own."""
    shared_layers: int = 6
    """Layers both dimensions share; also the number of decoder layers of each output."""
    root_layers: int = 2
    dim3: int = 263
    dim2: int = 134
    root3: int = 4
    root2: int = 2
    text_dim: int = 512
    max_frames: int = 196
    dropout: float = 0.1
    shared: bool = True
    """False: each dimension has its own copy of the shared layers (an ablation of the paper)."""
    confidence_input: bool = False
    """Whether the 2D encoder is also told how sure each joint of its input is; not in the paper."""

    def __post_init__(self) -> None:
        small = [n for n, v in self.to_json().items() if v < 1 and n not in _NO_SIZES]
        if small or not 0.0 <= self.dropout < 1.0:
            raise ValueError(f"network sizes must be positive: {', '.join(small) or 'dropout'}")
        if self.width % self.heads or self.width % 2:
            raise ValueError(f"width {self.width} must be even and divide by heads {self.heads}")
        if self.root_layers > self.shared_layers:
            raise ValueError(
                f"root_layers {self.root_layers} must not exceed shared_layers {self.shared_layers}"
            )
        if self.confidence_input and (self.dim2 - self.root2) % PER_JOINT_2D:
            raise ValueError(f"confidence_input needs rows of joints, dim2 {self.dim2} is none")

    @property
    def joints(self) -> int:
        """Joints of the skeleton that 2D rows of `dim2` numbers are about."""
        return (self.dim2 - self.root2) // PER_JOINT_2D

    def to_json(self) -> dict[str, int | float]:
        """Plain values for a config file."""
        return asdict(self)


def sinusoidal_table(length: int, width: int) -> Tensor:
    """(length, width) transformer position table: sin on even columns, cos on odd."""
    position = torch.arange(length, dtype=torch.float32)[:, None]
    rate = torch.exp(torch.arange(0, width, 2).float() * (-torch.log(torch.tensor(1e4)) / width))
    table = torch.zeros(length, width)
    table[:, 0::2] = torch.sin(position * rate)
    table[:, 1::2] = torch.cos(position * rate)
    return table


class PositionTable(nn.Module):
    """Fixed sinusoids, added to tokens or looked up by timestep; not part of a checkpoint."""

    def __init__(self, width: int) -> None:
        super().__init__()
        table = sinusoidal_table(PE_TABLE_LENGTH, width)
        self.register_buffer("table", table, persistent=False)
        self.table: Tensor

    def forward(self, tokens: Tensor) -> Tensor:
        """Add positions 0..S-1 to (B, S, width)."""
        return tokens + self.table[: tokens.shape[1]]


class TimestepEmbedder(nn.Module):
    """Timesteps (B,) -> (B, width)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.time_embed = nn.Sequential(nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width))

    def forward(self, t: Tensor, table: Tensor) -> Tensor:
        """Look `t` up in the sinusoid table, then two linear layers."""
        out: Tensor = self.time_embed(table[t])
        return out


@dataclass(frozen=True)
class Encoded:
    """What the decoders attend to."""

    memory: tuple[Tensor, ...]
    """One (B, 1 + T, width) per shared layer; token 0 is the condition."""
    root: Tensor
    """(B, T, width) encoded root tokens, without the condition."""

    def join(self, other: "Encoded") -> "Encoded":
        """Stack two batches so that one decoder call serves both."""
        pairs = zip(self.memory, other.memory, strict=True)
        return Encoded(tuple(torch.cat(p) for p in pairs), torch.cat([self.root, other.root]))


def _encoder_layer(c: NetworkConfig, feed_forward: int) -> nn.TransformerEncoderLayer:
    return nn.TransformerEncoderLayer(
        c.width, c.heads, feed_forward, c.dropout, "gelu", batch_first=True
    )


def _encoder(c: NetworkConfig, layers: int, feed_forward: int) -> nn.TransformerEncoder:
    layer = _encoder_layer(c, feed_forward)
    return nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)


def _decoder_layers(c: NetworkConfig, layers: int, feed_forward: int) -> nn.ModuleList:
    return nn.ModuleList(
        nn.TransformerDecoderLayer(
            c.width, c.heads, feed_forward, c.dropout, "gelu", batch_first=True
        )
        for _ in range(layers)
    )


class CrossDiff(nn.Module):
    """Estimates the clean motion x0 from a noised one, from either dimension into either."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        c = self.config = config
        self.motion_token = nn.Parameter(torch.randn(c.max_frames, 1, c.width))
        self.joint_token = nn.Parameter(torch.randn(c.max_frames, 1, c.width))
        self.positions = PositionTable(c.width)
        self.embed_timestep = TimestepEmbedder(c.width)
        self.embed_text = nn.Linear(c.text_dim, c.width)
        for name in ("bridge",) if c.shared else ("bridge_m", "bridge_j"):
            layers = (_encoder_layer(c, c.feed_forward) for _ in range(c.shared_layers))
            self.add_module(name, nn.ModuleList(layers))
        for dim, width, root in (("m", c.dim3, c.root3), ("j", c.dim2, c.root2)):
            self.add_module(f"p_linear_{dim}", nn.Linear(width - root, c.width))
            self.add_module(f"p_linear2_{dim}", nn.Linear(c.width, width - root))
            self.add_module(f"r_linear_{dim}", nn.Linear(root, c.width))
            self.add_module(f"r_linear2_{dim}", nn.Linear(c.width, root))
            encoder = _encoder(c, c.private_layers, c.feed_forward)
            self.add_module(f"seqTransEncoder_{dim}", encoder)
            self.add_module(f"r_encoder_{dim}", _encoder(c, c.root_layers, c.root_feed_forward))
            self.add_module(f"decoder_{dim}", _decoder_layers(c, c.shared_layers, c.feed_forward))
            decoder = _decoder_layers(c, c.root_layers, c.root_feed_forward)
            self.add_module(f"r_decoder_{dim}", decoder)
        if c.confidence_input:  # last: the other weights are drawn as without it
            # Without a bias, and zero at first: an input that is sure changes nothing at all, and
            # a network that is extended goes on from exactly what it was.
            self.add_module("c_linear_j", nn.Linear(2 * c.joints, c.width, bias=False))
            nn.init.zeros_(self.get_parameter("c_linear_j.weight"))

    def _part(self, name: str, dim: Dim) -> nn.Module:
        return self.get_submodule(f"{name}_{SUFFIX[dim]}")

    def _bridge(self, dim: Dim) -> nn.Module:
        return self.get_submodule("bridge") if self.config.shared else self._part("bridge", dim)

    def own_parameters(self, dim: Dim) -> list[nn.Parameter]:
        """Parameters of the parts that only read or only write one dimension."""
        query = "motion_token" if dim == "3d" else "joint_token"
        return [
            parameter
            for name, parameter in self.named_parameters()
            if name == query or name.split(".")[0].endswith(f"_{SUFFIX[dim]}")
        ]

    def condition(self, t: Tensor, text: Tensor) -> Tensor:
        """(B, 1, width) token of timesteps (B,) and text embeddings (B, text_dim).

        Zeroed text is the unconditional case.
        """
        token: Tensor = self.embed_timestep(t, self.positions.table) + self.embed_text(text)
        return token[:, None]

    def _doubt(self, tokens: Tensor, source: Dim, confidence: Tensor | None) -> Tensor:
        """The pose tokens (B, T, width) with how sure each joint is added to them."""
        if confidence is None:
            return tokens
        if not self.config.confidence_input or source == "3d":
            raise ValueError("only the 2D input of a network with confidence_input has confidences")
        # Two numbers a joint, so that a joint that was not seen is told from one at zero.
        doubt = torch.cat([1.0 - confidence, (confidence == 0.0).to(confidence.dtype)], dim=-1)
        out: Tensor = tokens + self.get_submodule("c_linear_j")(doubt.to(tokens.dtype))
        return out

    def encode(
        self,
        x: Tensor,
        source: Dim,
        condition: Tensor,
        pad: Tensor | None = None,
        confidence: Tensor | None = None,
    ) -> Encoded:
        """Private and shared encoders over a normalised motion.

        Args:
            x: (B, T, D) of the source dimension.
            source: Which dimension `x` is.
            condition: (B, 1, width) from `condition`.
            pad: (B, T) True on frames beyond a clip's end; they are then not attended to.
                None attends everywhere, as the published network does.
            confidence: (B, T, J) in [0, 1] of the joints of a 2D `x`, 0 where a joint was not
                seen; None: all are sure.

        Raises:
            ValueError: Confidences, and the network or the source takes none.
        """
        n_root = self.config.root3 if source == "3d" else self.config.root2
        ignore = None if pad is None else nn.functional.pad(pad, (1, 0))
        tokens = self._doubt(self._part("p_linear", source)(x[..., n_root:]), source, confidence)
        pose = torch.cat([condition, tokens], dim=1)
        root = torch.cat([condition, self._part("r_linear", source)(x[..., :n_root])], dim=1)
        pose = self._part("seqTransEncoder", source)(
            self.positions(pose), src_key_padding_mask=ignore
        )
        root = self._part("r_encoder", source)(self.positions(root), src_key_padding_mask=ignore)
        memory = []
        for layer in self._bridge(source).children():
            pose = layer(pose, src_key_padding_mask=ignore)
            memory.append(pose)
        return Encoded(tuple(memory), root[:, 1:])

    def decode(self, encoded: Encoded, target: Dim, pad: Tensor | None = None) -> Tensor:
        """(B, T, D) estimate of the clean motion in the target dimension."""
        batch, frames, _ = encoded.root.shape
        queries = self.motion_token if target == "3d" else self.joint_token
        pose = queries[:frames, 0].expand(batch, -1, -1)  # learned per frame: no sinusoids added
        ignore = None if pad is None else nn.functional.pad(pad, (1, 0))
        root = encoded.root
        layers = list(self._part("decoder", target).children())
        root_layers = list(self._part("r_decoder", target).children())
        first_root = len(layers) - len(root_layers)
        for i, layer in enumerate(layers):
            pose = layer(
                pose, encoded.memory[i], tgt_key_padding_mask=pad, memory_key_padding_mask=ignore
            )
            if i >= first_root:
                root = root_layers[i - first_root](
                    root, pose, tgt_key_padding_mask=pad, memory_key_padding_mask=pad
                )
        return torch.cat(
            [self._part("r_linear2", target)(root), self._part("p_linear2", target)(pose)], dim=-1
        )

    def path(
        self,
        x: Tensor,
        source: Dim,
        target: Dim,
        t: Tensor,
        text: Tensor,
        *,
        pad: Tensor | None = None,
        confidence: Tensor | None = None,
    ) -> Tensor:
        """One path: (B, T, D source) at timestep t -> clean (B, T, D target).

        `confidence` (B, T, J) is that of a 2D source's joints, see `encode`.

        Raises:
            ValueError: More frames than the network was built for, or confidences that it does
                not take.
        """
        frames = x.shape[1]
        if frames > self.config.max_frames:
            raise ValueError(f"{frames} frames exceed the network's {self.config.max_frames}")
        encoded = self.encode(x, source, self.condition(t, text), pad, confidence)
        return self.decode(encoded, target, pad)

    def forward(
        self,
        x3d: Tensor,
        x2d: Tensor | None,
        t: Tensor,
        text: Tensor,
        pad: Tensor | None = None,
        confidence: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """Training's paths, keyed `3d->3d`, `2d->3d`, `3d->2d`, `2d->2d`.

        The two inputs share the condition and each decoder call. Without `x2d` (Stage II) only
        `3d->3d` is computed. `confidence` (B, T, J) is that of the joints of `x2d`.
        """
        token = self.condition(t, text)
        encoded = self.encode(x3d, "3d", token, pad)
        if x2d is None:
            return {"3d->3d": self.decode(encoded, "3d", pad)}
        both = encoded.join(self.encode(x2d, "2d", token, pad, confidence))
        pads = None if pad is None else torch.cat([pad, pad])
        from3_to3, from2_to3 = self.decode(both, "3d", pads).chunk(2)
        from3_to2, from2_to2 = self.decode(both, "2d", pads).chunk(2)
        return {
            "3d->3d": from3_to3,
            "2d->3d": from2_to3,
            "3d->2d": from3_to2,
            "2d->2d": from2_to2,
        }
