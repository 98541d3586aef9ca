"""Fixed assignments by content: train/val/test splits, and shards of a list."""

import hashlib
from collections.abc import Iterator, Sequence
from typing import TypeVar

TEST_SHARE = 0.1
VAL_SHARE = 0.1
_BUCKETS = 10_000

T = TypeVar("T")


def split_of(key: str) -> str:
    """`train`, `val` or `test`, always the same for the same key.

    Give clips that were cut from one recording the same key, so that a test clip never shares its
    scene with a training clip.
    """
    place = _place(key)
    if place < TEST_SHARE:
        return "test"
    return "val" if place < TEST_SHARE + VAL_SHARE else "train"


def _place(key: str) -> float:
    """The key's fixed place in 0..1, where test comes first, then val, then train."""
    digest = hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()
    return int(digest, 16) % _BUCKETS / _BUCKETS


def splits_of(keys: Sequence[str]) -> dict[str, str]:
    """`split_of` each key, but of a few keys one is in `val`: training measures itself on it.

    When none falls there by itself, the first one of `train` moves; a single key stays alone.
    """
    out = {key: split_of(key) for key in keys}
    in_train = [key for key in keys if out[key] == "train"]
    if "val" not in out.values() and len(in_train) > 1:
        out[min(in_train, key=_place)] = "val"
    return out


def shards(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """Consecutive pieces of at most `size` items.

    Raises:
        ValueError: `size` is not positive.
    """
    if size < 1:
        raise ValueError(f"a shard holds at least one clip, got --shard-size {size}")
    for start in range(0, len(items), size):
        yield items[start : start + size]
