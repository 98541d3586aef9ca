"""Fixed assignments by content: train/val/test splits, and shards of a list."""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TypeVar

TEST_SHARE = 0.1
VAL_SHARE = 0.1
_BUCKETS = 10_000
SHARD_S = 180.0
"""Work in a shard on a cluster: sending and committing it then cost less than a hundredth."""
SHARD_BYTES = 256 * 1024 * 1024
"""Of video files in a shard: an hour at 0.6 Mbit/s, two minutes at a phone's 17."""

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


def splits_of(
    keys: Sequence[str], told: Mapping[str, str], usable: Callable[[str], bool]
) -> dict[str, str]:
    """`split_of` each key, but of a few keys one is in `train` and one in `val`: training needs it.

    When none falls into one of them by itself, a key that its own split can spare moves there. A
    single key is in `train`.

    Args:
        keys: What to assign.
        told: Key -> the split that somebody chose for it; such a key never moves.
        usable: Whether a key will have a motion; asked of as few keys as need be.
    """
    out = {key: told.get(key) or split_of(key) for key in keys}

    def other_in(split: str, key: str) -> bool:
        return any(out[k] == split and k != key and usable(k) for k in keys)

    for wanted in ("train", "val"):
        if other_in(wanted, ""):
            continue
        free = (key for key in keys if not told.get(key) and out[key] != wanted)
        for key in sorted(free, key=lambda key: _rank(out[key], key)):
            if usable(key) and (out[key] != "train" or other_in("train", key)):
                out[key] = wanted
                break
    return out


def _rank(split: str, key: str) -> tuple[bool, float]:
    """Keys of `test` move last: the others are seen while training in any case."""
    return split == "test", _place(key)


def shards(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """Consecutive pieces of at most `size` items.

    Raises:
        ValueError: `size` is not positive.
    """
    if size < 1:
        raise ValueError(f"a shard holds at least one clip, got --shard-size {size}")
    for start in range(0, len(items), size):
        yield items[start : start + size]


def shards_by_weight(
    items: Sequence[T], size: int, weigh: Callable[[T], float], most: float
) -> Iterator[Sequence[T]]:
    """The same, but a piece also ends before its weight exceeds `most`; one item always fits.

    Args:
        items: To be cut up, in their order.
        size: Items in a piece at most.
        weigh: An item's weight.
        most: Of a piece of several items.

    Raises:
        ValueError: `size` is not positive.
    """
    for piece in shards(items, size):
        first, weight = 0, 0.0
        for place, item in enumerate(piece):
            more = weigh(item)
            if place > first and weight + more > most:
                yield piece[first:place]
                first, weight = place, 0.0
            weight += more
        yield piece[first:]


def clips_per_shard(clips: int, workers: int, seconds_per_clip: float) -> int:
    """Shards of about `SHARD_S` seconds, but no fewer of them than there are workers.

    Args:
        clips: To be done in all.
        workers: Shards that can run at the same time.
        seconds_per_clip: Of one worker.

    Raises:
        ValueError: An argument is not positive.
    """
    if clips < 1 or workers < 1 or not seconds_per_clip > 0:
        raise ValueError(f"{clips} clips, {workers} workers, {seconds_per_clip} s per clip")
    return max(1, min(int(SHARD_S / seconds_per_clip), clips // workers))
