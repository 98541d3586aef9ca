"""One clip is labelled while the next is looked at: in order, with its errors, and nothing lost."""

import threading
import time
from collections.abc import Callable, Iterator

import pytest
import torch

from flows.time_limit import TookTooLongError, time_limit
from models.lifting.lift_beside import BEHIND, worked_beside
from pipeline.read_ahead import LOOK_S

SHORT_S = 0.05


def workers() -> list[str]:
    return [t.name for t in threading.enumerate() if t.name.startswith("label")]


def named(count: int) -> Iterator[tuple[int, Callable[[], str]]]:
    for i in range(count):
        yield i, lambda i=i: f"label {i}"


@pytest.mark.parametrize("count", [0, 1, 2, 7])
def test_every_answer_comes_with_its_key_in_order(count: int) -> None:
    assert list(worked_beside(named(count))) == [(i, f"label {i}") for i in range(count)]
    assert not workers()


def test_work_runs_while_the_next_item_is_made_and_no_further() -> None:
    made: list[int] = []
    done: list[int] = []

    def items() -> Iterator[tuple[int, Callable[[], None]]]:
        for i in range(5):
            # When item i is made, all but the one before it have been answered.
            assert len(done) >= i - 1 - BEHIND
            time.sleep(SHORT_S)
            made.append(i)
            yield i, lambda i=i: (time.sleep(SHORT_S), done.append(i))[1]

    began = time.perf_counter()
    assert [key for key, _ in worked_beside(items())] == made == done == list(range(5))
    assert time.perf_counter() - began < 5 * 2 * SHORT_S * 0.9


def test_an_error_comes_where_its_answer_would_and_ends_the_thread() -> None:
    def broken() -> str:
        raise RuntimeError("the lift broke")

    items = [(0, lambda: "fine"), (1, broken), (2, lambda: "never asked for")]
    taken = []
    with pytest.raises(RuntimeError, match="broke"):
        for key, answer in worked_beside(items):
            taken.append((key, answer))
    assert taken == [(0, "fine")] and not workers()


def test_an_error_of_what_makes_the_items_ends_the_thread_too() -> None:
    def items() -> Iterator[tuple[int, Callable[[], str]]]:
        yield 0, lambda: "fine"
        raise TimeoutError("took too long")

    with pytest.raises(TimeoutError):
        list(worked_beside(items()))
    assert not workers()


def test_a_worker_threads_time_limit_waits_for_the_label_under_way_alone() -> None:
    begun: list[int] = []
    found: list[BaseException] = []

    def labels() -> Iterator[tuple[int, Callable[[], None]]]:
        for i in range(4):
            yield i, lambda i=i: (begun.append(i), time.sleep(3 * LOOK_S))[1]

    def shard() -> None:
        try:
            with time_limit("a shard", SHORT_S):
                list(worked_beside(labels()))
        except TookTooLongError as error:
            found.append(error)

    worker = threading.Thread(target=shard)
    worker.start()
    worker.join()
    assert found and begun == [0] and not workers()


def test_the_thread_counts_its_arithmetic_threads_as_the_caller_does() -> None:
    """OpenMP's number is each thread's own: sums in another order would give other bits."""
    before = torch.get_num_threads()
    try:
        for count in (1, 2):
            torch.set_num_threads(count)
            assert list(worked_beside([("n", torch.get_num_threads)])) == [("n", count)]
    finally:
        torch.set_num_threads(before)
