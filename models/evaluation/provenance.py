"""Where the networks come from that scores are computed with, as far as that is known."""

from collections.abc import Mapping

from models.matching.body_parts import Part
from models.matching.evaluator import Evaluator
from models.matching.networks import MatchingSizes
from models.matching.word_vectors import GLOVE


def imported_networks(evaluators: Mapping[Part, Evaluator]) -> dict[str, str]:
    """File and SHA-256 of each part's networks, where all may be the published ones.

    They may be where each was imported, reads words and has the published sizes. Nothing verifies
    that the weights are: the published files' hashes are not known here.

    Args:
        evaluators: By part.

    Returns:
        By part; empty where any of them cannot be a published one.
    """
    if not all(_may_be_published(each) for each in evaluators.values()):
        return {}
    return {part: str(each.about["imported_from"]) for part, each in evaluators.items()}


def _may_be_published(evaluator: Evaluator) -> bool:
    imported = evaluator.text_source == GLOVE and bool(evaluator.about.get("imported_from"))
    return imported and evaluator.network.sizes == MatchingSizes()


def networks_differ(evaluators: Mapping[Part, Evaluator]) -> str:
    """In what the evaluators are, or may be, other than the published networks."""
    imported = imported_networks(evaluators)
    if imported:
        files = ", ".join(f"{part}: {file}" for part, file in imported.items())
        return f"evaluators imported from files that are not verified ({files})"
    ids = ", ".join(each.evaluator_id for each in evaluators.values())
    return f"evaluators that are not the published networks ({ids})"
