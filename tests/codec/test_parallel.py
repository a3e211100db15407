import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Generic, TypeVar

import pytest

from colorvid.codec.parallel import MAX_DEPTH, MEMORY_BYTES, map_groups, plan
from colorvid.system.cores import available_cores

GROUP = 5
R = TypeVar("R")


class Each(Generic[R]):
    """A worker that answers every item at once."""

    def __init__(self, work: Callable[[int], R]) -> None:
        self._work = work

    def push(self, item: int) -> list[R]:
        return [self._work(item)]

    def flush(self) -> list[R]:
        return []


class Behind:
    """A worker as an encoder with B frames: the first item at once, then three in a new order."""

    def __init__(self) -> None:
        self._first = True
        self._held: list[int] = []

    def push(self, item: int) -> list[int]:
        if self._first:
            self._first = False
            return [item]
        self._held.append(item)
        return self.flush() if len(self._held) == 3 else []

    def flush(self) -> list[int]:
        held, self._held = self._held, []
        return held[-1:] + held[:-1]


def starts(item: int) -> bool:
    return item % GROUP == 0


def counting() -> Each[tuple[int, int]]:
    """A worker that returns each item with its place in the group, as fast or slow as it likes."""
    seen = 0

    def work(item: int) -> tuple[int, int]:
        nonlocal seen
        seen += 1
        time.sleep(0.002 if item < GROUP else 0)  # the first group ends last
        return item, seen

    return Each(work)


def workers_alive() -> int:
    return sum(thread.name == "colorvid worker" for thread in threading.enumerate())


@pytest.mark.parametrize("workers", [1, 2, 3, 8])
def test_results_in_order_and_one_state_per_group(workers: int) -> None:
    results = list(map_groups(range(23), starts, counting, workers=workers, depth=2))
    assert results == [(item, item % GROUP + 1) for item in range(23)]
    assert workers_alive() == 0


def reordered(count: int, group: int) -> list[int]:
    """What `Behind` makes of the items before ``count``."""
    order: list[int] = []
    for start in range(0, count, group):
        items = list(range(start, min(start + group, count)))
        order += items[:1]
        for first in range(1, len(items), 3):
            three = items[first : first + 3]
            order += three[-1:] + three[:-1]
    return order


@pytest.mark.parametrize("group", [1, 2, 4, 5, 9, 10**9])
@pytest.mark.parametrize("depth", [4, 64])
@pytest.mark.parametrize("workers", [1, 2, 3, 8])
def test_workers_may_hold_items_back(workers: int, depth: int, group: int) -> None:
    results = map_groups(
        range(50), lambda item: item % group == 0, Behind, workers=workers, depth=depth
    )
    assert list(results) == reordered(50, group)
    assert workers_alive() == 0


@pytest.mark.parametrize("workers", [1, 3])
def test_a_worker_may_give_all_at_the_end(workers: int) -> None:
    class Late(Each[int]):
        def __init__(self) -> None:
            self.held: list[int] = []

        def push(self, item: int) -> list[int]:
            self.held.append(item)
            return []

        def flush(self) -> list[int]:
            return self.held[::-1]

    results = map_groups(range(23), starts, Late, workers=workers, depth=GROUP)
    assert list(results) == [4, 3, 2, 1, 0, 9, 8, 7, 6, 5, 14, 13, 12, 11, 10,
                             19, 18, 17, 16, 15, 22, 21, 20]  # fmt: skip


@pytest.mark.parametrize("workers", [1, 3])
def test_an_error_in_flush_comes_after_the_results_before_it(workers: int) -> None:
    class Broken(Each[int]):
        def __init__(self) -> None:
            super().__init__(lambda item: item)

        def flush(self) -> list[int]:
            raise ValueError("at the end")

    results = []
    with pytest.raises(ValueError, match="at the end"):
        for result in map_groups(range(23), starts, Broken, workers=workers, depth=2):
            results.append(result)
    assert results == list(range(GROUP))
    assert workers_alive() == 0


@pytest.mark.parametrize("workers", [1, 2])
def test_no_items_and_a_first_item_that_starts_nothing(workers: int) -> None:
    assert list(map_groups([], starts, counting, workers=workers)) == []
    results = list(map_groups([3, 4, 5], starts, counting, workers=workers))
    assert results == [(3, 1), (4, 2), (5, 1)]


