"""Making the next items while the last ones are used: a stage of a stream on a core of its own."""

import queue
import threading
from collections.abc import Generator, Iterable
from typing import TypeVar

Item = TypeVar("Item")

AHEAD = 4
"""Items that wait at most: enough to even out a slow one, few enough for frames of any size."""
LOOK_S = 0.5
"""How often a side that waits looks whether the other has left."""


def read_ahead(items: Iterable[Item], ahead: int = AHEAD) -> Generator[Item, None, None]:
    """The items, made by a thread that stays a few in front of whoever takes them.

    Order and items are the same as without, and so is an error: it is raised where its item would
    have come. Whoever stops early (or raises) stops the thread too; it has ended when this
    generator is closed, so that what `items` rests on can be closed after it.

    Args:
        items: Made one by one; their work is only done beside the taker's where it lets the
            interpreter go, as OpenCV and NumPy do.
        ahead: How many may wait, 1 or more.

    Raises:
        ValueError: `ahead` is less than 1.
    """
    if ahead < 1:
        raise ValueError(f"ahead must be 1 or more, got {ahead}")
    handed: queue.Queue[tuple[Item | None, BaseException | None]] = queue.Queue(ahead)
    left = threading.Event()
    maker = threading.Thread(target=_make, args=(items, handed, left), daemon=True)
    maker.start()
    try:
        while True:
            item, ended = _taken(handed)
            if isinstance(ended, StopIteration):
                return
            if ended is not None:
                raise ended
            yield item  # type: ignore[misc] # without an end there is an item, which may be None
    finally:
        left.set()
        maker.join()


def _make(
    items: Iterable[Item],
    handed: "queue.Queue[tuple[Item | None, BaseException | None]]",
    left: threading.Event,
) -> None:
    try:
        for item in items:
            if not _put(handed, (item, None), left):
                return
        ended: BaseException = StopIteration()
    except BaseException as error:  # noqa: BLE001 - it is raised again by the taker
        ended = error
    _put(handed, (None, ended), left)


def _put(
    handed: "queue.Queue[tuple[Item | None, BaseException | None]]",
    what: tuple[Item | None, BaseException | None],
    left: threading.Event,
) -> bool:
    """Whether it was taken in; not when the taker has left."""
    while not left.is_set():
        try:
            handed.put(what, timeout=LOOK_S)
        except queue.Full:
            continue
        return True
    return False


def _taken(
    handed: "queue.Queue[tuple[Item | None, BaseException | None]]",
) -> tuple[Item | None, BaseException | None]:
    """The next one. Waits in pieces: an alarm set for a worker's thread arrives between them."""
    while True:
        try:
            return handed.get(timeout=LOOK_S)
        except queue.Empty:
            continue
