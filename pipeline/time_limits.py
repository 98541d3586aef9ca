"""When work on videos is taken to hang: limits that slow machines and long videos stay within."""

from collections.abc import Iterable

FLOOR_S = 900.0
"""For loading models and waiting for a busy store (whose lock is given 600 s)."""
PER_CLIP_S = 120.0
"""For opening a file on a slow disk, with the decoder's own patience of 20 s and its restart."""
LEAST_BYTES_PER_S = 50_000.0
"""Of video; 0.4 Mbit/s is less than nearly all files have. A video's length is not known before it
is decoded, its size bounds it."""
WORK_PER_VIDEO_S = 10.0
"""Seconds of work a second of video: 1.3 measured on one core with the packaged estimator, 3 with
RTMPose-m; the rest is for machines that do other things too."""


def shard_limit_s(sizes: Iterable[int]) -> float:
    """Seconds after which a shard of files of these sizes (bytes) is taken to hang."""
    return FLOOR_S + sum(PER_CLIP_S + size / LEAST_BYTES_PER_S * WORK_PER_VIDEO_S for size in sizes)


def percent(done: int, of: int) -> float:
    """Progress between 0 and 100; nothing to do is done."""
    return 100.0 if of <= 0 else min(100.0, 100.0 * done / of)
