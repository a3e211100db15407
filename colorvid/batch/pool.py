"""Processes of this machine as workers: the engine that needs nothing else."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from multiprocessing.connection import Connection, wait
from typing import Any

from colorvid.batch.engine import Argument, Engine, Result, WorkerLost
from colorvid.batch.worker import pin_threads, report_with

GRACE_SECONDS = 10
"""For workers to remove what they have begun, before they are killed."""


class _Slot:
    """One worker process: an executor of its own, so that its death concerns one call alone."""

    def __init__(self) -> None:
        self.executor: ProcessPoolExecutor | None = None
        self.reports: Connection | None = None
        self.busy = False

    def start(self) -> ProcessPoolExecutor:
        """The executor, a new one if there is none or its worker died while it was idle."""
        if self._has_died():
            self.drop()
        if self.executor is None:
            context = multiprocessing.get_context("spawn")
            self.reports, far = context.Pipe(duplex=False)
            self.executor = ProcessPoolExecutor(
                1, mp_context=context, initializer=_begin, initargs=(far,)
            )
        return self.executor

    def _has_died(self) -> bool:
        """Whether the worker is gone: its executor notices only some time later."""
        processes = getattr(self.executor, "_processes", None) or {}
        return any(not process.is_alive() for process in list(processes.values()))

    def drop(self) -> None:
        """Forget a worker that died."""
        if self.executor is not None:
            self.executor.shutdown(wait=False, cancel_futures=True)
            self.executor = None
        if self.reports is not None:
            self.reports.close()
            self.reports = None


class Pool(Engine):
    """As many processes as calls run at once; each is started when it is first needed.

    A process that dies is replaced; its call alone ends, with `WorkerLost`.
    """

    def __init__(self, jobs: int) -> None:
        """Start nothing yet."""
        self._others = set(multiprocessing.active_children())
        self._slots = [_Slot() for _ in range(jobs)]
        self._waiting: deque[tuple[Future[Any], Callable[[Any], Any], Any]] = deque()
        self._lock = threading.RLock()
        self._closed = False

    def workers(self) -> dict[str, int]:
        """See `Engine.workers`; all processes of this machine count as one worker."""
        return {"this machine": len(self._slots)}

    def submit(
        self,
        function: Callable[[Argument], Result],
        argument: Argument,
        avoid: frozenset[str] = frozenset(),
    ) -> Future[Result]:
        """See `Engine.submit`; ``avoid`` does not matter on one machine."""
        outer: Future[Result] = Future()
        with self._lock:
            self._waiting.append((outer, function, argument))
            self._feed()
        return outer

    def _feed(self) -> None:
        """Give waiting calls to idle workers; the lock is held."""
        for slot in self._slots:
            if slot.busy or not self._waiting or self._closed:
                continue
            outer, function, argument = self._waiting.popleft()
            slot.busy = True
            try:
                inner = slot.start().submit(function, argument)
            except BrokenProcessPool:  # it died while it was idle
                slot.drop()
                inner = slot.start().submit(function, argument)
            inner.add_done_callback(partial(self._done, slot, outer))

    def _done(self, slot: _Slot, outer: Future[Any], inner: Future[Any]) -> None:
        """Pass on what became of a call, and give its worker the next one."""
        error = None if inner.cancelled() else inner.exception()
        with self._lock:
            slot.busy = False
            if isinstance(error, BrokenProcessPool):
                slot.drop()
                error = WorkerLost("the worker died")
            self._feed()
        if inner.cancelled():
            outer.cancel()
        elif error is not None:
            outer.set_exception(error)
        else:
            outer.set_result(inner.result())

    def everywhere(
        self, function: Callable[[Argument], Result], argument: Argument
    ) -> dict[str, Result | BaseException]:
        """See `Engine.everywhere`."""
        return {}

    def progress(self) -> dict[str, int]:
        """See `Engine.progress`."""
        found: dict[str, int] = {}
        with self._lock:
            connections = [s.reports for s in self._slots if s.reports is not None]
            for connection in connections:
                with contextlib.suppress(EOFError, OSError):
                    while connection.poll():
                        key, frames = connection.recv()
                        found[key] = frames
        return found

    def close(self) -> None:
        """End all workers; those at work remove what they have begun."""
        with self._lock:
            self._closed = True
            self._waiting.clear()
        mine = set(multiprocessing.active_children()) - self._others
        for process in mine:
            process.terminate()
        end = time.monotonic() + GRACE_SECONDS
        for process in mine:
            process.join(max(0.0, end - time.monotonic()))
            if process.is_alive():
                process.kill()
        for slot in self._slots:
            if slot.executor is not None:
                slot.executor.shutdown(wait=True, cancel_futures=True)


def _begin(reports: Connection) -> None:
    """In a new worker: one thread, progress into a pipe, an orderly end with the parent."""
    pin_threads()
    report_with(reports.send)
    # Ctrl-C reaches all processes of a terminal; the parent ends the workers in its own way.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(1))
    threading.Thread(target=_end_with_parent, name="colorvid parent", daemon=True).start()


def _end_with_parent() -> None:
    """Wait until the parent is gone, then end this process, by force if need be."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return
    wait([parent.sentinel])
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE_SECONDS)
    os._exit(1)
