"""Texts from files and people inside Markdown."""

import html


def as_text(text: str) -> str:
    """A text that stays text: no tag, no cell, no link of its own."""
    plain = html.escape(" ".join(text.split()), quote=False)
    for letter in "\\`*_[]|":
        plain = plain.replace(letter, f"\\{letter}")
    return plain
