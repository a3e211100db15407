import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Generic, TypeVar

import pytest

from colorvid.codec.crew import Lanes, Task
from colorvid.codec.parallel import MEMORY_BYTES, MOST_OPEN, map_groups, plan
from colorvid.system.cores import available_cores

GROUP = 5
REACH = 4
R = TypeVar("R")


class Each(Generic[R]):
    """Makes a task of every item at once; `reach` of them may be at work."""

    def __init__(self, lanes: Lanes, work: Callable[[int], R], reach: int = REACH) -> None:
        self._lane, self._work = lanes.lane(reach), work

    def push(self, item: int) -> list[Task[R]]:
        return [self._lane.submit(lambda: self._work(item))]

    def flush(self) -> list[Task[R]]:
        return []


class Behind(Each[int]):
    """As an encoder with B frames: the first item at once, then three in a new order."""

    def __init__(self, lanes: Lanes) -> None:
        super().__init__(lanes, lambda item: item)
        self._first = True
        self._held: list[int] = []

    def push(self, item: int) -> list[Task[int]]:
        if self._first:
            self._first = False
            return super().push(item)
        self._held.append(item)
        return self.flush() if len(self._held) == 3 else []

    def flush(self) -> list[Task[int]]:
        held, self._held = self._held, []
        return [task for item in held[-1:] + held[:-1] for task in super(Behind, self).push(item)]


def starts(item: int) -> bool:
    return item % GROUP == 0


def each(work: Callable[[int], R], reach: int = REACH) -> Callable[[Lanes], Each[R]]:
    return lambda lanes: Each(lanes, work, reach)


def same(item: int) -> int:
    return item


def counting(lanes: Lanes) -> Each[tuple[int, int]]:
    """Gives each item with its place in the group, as fast or slow as it likes."""
    seen = 0

    def work(item: int) -> tuple[int, int]:
        nonlocal seen
        seen += 1
        time.sleep(0.002 if item < GROUP else 0)  # the first group ends last
        return item, seen

    return Each(lanes, work, 1)


def workers_alive() -> int:
    return sum(thread.name == "colorvid worker" for thread in threading.enumerate())


@pytest.mark.parametrize("threads", [1, 2, 3, 8])
@pytest.mark.parametrize("room", [1, 2, 99])
def test_results_in_order_and_one_state_per_group(threads: int, room: int) -> None:
    results = list(map_groups(range(23), starts, counting, threads=threads, room=room))
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
@pytest.mark.parametrize("room", [1, 4, 64])
@pytest.mark.parametrize("threads", [1, 2, 3, 8])
def test_workers_may_hold_items_back(threads: int, room: int, group: int) -> None:
    results = map_groups(
        range(50), lambda item: item % group == 0, Behind, threads=threads, room=room
    )
    assert list(results) == reordered(50, group)
    assert workers_alive() == 0


@pytest.mark.parametrize("threads", [2, 3, 5])
@pytest.mark.parametrize("group", [1, 3, 20, 10**9])
def test_pauses_change_nothing(threads: int, group: int) -> None:
    pauses = random.Random(group + threads)

    def work(item: int) -> int:
        time.sleep(pauses.choice([0, 0, 0.001, 0.004]))
        return item

    results = map_groups(
        range(150), lambda item: item % group == 0, each(work), threads=threads, room=40
    )
    assert list(results) == list(range(150))


@pytest.mark.parametrize("threads", [1, 3])
def test_a_worker_may_give_all_at_the_end(threads: int) -> None:
    class Late(Each[int]):
        def __init__(self, lanes: Lanes) -> None:
            super().__init__(lanes, same)
            self.held: list[int] = []

        def push(self, item: int) -> list[Task[int]]:
            self.held.append(item)
            return []

        def flush(self) -> list[Task[int]]:
            return [task for item in self.held[::-1] for task in super(Late, self).push(item)]

    results = map_groups(range(23), starts, Late, threads=threads, room=GROUP)
    assert list(results) == [4, 3, 2, 1, 0, 9, 8, 7, 6, 5, 14, 13, 12, 11, 10,
                             19, 18, 17, 16, 15, 22, 21, 20]  # fmt: skip


@pytest.mark.parametrize("threads", [1, 3])
def test_an_error_in_flush_comes_after_the_results_before_it(threads: int) -> None:
    class Broken(Each[int]):
        def flush(self) -> list[Task[int]]:
            raise ValueError("at the end")

    results = []
    with pytest.raises(ValueError, match="at the end"):
        for result in map_groups(
            range(23), starts, lambda lanes: Broken(lanes, same), threads=threads, room=2
        ):
            results.append(result)
    assert results == list(range(GROUP))
    assert workers_alive() == 0


@pytest.mark.parametrize("threads", [1, 2])
def test_no_items_and_a_first_item_that_starts_nothing(threads: int) -> None:
    assert list(map_groups([], starts, counting, threads=threads, room=9)) == []
    results = list(map_groups([3, 4, 5], starts, counting, threads=threads, room=9))
    assert results == [(3, 1), (4, 2), (5, 1)]


@pytest.mark.parametrize("group", [1, 8])
def test_groups_overlap_and_so_do_tasks_inside_one(group: int) -> None:
    both = threading.Barrier(2, timeout=10)  # breaks unless two threads meet in it
    results = map_groups(
        range(8), lambda item: item % group == 0, each(lambda item: both.wait() * 0 + item),
        threads=2, room=9,
    )  # fmt: skip
    assert list(results) == list(range(8))


