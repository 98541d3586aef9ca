"""Small matching networks and motions with captions, for tests that need any."""

from dataclasses import replace

import numpy as np
import torch
from synthetic_motion import random_motions

from models.data.motion import Motion
from models.matching.body_parts import Part
from models.matching.evaluator import Evaluator
from models.matching.matching_data import row_scale
from models.matching.networks import MatchingNetwork, MatchingSizes
from models.matching.text_inputs import SentenceReader, TextReader
from models.matching.word_vectors import WordReader
from pipeline.skeletons import HUMANML3D, Skeleton

SIZES = MatchingSizes(
    movement_hidden=12, movement=10, motion_hidden=16, text_hidden=14, embedding=8
)
TEXT_WIDTH = 8
ENCODER = "hashed-1"


def captioned_motions(lengths: list[int], split: str = "train") -> list[Motion]:
    """Motions that each have two captions of their own, the first two share theirs."""
    motions = []
    for i, motion in enumerate(random_motions([*lengths, 30], TEXT_WIDTH, split)[:-1]):
        number = max(i, 1)
        captions = (f"a person does thing {number}", f"somebody does thing {number}")
        tokens = tuple(tuple(f"{word}/OTHER" for word in c.split()) for c in captions)
        motions.append(replace(motion, motion_id=f"{split}{i}", captions=captions, tokens=tokens))
    return motions


def tiny_evaluator(
    part: Part = "all",
    skeleton: Skeleton = HUMANML3D,
    reader: TextReader | None = None,
    seed: int = 0,
) -> Evaluator:
    """An untrained evaluator; text through embeddings of width 8 unless a reader is given."""
    torch.manual_seed(seed)
    reader = reader or SentenceReader(ENCODER, TEXT_WIDTH)
    rng = np.random.default_rng(seed)
    mean = rng.normal(size=skeleton.dim3).astype(np.float32)
    std = rng.uniform(0.5, 2.0, skeleton.dim3).astype(np.float32)
    scale = row_scale(mean, std, skeleton, part, 5.0)
    width = None if isinstance(reader, WordReader) else TEXT_WIDTH
    network = MatchingNetwork(SIZES, len(scale.columns), width).eval()
    return Evaluator(part, skeleton, "", reader.source, network, scale, reader, {"step": 0})
