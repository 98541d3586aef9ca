"""Captions of training motions: their tokens, and what they say in the mirror."""

import re

_SIDES = {"left": "right", "right": "left", "clockwise": "counterclockwise"}
_SIDES["counterclockwise"] = "clockwise"
_WORD = re.compile(r"[a-z0-9]+(?:'[a-z]+)?")
UNKNOWN_TAG = "OTHER"
"""Part of speech of a word that nobody tagged; one of the matching networks' fifteen tags."""


def swap_sides(text: str) -> str:
    """The caption of the mirrored motion: left and right change places."""
    return " ".join(_swap_word(word) for word in text.split(" "))


def swap_token_sides(tokens: tuple[str, ...]) -> tuple[str, ...]:
    """The tokens (`word/POS`) of the mirrored motion's caption."""
    parts = [token.rpartition("/") for token in tokens]
    return tuple(f"{_swap_word(word)}{slash}{tag}" for word, slash, tag in parts)


def tokenise(text: str) -> tuple[str, ...]:
    """The caption's words in lower case as `word/OTHER`, the form of HumanML3D's text files.

    No tagger runs: the tag says that the part of speech is not known.
    """
    return tuple(f"{word}/{UNKNOWN_TAG}" for word in _WORD.findall(text.lower()))


def _swap_word(word: str) -> str:
    core = word.strip(".,;:!?\"'")
    return word.replace(core, _SIDES[core]) if core in _SIDES else word
