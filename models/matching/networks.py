"""The text-motion matching networks of Guo et al. (2022), with the published tensor names.

Motions go through a convolution that makes one movement vector of four frames, and a bidirectional
GRU over these; texts through a bidirectional GRU over words. Both end in one common space.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence

UNIT_ROWS = 4
"""Rows that become one movement: two convolutions of stride two."""
MOST_ROWS = 196
"""Longest motion that the networks see, in rows; what is longer is cut (Guo et al. 2022)."""
DROPOUT = 0.2
SLOPE = 0.2
"""Of LeakyReLU, everywhere."""


@dataclass(frozen=True)
class MatchingSizes:
    """Widths of the networks; the published ones by default."""

    movement_hidden: int = 512
    movement: int = 512
    """Numbers in a movement vector."""
    motion_hidden: int = 1024
    text_hidden: int = 512
    embedding: int = 512
    """Numbers in a motion's or a text's embedding."""
    word: int = 300
    tags: int = 15

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if value < 1:
                raise ValueError(f"{name} must be at least 1, got {value}")


def sizes_of(state: Mapping[str, Tensor]) -> MatchingSizes:
    """Widths from the shapes of `movement_encoder.`, `motion_encoder.` and `text_encoder.`.

    Raises:
        KeyError: A tensor that tells a width is missing.
    """
    return MatchingSizes(
        movement_hidden=len(state["movement_encoder.main.0.weight"]),
        movement=len(state["movement_encoder.out_net.weight"]),
        motion_hidden=len(state["motion_encoder.input_emb.weight"]),
        text_hidden=len(state["text_encoder.input_emb.weight"]),
        embedding=len(state["motion_encoder.output_net.3.weight"]),
        word=len(state["text_encoder.pos_emb.weight"]),
        tags=state["text_encoder.pos_emb.weight"].shape[1],
    )


class MovementConvEncoder(nn.Module):
    """Rows to movements: four frames become one vector."""

    def __init__(self, features: int, hidden: int, movement: int) -> None:
        super().__init__()
        self.main = nn.Sequential(
            nn.Conv1d(features, hidden, kernel_size=4, stride=2, padding=1),
            nn.Dropout(DROPOUT),
            nn.LeakyReLU(SLOPE),
            nn.Conv1d(hidden, movement, kernel_size=4, stride=2, padding=1),
            nn.Dropout(DROPOUT),
            nn.LeakyReLU(SLOPE),
        )
        self.out_net = nn.Linear(movement, movement)
        self.apply(_start)

    def forward(self, rows: Tensor) -> Tensor:
        """(B, T, features) normalised, T a multiple of 4, to (B, T // 4, movement)."""
        out: Tensor = self.out_net(self.main(rows.transpose(1, 2)).transpose(1, 2))
        return out


class MovementConvDecoder(nn.Module):
    """Movements back to rows; only the training of the encoder needs it."""

    def __init__(self, movement: int, hidden: int, features: int) -> None:
        super().__init__()
        self.main = nn.Sequential(
            nn.ConvTranspose1d(movement, hidden, kernel_size=4, stride=2, padding=1),
            nn.LeakyReLU(SLOPE),
            nn.ConvTranspose1d(hidden, features, kernel_size=4, stride=2, padding=1),
            nn.LeakyReLU(SLOPE),
        )
        self.out_net = nn.Linear(features, features)
        self.apply(_start)

    def forward(self, movements: Tensor) -> Tensor:
        """(B, M, movement) to (B, 4 M, features)."""
        out: Tensor = self.out_net(self.main(movements.transpose(1, 2)).transpose(1, 2))
        return out


class MotionEncoderBiGRUCo(nn.Module):
    """Movements to a motion's embedding."""

    def __init__(self, movement: int, hidden: int, embedding: int) -> None:
        super().__init__()
        self.input_emb = nn.Linear(movement, hidden)
        self.gru = nn.GRU(hidden, hidden, batch_first=True, bidirectional=True)
        self.output_net = _output_net(hidden, embedding)
        self.hidden = nn.Parameter(torch.randn(2, 1, hidden))
        self.input_emb.apply(_start)
        self.output_net.apply(_start)

    def forward(self, movements: Tensor, lengths: Tensor) -> Tensor:
        """(B, M, movement) with (B,) movements that count, in any order, to (B, embedding)."""
        return _read(self.input_emb(movements), lengths, self.gru, self.hidden, self.output_net)


class TextEncoderBiGRUCo(nn.Module):
    """Words with parts of speech to a text's embedding."""

    def __init__(self, word: int, tags: int, hidden: int, embedding: int) -> None:
        super().__init__()
        self.pos_emb = nn.Linear(tags, word)
        self.input_emb = nn.Linear(word, hidden)
        self.gru = nn.GRU(hidden, hidden, batch_first=True, bidirectional=True)
        self.output_net = _output_net(hidden, embedding)
        self.hidden = nn.Parameter(torch.randn(2, 1, hidden))
        for part in (self.pos_emb, self.input_emb, self.output_net):
            part.apply(_start)

    def forward(self, words: Tensor, tags: Tensor, lengths: Tensor) -> Tensor:
        """(B, L, word) vectors and (B, L, tags) one-hot, (B,) words that count, to (B, E)."""
        inputs = self.input_emb(words + self.pos_emb(tags))
        return _read(inputs, lengths, self.gru, self.hidden, self.output_net)


class SentenceEncoder(nn.Module):
    """A sentence encoder's vector to a text's embedding, where there are no word vectors.

    Not in the paper: scores of networks with this tower compare only with each other.
    """

    def __init__(self, sentence: int, hidden: int, embedding: int) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(sentence, hidden),
            nn.LayerNorm(hidden),
            nn.LeakyReLU(SLOPE),
            nn.Dropout(DROPOUT),
            nn.Linear(hidden, embedding),
        )
        self.apply(_start)

    def forward(self, sentences: Tensor) -> Tensor:
        """(B, sentence) to (B, embedding)."""
        out: Tensor = self.net(sentences)
        return out


