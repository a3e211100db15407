"""Threads that work on tasks: small pieces of work, of which some need others.

Tasks stand in lanes, in the order in which their results are wanted::

    first lane   | done | works | done | works | ready | waits | ...
                          first <------- reach -------> last that may begin
    second lane  | works | waits | ...

A free thread takes the first task that is ready, of the first lane that has one: results come soon,
few of them wait, and later lanes get what earlier ones leave. What a task gives must not depend on
the order, but for what it needs.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from heapq import heappop, heappush
from types import TracebackType
from typing import Any, Generic, Protocol, TypeVar

T = TypeVar("T")


class Task(Generic[T]):
    """A piece of work, and what it gave.

    Attributes:
        done: whether the work has ended, well or not.
    """

    def __init__(self, work: Callable[[], T] | None, needs: Sequence[Task[Any]] = ()) -> None:
        """Prepare; ``work`` runs once ``needs`` are done, or not at all if one of them failed."""
        self._work, self._needs = work, needs
        self._results: list[T] = []
        self._error: BaseException | None = None
        self.done = False

    @classmethod
    def failed(cls, error: Exception) -> Task[T]:
        """One that is done, and failed."""
        task = cls(None)
        task._error, task.done = error, True
        return task

    def run(self) -> None:
        """Do the work, in any thread."""
        work, needs = self._work, self._needs
        self._work, self._needs = None, ()  # with all that they hold
        assert work is not None
        try:
            self._error = next((need._error for need in needs if need._error is not None), None)
            if self._error is None:
                self._results.append(work())
        except BaseException as error:  # it belongs to whoever wants the result, whatever it is
            self._error = error

    def result(self) -> T:
        """What the work gave, once it is done; it is given once.

        Raises:
            Exception: what the work raised, or what a task raised that it needs.
        """
        assert self.done
        if self._error is not None:
            raise self._error
        return self._results.pop()


class Lane(Protocol):
    """Takes tasks in the order in which their results are wanted.

    Attributes:
        reach: no task begins so many places behind the first one that is not done, or more.
    """

    reach: int

    def submit(self, work: Callable[[], T], needs: Sequence[Task[Any]] = ()) -> Task[T]:
        """Have work done once the tasks are done that it needs; they were submitted before."""


class Lanes(Protocol):
    """Opens lanes."""

    def lane(self, reach: int) -> Lane:
        """A lane behind the others, which get no more tasks; it may reach less far."""


class InTurn:
    """Works in the caller's thread, at once."""

    reach = 1

    def lane(self, reach: int) -> Lane:
        """See `Lanes.lane`."""
        return self

    def submit(self, work: Callable[[], T], needs: Sequence[Task[Any]] = ()) -> Task[T]:
        """See `Lane.submit`."""
        task = Task(work, needs)
        task.run()
        task.done = True
        return task


class _Placed:
    """A task in its lane."""

    def __init__(self, task: Task[Any], lane: _CrewLane, number: int) -> None:
        self.task, self.lane, self.number = task, lane, number
        self.missing = 0  # tasks that it needs and that are not done

    def __lt__(self, other: _Placed) -> bool:
        return self.number < other.number


class _CrewLane:
    """A lane of a crew; the crew's lock guards it."""

    def __init__(self, crew: Crew, reach: int) -> None:
        self.reach = reach
        self._crew = crew
        self._count = 0
        self.open: deque[_Placed] = deque()  # from the first one that is not done
        self.ready: list[_Placed] = []  # a heap

    def submit(self, work: Callable[[], T], needs: Sequence[Task[Any]] = ()) -> Task[T]:
        """See `Lane.submit`."""
        task = Task(work, needs)
        self._crew.place(_Placed(task, self, self._count), needs)
        self._count += 1
        return task

    def may_begin(self) -> int:
        """How many tasks are ready, and within reach."""
        return sum(self._in_reach(placed) for placed in self.ready)

    def next(self) -> _Placed | None:
        """The first task that may begin; None if there is none."""
        if self.ready and self._in_reach(self.ready[0]):
            return heappop(self.ready)
        return None

    def _in_reach(self, placed: _Placed) -> bool:
        return placed.number < self.open[0].number + self.reach


