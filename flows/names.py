"""Lists of names on the command line: with spaces or with commas between them."""

from collections.abc import Iterable


def split_names(given: Iterable[str]) -> tuple[str, ...]:
    """`["a,b", "c"]` -> `("a", "b", "c")`."""
    return tuple(name for part in given for name in part.replace(",", " ").split())
