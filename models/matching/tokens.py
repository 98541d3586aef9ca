"""Words and parts of speech as the published text encoder reads them (Guo et al. 2022)."""

from collections.abc import Sequence

VERB, NOUN, OTHER = "VERB", "NOUN", "OTHER"
TAGS = (
    VERB, NOUN, "DET", "ADP", "NUM", "AUX", "PRON", "ADJ", "ADV",
    "Loc_VIP", "Body_VIP", "Obj_VIP", "Act_VIP", "Desc_VIP", OTHER,
)  # fmt: skip
"""Places of the one-hot vector: parts of speech, then five lists of words that matter most."""
MOST_TOKENS = 20
"""Longer captions are cut."""
START, END, UNKNOWN = "sos", "eos", "unk"

_SPECIAL_WORDS = {
    "Loc_VIP": (
        "left right clockwise counterclockwise anticlockwise forward back backward up down "
        "straight curve"
    ),
    "Body_VIP": "arm chin foot feet face hand mouth leg waist eye knee shoulder thigh",
    "Obj_VIP": "stair dumbbell chair window floor car ball handrail baseball basketball",
    "Act_VIP": (
        "walk run swing pick bring kick put squat throw hop dance jump turn stumble stop sit lift "
        "lower raise wash stand kneel stroll rub bend balance flap jog shuffle lean rotate spin "
        "spread climb"
    ),
    "Desc_VIP": (
        "slowly carefully fast careful slow quickly happy angry sad happily angrily sadly"
    ),
}
"""The published lists: a word in one of them has its tag, whatever its part of speech."""
SPECIAL_TAG = {word: tag for tag, words in _SPECIAL_WORDS.items() for word in words.split()}


def split_token(token: str) -> tuple[str, str]:
    """Word and part of speech of `word/POS`; OTHER where none is given."""
    word, slash, tag = token.rpartition("/")
    return (word, tag) if slash else (token, OTHER)


def framed(tokens: Sequence[str]) -> list[tuple[str, str]]:
    """(word, tag) of a caption's first 20 tokens between the words for start and end."""
    inner = [split_token(token) for token in tokens[:MOST_TOKENS]]
    return [(START, OTHER), *inner, (END, OTHER)]


def tag_place(word: str, tag: str, *, known: bool) -> int:
    """Place of a word's tag in the one-hot vector.

    Args:
        word: The word.
        tag: Its part of speech.
        known: Whether the word has a vector; one that has none is tagged OTHER, as published.
    """
    if not known:
        return TAGS.index(OTHER)
    tag = SPECIAL_TAG.get(word, tag)
    return TAGS.index(tag if tag in TAGS else OTHER)