class Crew:
    """Threads that work on the tasks of lanes; to be used as a context, in one thread."""

    def __init__(self, threads: int) -> None:
        """Prepare as many threads; each begins when there are tasks for it."""
        self._most = threads
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()
        self._to_do = threading.Condition(self._lock)
        self._awaited = threading.Condition(self._lock)
        self._wish: Callable[[], bool] | None = None  # what the caller waits for
        self._lanes: list[_CrewLane] = []
        self._followers: dict[Task[Any], list[_Placed]] = {}  # of tasks that are not done
        self._stop = False

    def __enter__(self) -> Crew:
        """The crew."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        """Stop the threads after the tasks that they are at, and wait for them."""
        with self._lock:
            self._stop = True
            self._to_do.notify_all()
        for thread in self._threads:
            thread.join()

    def lane(self, reach: int) -> Lane:
        """See `Lanes.lane`."""
        lane = _CrewLane(self, reach)
        with self._lock:
            self._lanes = [*(before for before in self._lanes if before.open), lane]
        return lane

    def place(self, placed: _Placed, needs: Sequence[Task[Any]]) -> None:
        """Put a task at the end of its lane."""
        if len(self._threads) < self._most:
            thread = threading.Thread(target=self._work, name="colorvid worker", daemon=True)
            thread.start()
            self._threads.append(thread)
        with self._lock:
            placed.lane.open.append(placed)
            self._followers[placed.task] = []
            for need in needs:
                if not need.done:
                    placed.missing += 1
                    self._followers[need].append(placed)
            if not placed.missing:
                heappush(placed.lane.ready, placed)
                self._to_do.notify()

    def wait(self, task: Task[Any], most_open: int = 0) -> None:
        """Wait until a task is done, or until more tasks are wanted.

        Args:
            task: to be done.
            most_open: no more are wanted while the last lane has so many from the first one not
                done on.
        """
        with self._lock:
            self._wish = lambda: task.done or self._wants_more(most_open)
            self._awaited.wait_for(self._wish)
            self._wish = None

    def _wants_more(self, most_open: int) -> bool:
        """Whether a thread that ends its task might find no other."""
        if not self._lanes or len(self._lanes[-1].open) >= most_open:
            return False
        return self._may_begin() < self._most

    def _may_begin(self) -> int:
        """How many tasks are ready, and within reach."""
        return sum(lane.may_begin() for lane in self._lanes)

    def _work(self) -> None:
        """Work on one task after the other until the crew stops."""
        while (placed := self._next()) is not None:
            placed.task.run()
            self._done(placed)

    def _next(self) -> _Placed | None:
        """The next task, waiting for it; None at the end."""
        found: _Placed | None = None

        def find() -> bool:
            nonlocal found
            found = None if self._stop else self._first()
            return self._stop or found is not None

        with self._lock:
            self._to_do.wait_for(find)
        return found

    def _first(self) -> _Placed | None:
        """The first task that may begin."""
        return next(filter(None, (lane.next() for lane in self._lanes)), None)

    def _done(self, placed: _Placed) -> None:
        """Note the end of a task, and wake only who has something to do: waking takes time."""
        with self._lock:
            placed.task.done = True
            for follower in self._followers.pop(placed.task):
                follower.missing -= 1
                if not follower.missing:
                    heappush(follower.lane.ready, follower)
            tasks = placed.lane.open
            while tasks and tasks[0].task.done:
                tasks.popleft()
            self._to_do.notify(max(0, self._may_begin() - 1))  # this thread takes one itself
            if self._wish is not None and self._wish():
                self._awaited.notify()
