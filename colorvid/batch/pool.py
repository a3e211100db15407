"""Processes of this machine as workers: the engine that needs nothing else."""

from __future__ import annotations

import atexit
import contextlib
import multiprocessing
import os
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from multiprocessing.connection import Connection, wait
from pathlib import Path
from types import FrameType
from typing import Any

from colorvid.batch.engine import Argument, Engine, Result, WorkerLost
from colorvid.batch.worker import pin_threads, report_with
from colorvid.errors import OutputError
from colorvid.io.files import os_errors
from colorvid.system.interrupts import interrupt_soon, uninterrupted

GRACE_SECONDS = 10
"""For workers to remove what they have begun, before they are killed."""


class _Slot:
    """One worker process: an executor of its own, so that its death concerns one call alone.

    Attributes:
        folder: for the temporary files of its process; what a dead one leaves there is removed.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
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
                1, mp_context=context, initializer=_begin, initargs=(far, self.folder)
            )
        return self.executor

    def _has_died(self) -> bool:
        """Whether the worker is gone: its executor notices only some time later."""
        processes = getattr(self.executor, "_processes", None) or {}
        return any(not process.is_alive() for process in list(processes.values()))

    def drop(self) -> None:
        """Forget a worker that died or ends, with its temporary files."""
        if self.executor is not None:
            self.executor.shutdown(wait=False, cancel_futures=True)
            self.executor = None
        if self.reports is not None:
            self.reports.close()
            self.reports = None
        for path in list(self.folder.glob("*")):
            _remove(path)


class Pool(Engine):
    """As many processes as calls run at once; each is started when it is first needed.

    A process that dies is replaced; its call alone ends, with `WorkerLost`. The temporary files of
    all of them are in one folder, which `close` removes: whatever a process is stopped by, and
    wherever, none stay.
    """

    def __init__(self, jobs: int) -> None:
        """Start nothing yet."""
        self._others = set(multiprocessing.active_children())
        self._jobs = jobs
        self._folder: Path | None = None
        self._slots: list[_Slot] = []
        self._waiting: deque[tuple[Future[Any], Callable[[Any], Any], Any]] = deque()
        self._lock = threading.RLock()
        self._closed = False

    def workers(self) -> dict[str, int]:
        """See `Engine.workers`; all processes of this machine count as one worker."""
        return {"this machine": self._jobs}

    def submit(
        self,
        function: Callable[[Argument], Result],
        argument: Argument,
        avoid: frozenset[str] = frozenset(),
    ) -> Future[Result]:
        """See `Engine.submit`; ``avoid`` does not matter on one machine.

        Raises:
            OutputError: no folder for temporary files can be made.
        """
        outer: Future[Result] = Future()
        with self._lock:
            if not self._slots:
                self._prepare()
            self._waiting.append((outer, function, argument))
            self._feed()
        return outer

    def _prepare(self) -> None:
        """Make the folders of the workers. A signal must not come between one and its name."""
        with uninterrupted(), os_errors("temporary files", OutputError):
            if self._folder is None:
                self._folder = Path(tempfile.mkdtemp(prefix="colorvid-"))
            folders = [self._folder / str(number) for number in range(self._jobs)]
            for folder in folders:
                folder.mkdir(exist_ok=True)
            self._slots = [_Slot(folder) for folder in folders]

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
            # SystemExit: a signal ended the call, and the executor sent that as its result.
            if isinstance(error, (BrokenProcessPool, SystemExit)):
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
        with uninterrupted():
            self._end_workers()
            if self._folder is not None:
                _remove(self._folder)

    def _end_workers(self) -> None:
        """Ask all processes to end, and kill those that do not."""
        mine = set(multiprocessing.active_children()) - self._others
        for process in mine:
            process.terminate()
        # A signal ends a call, not the process: the executor catches it, and must let it go.
        executors = [slot.executor for slot in self._slots if slot.executor is not None]
        ends = [
            threading.Thread(target=partial(e.shutdown, wait=True, cancel_futures=True))
            for e in executors
        ]
        for thread in ends:
            thread.start()
        end = time.monotonic() + GRACE_SECONDS
        for process in mine:
            process.join(max(0.0, end - time.monotonic()))
            if process.is_alive():
                process.kill()
        for thread in ends:
            thread.join()


def _remove(path: Path) -> None:
    """Remove a file or folder as far as that can be done."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            path.unlink()


def _begin(reports: Connection, folder: Path) -> None:
    """In a new worker: one thread, progress into a pipe, an orderly end with the parent.

    Args:
        reports: where progress is sent.
        folder: for temporary files, also those of processes that this one starts.
    """
    pin_threads()
    report_with(reports.send)
    os.environ["TMPDIR"] = tempfile.tempdir = str(folder)
    # Ctrl-C reaches all processes of a terminal; the parent ends the workers in its own way.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _end)
    sys.unraisablehook = partial(_see_unraisable, sys.unraisablehook)
    atexit.register(_clear_up, folder)
    watch = partial(_end_with_parent, folder)
    threading.Thread(target=watch, name="colorvid parent", daemon=True).start()


def _end(number: int, frame: FrameType | None) -> None:
    """End what the worker does, once: what it then removes must not be cut short.

    What is just being sent is sent first, as the parent would wait for the rest of half a result.
    """
    while frame is not None:
        if frame.f_code.co_name == "_sendback_result":  # of concurrent.futures
            interrupt_soon(number)
            return
        frame = frame.f_back
    signal.signal(number, signal.SIG_IGN)
    sys.exit(1)


def _see_unraisable(report: Callable[[Any], None], unraisable: Any) -> None:
    """What Python calls for an exception of a finalizer, which cannot be passed on.

    If that is the end, it comes again.
    """
    if not issubclass(unraisable.exc_type, SystemExit):
        report(unraisable)
        return
    signal.signal(signal.SIGTERM, _end)
    interrupt_soon(signal.SIGTERM)


def _clear_up(folder: Path) -> None:
    """Remove the temporary files of this worker, and the folder of all, if nobody else does."""
    parent = multiprocessing.parent_process()
    if parent is not None and not parent.is_alive():
        _remove(folder)
        with contextlib.suppress(OSError):  # others still have theirs
            folder.parent.rmdir()


def _end_with_parent(folder: Path) -> None:
    """Wait until the parent is gone, then end this process, by force if need be."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return
    wait([parent.sentinel])
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE_SECONDS)
    _clear_up(folder)
    os._exit(1)
