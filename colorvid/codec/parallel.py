"""Independent groups of items on several threads: results in order, memory bounded.

A group is a run of items; groups need nothing of each other. The caller's thread reads the items,
has the worker of their group make tasks of them, and receives the results, so it alone touches
files::

    items -> worker of the group -> tasks -> threads -> results in order

It reads on as long as threads may run out of work. The results are the same for every number of
threads.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from colorvid.codec.crew import Crew, InTurn, Lanes, Task
from colorvid.system.cores import available_cores

Item = TypeVar("Item")
Result = TypeVar("Result")
Item_contra = TypeVar("Item_contra", contravariant=True)

MOST_OPEN = 64
"""Most tasks of the group that is read, from the first one not done."""
MEMORY_BYTES = 2**30
"""What all items and results that wait may take together."""


def plan(threads: int, item_bytes: int, most_workers: int | None = None) -> tuple[int, int]:
    """Number of threads, and how many items may be under way.

    Args:
        threads: most threads wanted; 0 = one for each available core.
        item_bytes: size of an item or a result, whichever is larger.
        most_workers: what the memory of the machine allows; None = not known.

    Returns:
        At least 1 of both; as many items as ``MEMORY_BYTES`` have room for.
    """
    wanted = threads or available_cores()
    most = wanted if most_workers is None else most_workers
    return max(1, min(wanted, most)), max(1, MEMORY_BYTES // item_bytes)


class Worker(Protocol[Item_contra, Result]):
    """Makes tasks of the items of one group."""

    def push(self, item: Item_contra) -> Sequence[Task[Result]]:
        """Take the next item; submit what can be done then."""

    def flush(self) -> Sequence[Task[Result]]:
        """Submit what is left when all items of the group have come."""


def one_each(item: object) -> float:
    """The weight of an item that is as large as all others."""
    return 1.0


@dataclass(frozen=True, slots=True)
class _Submitted(Generic[Result]):
    """A task under way.

    Attributes:
        group: number of its group.
        task: gives the result.
        weight: as how many items it counts.
    """

    group: int
    task: Task[Result]
    weight: float


def map_groups(
    items: Iterable[Item],
    starts: Callable[[Item], bool],
    begin: Callable[[Lanes], Worker[Item, Result]],
    *,
    threads: int,
    room: int = MEMORY_BYTES,
    most_groups: int | None = None,
    weigh: Callable[[Item], float] = one_each,
) -> Generator[Result, None, None]:
    """Yield the results of the groups, in the order of the groups.

    Close the generator (``contextlib.closing``) if it is not read to its end: that stops the
    threads and waits for them.

    Args:
        items: read in the caller's thread.
        starts: whether an item is the first of a group; asked once for each item, in order. The
            very first item always is.
        begin: gives the worker of a group, which submits its tasks to a lane of its own.
        threads: that work on tasks; with 1 everything runs in the caller's thread.
        room: most items that are under way.
        most_groups: most groups under way, and one more; None = twice as many as threads.
        weigh: as how many items one item counts, at least 1.

    Raises:
        Exception: what ``items``, ``begin``, a worker or a task raised, after the results before.
    """
    if threads == 1:
        for submitted in _submit(items, starts, begin, InTurn(), weigh):
            for each in submitted:
                yield each.task.result()
        return
    groups = 2 * threads if most_groups is None else most_groups
    with Crew(threads) as crew:
        line = _Line[Result](crew, room, groups)
        for submitted in _submit(items, starts, begin, crew, weigh):
            line.add(submitted)
            while line.has_due():
                yield line.take()
        while line:
            yield line.take()


class _Line(Generic[Result]):
    """The tasks under way, in the order in which their results are given."""

    def __init__(self, crew: Crew, room: int, most_groups: int) -> None:
        self._crew, self._room, self._most_groups = crew, room, most_groups
        self._tasks: deque[_Submitted[Result]] = deque()
        self._weight = 0.0

    def __bool__(self) -> bool:
        return bool(self._tasks)

    def add(self, submitted: Sequence[_Submitted[Result]]) -> None:
        """Put tasks at the end."""
        self._tasks.extend(submitted)
        self._weight += sum(each.weight for each in submitted)

    def has_due(self) -> bool:
        """Whether a result comes before the next item is read; waits until one of both can be."""
        if not self._tasks:
            return False
        head, last = self._tasks[0], self._tasks[-1]
        groups = last.group - head.group + 1
        full = self._weight >= self._room or groups > self._most_groups
        self._crew.wait(head.task, 0 if full else MOST_OPEN)
        return head.task.done

    def take(self) -> Result:
        """The next result; waits for it."""
        head = self._tasks.popleft()
        self._weight -= head.weight
        self._crew.wait(head.task)
        return head.task.result()


def _submit(
    items: Iterable[Item],
    starts: Callable[[Item], bool],
    begin: Callable[[Lanes], Worker[Item, Result]],
    lanes: Lanes,
    weigh: Callable[[Item], float],
) -> Iterator[list[_Submitted[Result]]]:
    """Have the workers submit tasks, as items come. An error ends it, in a task of its own."""
    group = 0
    worker: Worker[Item, Result] | None = None

    def numbered(tasks: Sequence[Task[Result]], weight: float = 1.0) -> list[_Submitted[Result]]:
        return [_Submitted(group, task, weight) for task in tasks]

    try:
        for item in items:
            if starts(item) or worker is None:
                if worker is not None:
                    yield numbered(worker.flush())
                group += 1
                worker = begin(lanes)
            yield numbered(worker.push(item), weigh(item))
        if worker is not None:
            yield numbered(worker.flush())
    except Exception as error:
        yield numbered([Task.failed(error)])