def test_groups_overlap() -> None:
    both = threading.Barrier(2, timeout=10)  # breaks unless two workers meet in it

    def begin() -> Each[int]:
        return Each(lambda item: both.wait() * 0 + item)

    assert list(map_groups(range(4), lambda _: True, begin, workers=2)) == [0, 1, 2, 3]


@pytest.mark.parametrize("group", [3, 10**9])
def test_what_waits_is_bounded_and_a_long_group_flows(group: int) -> None:
    read = 0

    def items() -> Iterator[int]:
        nonlocal read
        for item in range(300):
            read += 1
            yield item

    most = 0
    workers, depth = 2, 4
    results = map_groups(
        items(), lambda item: item % group == 0, lambda: Each(lambda item: item),
        workers=workers, depth=depth,
    )  # fmt: skip
    for done, _ in enumerate(results):
        most = max(most, read - done)
    # Inputs and outputs of the open groups, one item in each worker and one in each hand.
    assert most <= (workers + 1) * 2 * depth + workers + 2


@pytest.mark.parametrize("workers", [1, 3])
def test_error_comes_after_the_results_before_it(workers: int) -> None:
    def begin() -> Each[int]:
        def work(item: int) -> int:
            if item in (7, 12):
                raise ValueError(f"item {item}")
            return item

        return Each(work)

    results = []
    with pytest.raises(ValueError, match="item 7"):
        for result in map_groups(range(40), starts, begin, workers=workers, depth=2):
            results.append(result)
    assert results == list(range(7))
    assert workers_alive() == 0


def test_error_at_the_start_of_a_group() -> None:
    def begin() -> Each[int]:
        raise ValueError("cannot begin")

    with pytest.raises(ValueError, match="cannot begin"):
        list(map_groups(range(40), starts, begin, workers=2, depth=2))
    assert workers_alive() == 0


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_error_of_the_source_stops_the_workers(error: type[BaseException]) -> None:
    def items() -> Iterator[int]:
        yield from range(7)
        raise error("source")

    with pytest.raises(error, match="source"):
        list(map_groups(items(), starts, counting, workers=3))
    assert workers_alive() == 0


def test_closing_early_stops_the_workers() -> None:
    with closing(map_groups(range(1000), starts, counting, workers=3, depth=2)) as results:
        assert next(iter(results)) == (0, 1)
        assert workers_alive() > 0
    assert workers_alive() == 0


def test_plan_keeps_the_memory_bounded() -> None:
    assert plan(2, 32, 1000) == (2, 32)
    assert plan(2, 1000, 1000) == (2, MAX_DEPTH)
    assert plan(2, 0, 1000) == (2, MAX_DEPTH), "an unknown length"
    assert plan(0, 32, 1000)[0] == available_cores()
    assert plan(8, 64, MEMORY_BYTES) == (1, 64), "pictures too large for more"
    workers, depth = plan(64, 32, 3_110_400)
    assert 1 < workers < 64
    assert (workers + 1) * depth * 3_110_400 <= MEMORY_BYTES


def test_memory_of_the_machine_bounds_the_workers() -> None:
    assert plan(8, 32, 1000, 3)[0] == 3
    assert plan(8, 32, 1000, 0)[0] == 1, "one always works"
    assert plan(8, 32, 1000, None)[0] == 8


def test_large_items_count_for_more_of_what_waits() -> None:
    read = 0
    begun = threading.Event()

    def items() -> Iterator[int]:
        nonlocal read
        for number in range(40):
            read += 1
            yield number

    def begin() -> Each[int]:
        def work(item: int) -> int:
            assert begun.wait(10)
            return item

        return Each(work)

    results = map_groups(
        items(), lambda item: item == 0, begin, workers=2, depth=8, weigh=lambda item: 4.0
    )
    with closing(results):
        threading.Timer(0.3, begun.set).start()
        assert next(results) == 0
        assert read <= 8, "two wait, one is at work, a few are out; not eight and more"
        assert list(results) == list(range(1, 40))
