"""Independent groups of items on several threads: results in order, memory bounded.

A group is a run of items that one worker takes one after the other; groups need nothing of each
other. The caller's thread reads the items and receives the results, so it alone touches files::

    items -> inputs (at most depth) -> worker -> outputs (at most depth) -> results in order
             inputs (at most depth) -> worker -> outputs (at most depth) ->

A worker starts with the first item of its group: a group that is longer than the buffers flows
through them. The results are the same for every number of workers.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from types import TracebackType
from typing import Generic, Protocol, TypeVar

from colorvid.system.cores import available_cores

Item = TypeVar("Item")
Result = TypeVar("Result")
Item_contra = TypeVar("Item_contra", contravariant=True)
Result_co = TypeVar("Result_co", covariant=True)

MAX_DEPTH = 64
"""Most items that wait in front of a worker, and results behind it."""
MEMORY_BYTES = 2**30
"""What the waiting pictures of all groups together may take."""


def plan(
    threads: int, group_items: int, item_bytes: int, most_workers: int | None = None
) -> tuple[int, int]:
    """Number of workers and depth of the buffers.

    Args:
        threads: most workers wanted; 0 = one for each available core.
        group_items: usual length of a group; 0 = not known.
        item_bytes: size of an item or a result, whichever is larger.
        most_workers: what the memory of the machine allows; None = not known.

    Returns:
        At least 1 worker, fewer than wanted if their buffers would exceed ``MEMORY_BYTES``; and a
        depth that holds a usual group, from 1 to ``MAX_DEPTH``.
    """
    depth = min(group_items or MAX_DEPTH, MAX_DEPTH)
    affordable = MEMORY_BYTES // (depth * item_bytes) - 1  # one more group waits than works
    if most_workers is not None:
        affordable = min(affordable, most_workers)
    return max(1, min(threads or available_cores(), affordable)), depth


class Worker(Protocol[Item_contra, Result_co]):
    """Works on the items of one group."""

    def push(self, item: Item_contra) -> Sequence[Result_co]:
        """Take the next item; the results that are ready then."""

    def flush(self) -> Sequence[Result_co]:
        """The results that are left when all items of the group have come."""


def one_each(item: object) -> float:
    """The weight of an item that is as large as all others."""
    return 1.0


def map_groups(
    items: Iterable[Item],
    starts: Callable[[Item], bool],
    begin: Callable[[], Worker[Item, Result]],
    *,
    workers: int,
    depth: int = MAX_DEPTH,
    weigh: Callable[[Item], float] = one_each,
) -> Generator[Result, None, None]:
    """Yield the results of the groups, in the order of the groups.

    Close the generator (``contextlib.closing``) if it is not read to its end: that stops the
    threads and waits for them.

    Args:
        items: read in the caller's thread.
        starts: whether an item is the first of a group; asked once for each item, in order. The
            very first item always is.
        begin: called in the worker's thread for each group. A worker has given a result when it
            has got ``depth`` items.
        workers: threads; with 1 everything runs in the caller's thread.
        depth: most items and most results of a group that wait.
        weigh: as how many items one item counts, at least 1.

    Raises:
        Exception: what ``begin`` or its worker raised, after the results before it; what
            ``items`` raised, at once.
    """
    if workers == 1:
        yield from _in_turn(items, starts, begin)
        return
    with _Crew(begin, workers, depth, weigh) as crew:
        for item in items:
            if starts(item) or not crew.started:
                while crew.is_full():
                    yield from crew.take(wait=True)
                crew.open_group()
            while not crew.has_room():
                yield from crew.take(wait=True)
            crew.put(item)
            while due := crew.take(wait=False):
                yield from due
        crew.close_group()
        while crew.unfinished():
            yield from crew.take(wait=True)


def _in_turn(
    items: Iterable[Item],
    starts: Callable[[Item], bool],
    begin: Callable[[], Worker[Item, Result]],
) -> Iterator[Result]:
    """All groups in the caller's thread."""
    worker: Worker[Item, Result] | None = None
    for item in items:
        if starts(item) or worker is None:
            if worker is not None:
                yield from worker.flush()
            worker = begin()
        yield from worker.push(item)
    if worker is not None:
        yield from worker.flush()


class _Group(Generic[Item, Result]):
    """Items of one group that wait, and results that wait."""

    def __init__(self) -> None:
        self.inputs: deque[Item] = deque()
        self.weight = 0.0  # of all inputs
        self.outputs: deque[Result] = deque()
        self.closed = False  # no more inputs come
        self.done = False  # no more outputs come
        self.error: BaseException | None = None


