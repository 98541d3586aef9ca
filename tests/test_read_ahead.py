"""A stage of a stream on a thread of its own: same items, same errors, nothing left over."""

import itertools
import threading
import time
from collections.abc import Iterator
from contextlib import closing

import pytest

from pipeline.read_ahead import AHEAD, read_ahead

SHORT_S = 0.05


def makers() -> list[threading.Thread]:
    """Threads of streams that were not left."""
    return [t for t in threading.enumerate() if "_make" in t.name]


@pytest.mark.parametrize("count", [0, 1, AHEAD, 5 * AHEAD])
@pytest.mark.parametrize("ahead", [1, AHEAD])
def test_items_and_their_order_are_those_without(count: int, ahead: int) -> None:
    assert list(read_ahead(iter(range(count)), ahead)) == list(range(count))
    assert not makers()


def test_nothing_is_an_item_too() -> None:
    assert list(read_ahead([None, 1, None])) == [None, 1, None]


def test_an_error_comes_where_its_item_would() -> None:
    def broken() -> Iterator[int]:
        yield 1
        yield 2
        raise OSError("the file ends here")

    taken = []
    with pytest.raises(OSError, match="ends here"):
        for item in read_ahead(broken()):
            taken.append(item)
    assert taken == [1, 2] and not makers()


def test_it_stays_a_few_items_ahead_and_no_more() -> None:
    made = itertools.count()
    stream = read_ahead((next(made) for _ in iter(int, 1)), ahead=3)
    with closing(stream):
        assert next(stream) == 0
        time.sleep(SHORT_S)
        assert next(made) <= 1 + 3 + 1  # taken, waiting, and one in hand


def test_whoever_leaves_early_ends_the_thread_before_what_it_reads_is_closed() -> None:
    closed = threading.Event()

    def film() -> Iterator[int]:
        try:
            yield from itertools.count()
        finally:
            closed.set()

    source = film()
    with closing(read_ahead(source)) as stream:
        assert next(stream) == 0
        assert makers()
    assert not makers()
    source.close()  # a generator that still ran in the thread would refuse
    assert closed.is_set()


def test_making_and_taking_go_on_at_once() -> None:
    def slow() -> Iterator[int]:
        for i in range(6):
            time.sleep(SHORT_S)
            yield i

    began = time.perf_counter()
    for _ in read_ahead(slow()):
        time.sleep(SHORT_S)
    assert time.perf_counter() - began < 6 * 2 * SHORT_S * 0.9


def test_an_error_of_the_taker_ends_it_too() -> None:
    with pytest.raises(KeyboardInterrupt), closing(read_ahead(itertools.count())) as stream:
        next(stream)
        raise KeyboardInterrupt
    assert not makers()


def test_nothing_ahead_is_refused() -> None:
    with pytest.raises(ValueError, match="1 or more, got 0"):
        next(read_ahead([1], ahead=0))
