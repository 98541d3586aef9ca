"""`crossdiff generate`: a sentence to a motion."""

from pathlib import Path

from tyro.conf import Positional

from flows.commands.outcome import Outcome


def generate(text: Positional[tuple[str, ...]], /, out: Path, json: bool = False) -> Outcome:
    """Generate motions from sentences.

    Args:
        text: One or more sentences.
        out: Folder to write.
        json: Print one JSON object on stdout instead of text.
    """
    raise NotImplementedError