class MatchingNetwork(nn.Module):
    """The three networks of one body part as one module; names begin with the published keys."""

    def __init__(self, sizes: MatchingSizes, features: int, sentence: int | None = None) -> None:
        """Make the networks.

        Args:
            sizes: Widths.
            features: Numbers of a row that the part sees.
            sentence: Width of sentence embeddings; None: words, as published.
        """
        super().__init__()
        self.sizes, self.features, self.sentence = sizes, features, sentence
        self.movement_encoder = MovementConvEncoder(features, sizes.movement_hidden, sizes.movement)
        self.motion_encoder = MotionEncoderBiGRUCo(
            sizes.movement, sizes.motion_hidden, sizes.embedding
        )
        self.text_encoder: TextEncoderBiGRUCo | SentenceEncoder
        if sentence is None:
            self.text_encoder = TextEncoderBiGRUCo(
                sizes.word, sizes.tags, sizes.text_hidden, sizes.embedding
            )
        else:
            self.text_encoder = SentenceEncoder(sentence, sizes.text_hidden, sizes.embedding)

    @property
    def device(self) -> torch.device:
        """Where the networks lie."""
        return self.movement_encoder.out_net.weight.device

    def embed_rows(self, rows: Tensor, lengths: Tensor) -> Tensor:
        """Motion embeddings.

        Args:
            rows: (B, T, features) normalised, zero beyond each motion's end, T a multiple of 4.
            lengths: (B,) rows that count, multiples of 4.
        """
        movements = self.movement_encoder(rows)
        out: Tensor = self.motion_encoder(movements, lengths // UNIT_ROWS)
        return out


def _output_net(hidden: int, embedding: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(2 * hidden, hidden),
        nn.LayerNorm(hidden),
        nn.LeakyReLU(SLOPE),
        nn.Linear(hidden, embedding),
    )


def _read(
    inputs: Tensor, lengths: Tensor, gru: nn.GRU, hidden: Tensor, output_net: nn.Sequential
) -> Tensor:
    """Both directions' last states of a GRU that starts from a learnt one, then the output net."""
    start = hidden.expand(-1, len(inputs), -1).contiguous()
    packed = pack_padded_sequence(inputs, lengths.cpu(), batch_first=True, enforce_sorted=False)
    _, last = gru(packed, start)
    out: Tensor = output_net(torch.cat([last[0], last[1]], dim=-1))
    return out


def _start(module: nn.Module) -> None:
    """The published start: Xavier weights, zero biases; GRUs keep PyTorch's own."""
    if isinstance(module, nn.Linear | nn.Conv1d | nn.ConvTranspose1d):
        nn.init.xavier_normal_(module.weight)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