@pytest.mark.parametrize("group", [1, 3, 10**9])
@pytest.mark.parametrize("room", [1, 8, 10**9])
def test_what_is_under_way_is_bounded(group: int, room: int) -> None:
    read = 0
    go = threading.Event()

    def items() -> Iterator[int]:
        nonlocal read
        for item in range(600):
            read += 1
            yield item

    def work(item: int) -> int:
        assert item or go.wait(10)
        return item

    results = map_groups(
        items(), lambda item: item % group == 0, each(work, 1), threads=2, room=room
    )
    threading.Timer(0.2, go.set).start()
    assert next(results) == 0
    # Four groups and the first item of another one, if there is room for them.
    assert read <= min(room, 4 * group + 1, MOST_OPEN)
    for done, _ in enumerate(results, 2):
        assert read - done <= min(room, 4 * group + 1, MOST_OPEN)


def test_no_more_is_read_than_keeps_the_threads_busy() -> None:
    read = 0

    def items() -> Iterator[int]:
        nonlocal read
        for item in range(60):
            read += 1
            yield item

    def work(item: int) -> int:
        time.sleep(0.01)
        return item

    results = map_groups(items(), lambda item: item == 0, each(work, 16), threads=2, room=99)
    for done, _ in enumerate(results, 1):
        assert read - done <= 8, "two at work, two that may begin, and a few that wait their turn"


@pytest.mark.parametrize("most_groups", [1, 3])
def test_groups_under_way_are_limited(most_groups: int) -> None:
    given = 0

    def items() -> Iterator[int]:
        for item in range(40):
            # The group before the item's, and so many others at most, are not given in full.
            assert given >= (item - 1) // 2 * 2 - 2 * (most_groups - 1)
            yield item

    def work(item: int) -> int:
        time.sleep(0.003 * (item % 3))
        return item

    for result in map_groups(
        items(), lambda item: item % 2 == 0, each(work), threads=4, room=99, most_groups=most_groups
    ):
        assert result == given
        given += 1


@pytest.mark.parametrize("threads", [1, 3])
def test_error_comes_after_the_results_before_it(threads: int) -> None:
    def work(item: int) -> int:
        if item in (7, 12):
            raise ValueError(f"item {item}")
        return item

    results = []
    with pytest.raises(ValueError, match="item 7"):
        for result in map_groups(range(40), starts, each(work), threads=threads, room=9):
            results.append(result)
    assert results == list(range(7))
    assert workers_alive() == 0


@pytest.mark.parametrize("threads", [1, 2])
def test_error_at_the_start_of_a_group(threads: int) -> None:
    begun = 0

    def begin(lanes: Lanes) -> Each[int]:
        nonlocal begun
        begun += 1
        if begun == 3:
            raise ValueError("cannot begin")
        return Each(lanes, same)

    results = []
    with pytest.raises(ValueError, match="cannot begin"):
        for result in map_groups(range(40), starts, begin, threads=threads, room=99):
            results.append(result)
    assert results == list(range(2 * GROUP))
    assert workers_alive() == 0


@pytest.mark.parametrize("threads", [1, 3])
def test_an_error_of_the_source_comes_after_the_results_before_it(threads: int) -> None:
    def items() -> Iterator[int]:
        yield from range(7)
        raise ValueError("source")

    results = []
    with pytest.raises(ValueError, match="source"):
        for result in map_groups(items(), starts, each(same), threads=threads, room=99):
            results.append(result)
    assert results == list(range(7))
    assert workers_alive() == 0


def test_an_interrupt_stops_the_threads_at_once() -> None:
    def items() -> Iterator[int]:
        yield from range(7)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(map_groups(items(), starts, counting, threads=3, room=99))
    assert workers_alive() == 0


@pytest.mark.parametrize("group", [GROUP, 10**9])
def test_closing_early_stops_the_threads(group: int) -> None:
    results = map_groups(range(1000), lambda item: item % group == 0, each(same), threads=3, room=9)
    with closing(results):
        assert next(results) == 0
        assert workers_alive() > 0
    assert workers_alive() == 0


def test_plan_keeps_the_memory_bounded() -> None:
    assert plan(2, 2**20) == (2, MEMORY_BYTES // 2**20)
    assert plan(0, 1000)[0] == available_cores()
    assert plan(8, 2 * MEMORY_BYTES) == (8, 1), "pictures too large for more than one at a time"
    assert plan(8, 1000, 3)[0] == 3
    assert plan(8, 1000, 0)[0] == 1, "one always works"
    assert plan(8, 1000, None)[0] == 8


def test_large_items_count_for_more_of_what_is_under_way() -> None:
    read = 0
    begun = threading.Event()

    def items() -> Iterator[int]:
        nonlocal read
        for number in range(40):
            read += 1
            yield number

    def work(item: int) -> int:
        assert begun.wait(10)
        return item

    results = map_groups(
        items(), lambda item: item == 0, each(work), threads=2, room=8, weigh=lambda item: 4.0
    )
    with closing(results):
        threading.Timer(0.2, begun.set).start()
        assert next(results) == 0
        assert read <= 3, "two of weight 4, and one read while the first was given"
        assert list(results) == list(range(1, 40))