class _Stopped(Exception):
    """The results are not wanted any more."""


class _Crew(Generic[Item, Result]):
    """The worker threads, and the groups from opening to delivery; one lock guards them all."""

    def __init__(
        self,
        begin: Callable[[], Worker[Item, Result]],
        workers: int,
        depth: int,
        weigh: Callable[[Item], float],
    ) -> None:
        self.started = False
        self._begin, self._workers, self._depth, self._weigh = begin, workers, depth, weigh
        self._change = threading.Condition()
        self._undelivered: deque[_Group[Item, Result]] = deque()
        self._waiting: deque[_Group[Item, Result]] = deque()
        self._threads: list[threading.Thread] = []
        self._stop = False

    def __enter__(self) -> _Crew[Item, Result]:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        """Stop the threads after the item they are at, and wait for them."""
        with self._change:
            self._stop = True
            self._change.notify_all()
        for thread in self._threads:
            thread.join()

    # The caller's side.

    def is_full(self) -> bool:
        """Whether a result must be taken before a group may be opened."""
        return len(self._undelivered) > self._workers

    def open_group(self) -> None:
        """End the group before and open one; starts a thread as long as workers are missing."""
        self.close_group()
        self.started = True
        with self._change:
            group: _Group[Item, Result] = _Group()
            self._undelivered.append(group)
            self._waiting.append(group)
            self._change.notify_all()
        self._current = group
        if len(self._threads) < self._workers:
            thread = threading.Thread(target=self._work, name="colorvid worker", daemon=True)
            thread.start()
            self._threads.append(thread)

    def close_group(self) -> None:
        """Tell the worker of the present group that it has all items."""
        if self.started:
            with self._change:
                self._current.closed = True
                self._change.notify_all()

    def has_room(self) -> bool:
        """Whether the present group takes an item."""
        return self._current.done or self._current.weight < self._depth

    def put(self, item: Item) -> None:
        """Give the present group an item; a group that failed drops it."""
        with self._change:
            if not self._current.done:
                self._current.inputs.append(item)
                self._current.weight += self._weigh(item)
                self._change.notify_all()

    def unfinished(self) -> bool:
        """Whether results are still to come."""
        return bool(self._undelivered)

    def take(self, *, wait: bool) -> list[Result]:
        """The next result, or none: where a group ends, or if it is not ready and not waited for.

        Raises:
            Exception: what the worker raised at this place.
        """
        with self._change:
            while self._undelivered:
                head = self._undelivered[0]
                if head.outputs:
                    self._change.notify_all()
                    return [head.outputs.popleft()]
                if head.done:
                    if head.error is not None:
                        raise head.error
                    self._undelivered.popleft()
                    return []
                if not wait:
                    return []
                self._change.wait()
        return []

    # The workers' side.

    def _work(self) -> None:
        """Take one group after the other until there is no more."""
        try:
            while True:
                self._work_on(self._next_group())
        except _Stopped:
            pass

    def _work_on(self, group: _Group[Item, Result]) -> None:
        """All items of a group; an error ends it."""
        error: BaseException | None = None
        try:
            worker = self._begin()
            while item := self._next_item(group):
                self._deliver(group, worker.push(item[0]))
            self._deliver(group, worker.flush())
        except _Stopped:
            raise
        except BaseException as failure:  # it belongs to the caller, whatever it is
            error = failure
        with self._change:
            group.error, group.done = error, True
            group.inputs.clear()
            self._change.notify_all()

    def _wait(self, ready: Callable[[], bool]) -> None:
        """Wait until ``ready``; raises ``_Stopped`` if nobody wants results."""
        self._change.wait_for(lambda: self._stop or ready())
        if self._stop:
            raise _Stopped

    def _next_group(self) -> _Group[Item, Result]:
        with self._change:
            self._wait(lambda: bool(self._waiting))
            return self._waiting.popleft()

    def _next_item(self, group: _Group[Item, Result]) -> tuple[Item] | None:
        """The next item of a group; None at its end."""
        with self._change:
            self._wait(lambda: bool(group.inputs) or group.closed)
            if not group.inputs:
                return None
            self._change.notify_all()
            item = group.inputs.popleft()
            group.weight -= self._weigh(item)
            return (item,)

    def _deliver(self, group: _Group[Item, Result], results: Sequence[Result]) -> None:
        for result in results:
            with self._change:
                self._wait(lambda: len(group.outputs) < self._depth)
                group.outputs.append(result)
                self._change.notify_all()
