"""Labelling the people of one clip on a thread of its own, while the next clip is looked at."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import TypeVar

import torch

from pipeline.read_ahead import LOOK_S

Key = TypeVar("Key")
Made = TypeVar("Made")
Work = Callable[[], Made]

BEHIND = 1
"""Clips whose labels may be under way while the next one is looked at: memory of two, not more."""


def worked_beside(items: Iterable[tuple[Key, Work[Made]]]) -> Iterator[tuple[Key, Made]]:
    """Do each item's work on one thread while the next item is made; in order, nothing is lost.

    The thread has as many threads for its arithmetic as the caller, so that the same work gives
    the same bits on either. An error of a work is raised where its answer would have come. Who
    stops early waits for the one work under way: seconds, as a label takes.

    Args:
        items: A key and the work, made one by one; making them is what the work runs beside.

    Yields:
        The key and what its work gave.
    """
    pool = ThreadPoolExecutor(
        1, "label", initializer=torch.set_num_threads, initargs=(torch.get_num_threads(),)
    )
    under_way: deque[tuple[Key, Future[Made]]] = deque()
    try:
        for key, work in items:
            under_way.append((key, pool.submit(work)))
            if len(under_way) > BEHIND:
                yield _finished(under_way)
        while under_way:
            yield _finished(under_way)
    finally:
        pool.shutdown(cancel_futures=True)


def _finished(under_way: deque[tuple[Key, Future[Made]]]) -> tuple[Key, Made]:
    key, future = under_way.popleft()
    # In pieces: an alarm set for a worker's thread arrives between them.
    while not wait([future], LOOK_S).done:
        continue
    return key, future.result()
