"""Captions of training motions: their tokens, and what they say in the mirror."""

import re

_SIDES = {"left": "right", "right": "left", "clockwise": "counterclockwise"}
_SIDE = re.compile(
    r"(?<![a-z])(left|right|(?:counter|anti)[- ]?clockwise|clockwise)"
    r"(?=(?:wards?|most|handed|hand|foot|arm|leg|side)?(?![a-z]))",
    re.IGNORECASE,
)
"""Words for a side, alone or before other parts of a word: `Left`, `left-handed`, `leftward`, but
not `leftover` or `upright`."""
_WORD = re.compile(r"[a-z0-9]+(?:'[a-z]+)?")
UNKNOWN_TAG = "OTHER"
"""Part of speech of a word that nobody tagged; one of the matching networks' fifteen tags."""


def swap_sides(text: str) -> str:
    """The caption of the mirrored motion: left and right change places."""
    return _SIDE.sub(_swapped, text)


def swap_token_sides(tokens: tuple[str, ...]) -> tuple[str, ...]:
    """The tokens (`word/POS`) of the mirrored motion's caption."""
    parts = [token.rpartition("/") for token in tokens]
    return tuple(f"{swap_sides(word)}{slash}{tag}" for word, slash, tag in parts)


def tokenise(text: str) -> tuple[str, ...]:
    """The caption's words in lower case as `word/OTHER`, the form of HumanML3D's text files.

    No tagger runs: the tag says that the part of speech is not known.
    """
    return tuple(f"{word}/{UNKNOWN_TAG}" for word in _WORD.findall(text.lower()))


def _swapped(found: re.Match[str]) -> str:
    word = found[0]
    other = _SIDES.get(word.lower(), "clockwise")  # counter-clockwise, anticlockwise, ...
    if word.isupper():
        return other.upper()
    return other.capitalize() if word[0].isupper() else other
