"""CLIP's text tower (Radford et al. 2021) from the user's own weights, as the paper uses it.

OpenAI's class computes it whatever the weights' format was, and the encoder's name comes from
the numbers alone: the same weights give the same embeddings and the same name.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from models.text.clip_package import clip_module, clip_vocabulary
from models.text.clip_weights import HEAD_WIDTH, WANTED, count_layers, is_text, read_text_tower
from models.text.text_encoder import CLIP_OF_THE_PAPER
from models.weight_files import WeightFileError, name_some
from pipeline.arrays import Float32

WORD_TOKENS = 20
CONTEXT = WORD_TOKENS + 2
"""Start, 20 tokens, end. The published code pads to 77 with zeros; attention is causal and the
embedding is taken at the end token, so that what follows it changes nothing and is left out."""
HASH_DIGITS = 12
_BATCH = 64
_START, _END = "<|startoftext|>", "<|endoftext|>"
_MATRICES = ("text_projection", "positional_embedding", "token_embedding.weight")


@dataclass(frozen=True)
class ClipText:
    """CLIP's sentence embeddings, not normalised."""

    encoder_id: str
    """`clip-text-<width>-<12 hex of the text tower's numbers>`"""
    width: int
    tower: nn.Module
    """OpenAI's CLIP."""
    device: torch.device

    def encode(self, sentences: Sequence[str]) -> Float32:
        """(n, width) embeddings, as CLIP's `encode_text` gives them."""
        out = np.zeros((len(sentences), self.width), np.float32)
        for first in range(0, len(sentences), _BATCH):
            tokens = tokenise(sentences[first : first + _BATCH]).to(self.device)
            with torch.inference_mode():
                vectors: Tensor = self.tower.encode_text(tokens)  # type: ignore[operator]
            out[first : first + _BATCH] = vectors.cpu().numpy()
        return out


def tokenise(sentences: Sequence[str]) -> Tensor:
    """(n, 22) CLIP's token numbers: start, at most 20, end, zeros."""
    vocabulary = clip_vocabulary()
    out = torch.zeros(len(sentences), CONTEXT, dtype=torch.long)
    for row, sentence in zip(out, sentences, strict=True):
        words = vocabulary.encode(sentence)[:WORD_TOKENS]
        ids = [vocabulary.encoder[_START], *words, vocabulary.encoder[_END]]
        row[: len(ids)] = torch.tensor(ids)
    return out


def load_clip_text(path: Path, device: str = "cpu") -> ClipText:
    """Load a CLIP from a file or a folder; see `clip_weights.read_text_tower` for the formats.

    Args:
        path: File or folder.
        device: Where to compute.

    Raises:
        WeightFileError: Not a CLIP, damaged, or one that this code would compute wrongly.
    """
    state = read_text_tower(path)
    tower = _build_tower(state, path).to(device)
    width = int(state["text_projection"].shape[1])
    encoder_id = f"{CLIP_OF_THE_PAPER}-{width}-{_hash(state)}"
    return ClipText(encoder_id, width, tower, torch.device(device))


def _build_tower(state: dict[str, Tensor], file: Path) -> nn.Module:
    """OpenAI's CLIP with an image tower of no layers, and the context cut to what is used."""
    missing = [name for name in _MATRICES if name not in state or state[name].ndim != 2]
    if missing:
        raise WeightFileError(f"{file} is not a CLIP (no matrix {name_some(missing)}); {WANTED}")
    width, embedding = state["text_projection"].shape
    words, positions = len(state["token_embedding.weight"]), len(state["positional_embedding"])
    vocabulary = len(clip_vocabulary().encoder)
    if words != vocabulary or width % HEAD_WIDTH or positions < CONTEXT:
        raise WeightFileError(
            f"{file} is a CLIP of {words} words, width {width} and {positions} positions, not "
            f"{vocabulary}, a multiple of {HEAD_WIDTH} and at least {CONTEXT}; {WANTED}"
        )
    image = {"image_resolution": 1, "vision_layers": 0, "vision_width": HEAD_WIDTH}
    tower: nn.Module = clip_module("model").CLIP(
        embed_dim=embedding,
        **image,
        vision_patch_size=1,
        context_length=CONTEXT,
        vocab_size=words,
        transformer_width=width,
        transformer_heads=width // HEAD_WIDTH,
        transformer_layers=count_layers(state, "transformer.resblocks."),
    )
    _fill(tower, state | {"positional_embedding": state["positional_embedding"][:CONTEXT]}, file)
    return tower.train(mode=False).requires_grad_(requires_grad=False)


def _fill(tower: nn.Module, state: dict[str, Tensor], file: Path) -> None:
    wanted = {n: v for n, v in tower.state_dict().items() if is_text(n)}
    wrong = [n for n in wanted if n not in state or state[n].shape != wanted[n].shape]
    wrong += [n for n in state if n not in wanted]
    if wrong:
        raise WeightFileError(
            f"{file} is not a whole CLIP ({name_some(wrong)} missing, unknown or of another "
            f"shape); {WANTED}"
        )
    broken = [n for n, v in state.items() if not bool(v.isfinite().all())]
    if broken:
        raise WeightFileError(f"{file}: {broken[0]} holds values that are not finite")
    tower.load_state_dict(state, strict=False)  # the image tower stays as it was made, unused


def _hash(state: dict[str, Tensor]) -> str:
    digest = hashlib.sha256()
    for name in sorted(state):
        digest.update(f"{name}{tuple(state[name].shape)}".encode())
        digest.update(state[name].contiguous().numpy().tobytes())
    return digest.hexdigest()[:HASH_DIGITS]
