"""The networks that scores are computed with: one set a body part, each in its folder.

A part's folder holds `model.safetensors`, `stats.safetensors`, `config.json`, with GloVe also
`words.safetensors`, and a card for people.
"""

from collections.abc import Mapping
from pathlib import Path

import torch

from models.checkpoint_id import CONFIG_FILE
from models.matching.body_parts import PARTS, Part
from models.matching.embedding import Evaluator, EvaluatorError
from models.matching.evaluator_files import load_evaluator
from models.matching.text_inputs import CaptionText

__all__ = [
    "PARTS",
    "SHIPPED_EVALUATORS",
    "CaptionText",
    "Evaluator",
    "EvaluatorError",
    "Part",
    "load_evaluators",
]

SHIPPED_EVALUATORS = Path(__file__).parent.parent / "weights" / "evaluators"
"""The evaluators that come with the package, trained on our motion capture."""


def load_evaluators(folder: Path, device: torch.device | str = "cpu") -> Mapping[Part, Evaluator]:
    """The evaluators in the subfolders `all`, `upper` and `lower`, those that are there.

    Args:
        folder: Holds them.
        device: Where they embed.

    Raises:
        EvaluatorError: `all` is not there, a folder is damaged, or they do not belong together.
    """
    there = [part for part in PARTS if (folder / part / CONFIG_FILE).is_file()]
    if "all" not in there:
        raise EvaluatorError(
            f"no evaluator in {folder}: give a folder with {folder.name}/all that `crossdiff "
            "evaluator train` or `evaluator import` wrote"
        )
    found: dict[Part, Evaluator] = {part: load_evaluator(folder / part) for part in there}
    _check_together(found, folder)
    for evaluator in found.values():
        evaluator.network.to(device)
    return found


def _check_together(found: Mapping[Part, Evaluator], folder: Path) -> None:
    whole = found["all"]
    if whole.reader is None:
        raise EvaluatorError(
            f"{folder / 'all'} has no word vectors: import it again with --glove and the folder "
            "of GloVe vectors"
        )
    for part, other in found.items():
        if other.part != part:
            raise EvaluatorError(
                f"{folder / part} holds the evaluator of '{other.part}': rename the folder"
            )
        if other.skeleton.name != whole.skeleton.name:
            raise EvaluatorError(
                f"{folder / part} is for {other.skeleton.name}, {folder / 'all'} for "
                f"{whole.skeleton.name}: keep evaluators of one skeleton in a folder"
            )
        if other.text_source != whole.text_source:
            raise EvaluatorError(
                f"{folder / part} reads text through {other.text_source}, {folder / 'all'} "
                f"through {whole.text_source}: their scores never mix, keep them in two folders"
            )
