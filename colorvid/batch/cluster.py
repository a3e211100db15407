"""A cluster of Dask as the engine, embedded or running elsewhere (``colorvid[cluster]``)."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import dask
import distributed
from distributed import Client, LocalCluster
from distributed.scheduler import KilledWorker

from colorvid.batch.engine import Argument, Engine, Result, WorkerLost
from colorvid.batch.worker import THREAD_VARIABLES, TOPIC
from colorvid.errors import ClusterError

TIMEOUT_SECONDS = 15
LOCAL = "local"
"""In place of an address: an embedded cluster."""
SILENCE = logging.CRITICAL + 1
LOOK_SECONDS = 1.0
"""How often the scheduler is asked which workers there are."""


class Cluster(Engine):
    """Workers of a scheduler of Dask; those that join later are used too.

    Attributes:
        address: of the scheduler.
    """

    def __init__(self, address: str, jobs: int) -> None:
        """Connect to a scheduler; ``local`` starts one with ``jobs`` workers on this machine.

        Raises:
            ClusterError: it cannot be reached.
        """
        logging.getLogger("distributed").setLevel(SILENCE)  # what matters is said in full
        self._own: LocalCluster | None = None
        self._lock = threading.Lock()
        self._running: dict[Any, _Running] = {}
        self._reports: dict[str, int] = {}
        self._asked: set[str] = set()
        self._threads: dict[str, int] = {}
        self._looked = -LOOK_SECONDS
        self._closing = False
        try:
            if address == LOCAL:
                self._own = _embedded(jobs)
                address = self._own.scheduler_address
            self.address = address
            self._client = Client(address, timeout=TIMEOUT_SECONDS, set_as_default=False)
        except (OSError, ValueError, asyncio.TimeoutError, TimeoutError) as error:
            if self._own is not None:
                self._own.close()
            raise ClusterError(
                f"{address}: the scheduler cannot be reached; check its address, as in "
                "tcp://host:8786, and that it runs"
            ) from error
        self._client.subscribe_topic(TOPIC, self._hear)

    def workers(self) -> dict[str, int]:
        """See `Engine.workers`."""
        self._look()
        return self._threads

    def _look(self) -> None:
        """Ask which workers there are, now and then; calls that only dead ones may do go on."""
        now = time.monotonic()
        if now - self._looked < LOOK_SECONDS:
            return
        self._looked = now
        try:
            self._threads = dict(self._client.nthreads())
        except Exception as error:
            raise self._lost() from error
        with self._lock:
            stuck = [
                r for r in self._running.values() if r.only and not r.only & set(self._threads)
            ]
        for running in stuck:
            self._drop(running)
            self._send(running.function, running.argument, frozenset(), running.outer)

    def _lost(self) -> ClusterError:
        return ClusterError(
            f"the scheduler at {self.address} is lost; what is finished is kept, the same command "
            "goes on from there"
        )

    def submit(
        self,
        function: Callable[[Argument], Result],
        argument: Argument,
        avoid: frozenset[str] = frozenset(),
    ) -> Future[Result]:
        """See `Engine.submit`."""
        outer: Future[Result] = Future()
        self._send(function, argument, avoid, outer)
        return outer

    def _send(
        self,
        function: Callable[[Any], Any],
        argument: Any,
        avoid: frozenset[str],
        outer: Future[Any],
    ) -> None:
        others = set(self._threads) - avoid
        only = others if others and others != set(self._threads) else set()
        if self._client.status != "running":
            raise self._lost()
        inner = self._client.submit(
            function,
            argument,
            key=f"colorvid-{uuid.uuid4().hex}",
            workers=sorted(only) or None,
            pure=False,
        )
        with self._lock:
            self._running[inner] = _Running(function, argument, only, inner, outer)
        inner.add_done_callback(self._done)

    def _drop(self, running: _Running) -> None:
        """Take a call back from the scheduler."""
        with self._lock:
            self._running.pop(running.inner, None)
        running.inner.cancel()

    def _done(self, inner: Any) -> None:
        """Pass on what became of a call; runs in a thread of the client."""
        with self._lock:
            running = self._running.pop(inner, None)
        if running is None or self._closing:
            return
        outer = running.outer
        try:
            outer.set_result(inner.result())
        except KilledWorker:
            outer.set_exception(WorkerLost("the worker died"))
        except (asyncio.CancelledError, distributed.client.FutureCancelledError):
            outer.set_exception(self._lost())
        except BaseException as error:
            outer.set_exception(error)
        finally:
            inner.release()

    def everywhere(
        self, function: Callable[[Argument], Result], argument: Argument
    ) -> dict[str, Result | BaseException]:
        """See `Engine.everywhere`."""
        self._look()
        new = [address for address in self._threads if address not in self._asked]
        if not new:
            return {}
        self._asked.update(new)
        try:
            found = self._client.run(function, argument, workers=new, on_error="return")
        except Exception as error:
            raise self._lost() from error
        return dict(found)

    def _hear(self, event: tuple[float, tuple[str, int]]) -> None:
        """Take down a report of progress."""
        key, frames = event[1]
        with self._lock:
            self._reports[key] = frames

    def progress(self) -> dict[str, int]:
        """See `Engine.progress`."""
        with self._lock:
            found, self._reports = self._reports, {}
        return found

    def close(self) -> None:
        """Take back what waits; what runs on a worker of others runs to its end, unheard."""
        self._closing = True
        with self._lock:
            running = list(self._running)
            self._running.clear()
        try:
            if running and self._client.status == "running":
                self._client.cancel(running, force=True)
            self._client.close(timeout=5)
        except Exception:
            pass  # the scheduler may be gone, and nothing is wanted of it any more
        if self._own is not None:
            self._own.close(timeout=10)


class _Running:
    """A call that the scheduler has."""

    def __init__(
        self,
        function: Callable[[Any], Any],
        argument: Any,
        only: set[str],
        inner: Any,
        outer: Future[Any],
    ) -> None:
        self.function, self.argument, self.only = function, argument, only
        self.inner, self.outer = inner, outer


def _embedded(jobs: int) -> LocalCluster:
    """A cluster on this machine, reached by loopback alone, one thread for each worker."""
    dask.config.set(
        {
            # A call that kills its worker is tried again by the batch, which counts.
            "distributed.scheduler.allowed-failures": 0,
            # All is one machine; whoever is late there is busy.
            "distributed.comm.timeouts.tcp": "300s",
            "distributed.nanny.environ": dict.fromkeys(THREAD_VARIABLES, "1"),
        }
    )
    return LocalCluster(
        n_workers=jobs,
        threads_per_worker=1,
        processes=True,
        host="127.0.0.1",
        dashboard_address="127.0.0.1:0",
        worker_dashboard_address="127.0.0.1:0",
        memory_limit=0,
        silence_logs=SILENCE,
    )
