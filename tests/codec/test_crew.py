from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from colorvid.codec.crew import Crew, InTurn, Lane, Task


def workers_alive() -> int:
    return sum(thread.name == "colorvid worker" for thread in threading.enumerate())


def results(crew: Crew, tasks: list[Task[int]]) -> list[int]:
    found = []
    for task in tasks:
        crew.wait(task)
        found.append(task.result())
    return found


def test_in_turn_work_is_done_at_once() -> None:
    lane = InTurn().lane(16)
    assert lane.reach == 1
    first = lane.submit(lambda: 3)
    assert first.done and first.result() == 3
    second = lane.submit(lambda: 4, [first])
    assert second.done and second.result() == 4


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_tasks_begin_behind_those_that_they_need(threads: int) -> None:
    rng = random.Random(threads)
    done: set[int] = set()

    def work(number: int, needs: list[int], pause: float) -> int:
        assert done.issuperset(needs)
        time.sleep(pause)
        done.add(number)
        return number

    with Crew(threads) as crew:
        lane = crew.lane(16)
        tasks: list[Task[int]] = []
        for number in range(120):
            needs = rng.sample(range(max(0, number - 9), number), min(number, rng.randrange(3)))
            pause = rng.choice([0.0, 0.0, 0.003])
            tasks.append(
                lane.submit(
                    lambda number=number, needs=needs, pause=pause: work(number, needs, pause),
                    [tasks[need] for need in needs],
                )
            )
        assert results(crew, tasks) == list(range(120))
    assert workers_alive() == 0


@pytest.mark.parametrize("reach", [1, 3])
def test_no_task_begins_out_of_reach(reach: int) -> None:
    begun: list[int] = []
    go = threading.Event()

    def work(number: int) -> Callable[[], int]:
        def run() -> int:
            begun.append(number)
            if number == 0:
                assert go.wait(10)
            return number

        return run

    with Crew(4) as crew:
        lane = crew.lane(reach)
        tasks = [lane.submit(work(number)) for number in range(8)]
        if reach > 1:
            crew.wait(tasks[reach - 1])
        time.sleep(0.05)
        assert sorted(begun) == list(range(reach)), "the first one is not done"
        go.set()
        assert results(crew, tasks) == list(range(8))
    assert begun == list(range(8)) or reach > 1


def test_earlier_lanes_come_first_and_later_ones_fill_the_gaps() -> None:
    order: list[str] = []
    gate = threading.Event()

    def named(name: str) -> Callable[[], None]:
        return lambda: order.append(name)

    with Crew(1) as crew:
        crew.lane(1).submit(lambda: gate.wait(10))
        one = crew.lane(8)
        one_tasks = [one.submit(named("a"))]
        one_tasks.append(one.submit(named("b"), one_tasks))
        two = crew.lane(8)
        last = [two.submit(named("c")), two.submit(named("d"))]
        gate.set()
        for task in (*one_tasks, *last):
            crew.wait(task)
    assert order == ["a", "b", "c", "d"]


def test_two_threads_work_at_the_same_time_in_one_lane() -> None:
    both = threading.Barrier(2, timeout=10)  # breaks unless two threads meet in it
    with Crew(2) as crew:
        lane = crew.lane(2)
        tasks = [lane.submit(both.wait) for _ in range(6)]
        assert sum(results(crew, tasks)) == 3


class Boom(BaseException):
    """What no handler of `Exception` catches."""


@pytest.mark.parametrize("error", [ValueError, Boom])
@pytest.mark.parametrize("threads", [0, 1, 3])
def test_what_needs_a_task_that_failed_fails_alike_and_is_not_run(
    threads: int, error: type[BaseException]
) -> None:
    ran: list[int] = []

    def fail() -> int:
        raise error("first")

    def check(lane: Lane, wait: Callable[[Task[Any]], None]) -> None:
        first = lane.submit(fail)
        second = lane.submit(lambda: ran.append(2), [first])
        third = lane.submit(lambda: ran.append(3), [second])
        free = lane.submit(lambda: 4)
        for task in (first, second, third):
            wait(task)
            with pytest.raises(error, match="first"):
                task.result()
        wait(free)
        assert free.result() == 4

    if threads:
        with Crew(threads) as crew:
            check(crew.lane(4), crew.wait)
    else:
        check(InTurn().lane(4), lambda task: None)
    assert ran == [] and workers_alive() == 0


def test_waiting_ends_when_more_tasks_are_wanted() -> None:
    go = threading.Event()
    with Crew(2) as crew:
        lane = crew.lane(16)
        slow = lane.submit(lambda: go.wait(10))
        crew.wait(slow, 64)  # one thread has nothing to do
        assert not slow.done
        crew.wait(lane.submit(lambda: 0), 3)
        threading.Timer(0.05, go.set).start()
        crew.wait(slow, 2)  # two are open, which is enough
        assert slow.done


def test_a_crew_that_is_left_stops_and_drops_what_has_not_begun() -> None:
    begun, go, ran = threading.Event(), threading.Event(), []

    def first() -> None:
        begun.set()
        assert go.wait(10)

    with Crew(1) as crew:
        lane = crew.lane(4)
        lane.submit(first)
        later = lane.submit(lambda: ran.append(1))
        assert begun.wait(10)
        threading.Timer(0.05, go.set).start()
    assert workers_alive() == 0
    assert not later.done and ran == []
