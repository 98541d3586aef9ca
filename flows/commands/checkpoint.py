"""`crossdiff checkpoint import` and `export`: the published weights' layout."""

from pathlib import Path

from tyro.conf import Positional

from flows.commands.outcome import Outcome


def import_official(weights: Positional[Path], /, out: Path, json: bool = False) -> Outcome:
    """Turn published weights (.pt) into a checkpoint folder.

    Args:
        weights: The published file.
        out: Checkpoint folder to write.
        json: Print one JSON object on stdout instead of text.
    """
    raise NotImplementedError


def export_official(checkpoint: Positional[Path], /, out: Path, json: bool = False) -> Outcome:
    """Write a checkpoint folder's weights in the published layout (.pt).

    Args:
        checkpoint: Checkpoint folder.
        out: The file to write.
        json: Print one JSON object on stdout instead of text.
    """
    raise NotImplementedError
