"""Untrained matching networks as folders on disk."""

from dataclasses import replace
from pathlib import Path

from tiny_evaluators import SIZES, TEXT_WIDTH, tiny_evaluator

from models.matching.body_parts import PARTS, Part
from models.matching.evaluator_files import save_evaluator
from models.matching.networks import MatchingNetwork, MatchingSizes
from models.matching.text_inputs import SentenceReader
from pipeline.skeletons import HUMANML3D, Skeleton


def save_evaluators(
    folder: Path,
    source: str,
    *,
    skeleton: Skeleton = HUMANML3D,
    sizes: MatchingSizes = SIZES,
    parts: tuple[Part, ...] = PARTS,
) -> Path:
    """Folders all/, upper/ and lower/ that read a sentence encoder's embeddings of width 8."""
    reader = SentenceReader(source, TEXT_WIDTH)
    for seed, part in enumerate(parts):
        made = tiny_evaluator(part, skeleton, reader, seed)
        network = MatchingNetwork(sizes, len(made.scale.columns), TEXT_WIDTH).eval()
        save_evaluator(replace(made, network=network), folder / part)
    return folder
