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
    bucket = int(hashlib.sha256(key.encode()).hexdigest(), 16) % _BUCKETS / _BUCKETS
    if bucket < TEST_SHARE:
        return "test"
    return "val" if bucket < TEST_SHARE + VAL_SHARE else "train"


def shards(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """Consecutive pieces of at most `size` items.

    Raises:
        ValueError: `size` is not positive.
    """
    if size < 1:
        raise ValueError(f"a shard holds at least one clip, got --shard-size {size}")
    for start in range(0, len(items), size):
        yield items[start : start + size]
