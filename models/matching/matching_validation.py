"""How well matching networks find the motion of a caption, on a split they did not see."""

from collections.abc import Sequence

import numpy as np
import torch

from models.evaluation.metrics import POOL, r_precision
from models.matching.matching_data import MatchingSet, RowScale, padded_rows
from models.matching.networks import MatchingNetwork
from models.matching.text_inputs import CaptionText, TextReader
from pipeline.arrays import Float32

BATCH = 64
ROUNDS = 5
"""Draws of captions and pools over which validation scores are averaged: one is noisy."""


def embed_rows(network: MatchingNetwork, rows: Sequence[Float32], scale: RowScale) -> Float32:
    """(N, E) embeddings of motions, each by its first rows; one batch holds like lengths.

    Args:
        network: In eval mode.
        rows: (T, D3) each, T >= 4, not normalised.
        scale: Normalisation and features.
    """
    out = np.zeros((len(rows), network.sizes.embedding), np.float32)
    order = np.argsort([len(r) for r in rows], kind="stable")
    for start in range(0, len(rows), BATCH):
        places = order[start : start + BATCH]
        padded, lengths = padded_rows([rows[i] for i in places], scale)
        with torch.inference_mode():
            out[places] = network.embed_rows(padded.to(network.device), lengths).cpu().numpy()
    return out


def embed_captions(
    network: MatchingNetwork, texts: Sequence[CaptionText], reader: TextReader
) -> Float32:
    """(N, E) embeddings of captions.

    Args:
        network: In eval mode.
        texts: The captions.
        reader: Of the network's text tower.

    Raises:
        ValueError: A caption lacks what the tower reads.
    """
    out = np.zeros((len(texts), network.sizes.embedding), np.float32)
    for start in range(0, len(texts), BATCH):
        inputs = reader.read(texts[start : start + BATCH])
        with torch.inference_mode():
            told = network.text_encoder(*(part.to(network.device) for part in inputs))
            out[start : start + BATCH] = told.cpu().numpy()
    return out


def validation_recall(
    network: MatchingNetwork, data: MatchingSet, scale: RowScale, reader: TextReader, seed: int = 1
) -> tuple[float, ...]:
    """R-Precision 1 to 3, mean over some draws of captions and pools.

    Args:
        network: Left in eval mode.
        data: Motions with captions; with fewer than a pool of 32 one pool holds all.
        scale: Normalisation and features.
        reader: Of the text tower.
        seed: Of the draws.
    """
    network.eval()
    motions = embed_rows(network, data.rows, scale)
    texts = embed_captions(network, [text for each in data.captions for text in each], reader)
    counts = np.asarray([len(each) for each in data.captions])
    starts = np.cumsum(counts) - counts
    rng, found = np.random.default_rng(seed), []
    for _ in range(ROUNDS):
        own, order = starts + rng.integers(counts), rng.permutation(len(data))
        pool = min(POOL, len(data))
        found.append(r_precision(texts[own][order], motions[order], pool).top)
    return tuple(float(value) for value in np.mean(found, axis=0))
