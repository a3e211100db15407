"""What holds for every worker, in whatever engine: name, one thread, reports of progress."""

from __future__ import annotations

import os
import platform
import sys
import time
from collections.abc import Callable
from typing import Any

from colorvid.files.reports import Progress
from colorvid.system.interrupts import uninterrupted

TOPIC = "colorvid-batch"
"""Of the events by which workers of Dask report progress."""
PERIOD = 0.5
"""Seconds between two reports of a worker."""
THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
)

_send: Callable[[tuple[str, int]], None] | None = None


def pin_threads() -> None:
    """Let the libraries that are loaded from now on compute with one thread."""
    for name in THREAD_VARIABLES:
        os.environ[name] = "1"


def settle() -> None:
    """For the rest of this process: models are kept, and torch, if it is loaded, has one thread."""
    with uninterrupted():
        from colorvid.models.loading import keep_models
    torch: Any = sys.modules.get("torch")
    if torch is not None:  # else `pin_threads`, or the one who needs it, tells it
        torch.set_num_threads(1)
    keep_models()


def report_with(send: Callable[[tuple[str, int]], None]) -> None:
    """Send all progress of this process with ``send``."""
    global _send
    _send = send


def worker_name() -> str:
    """Name of this worker: its address in Dask, else machine and process."""
    dask = _dask_worker()
    return str(dask.address) if dask is not None else f"{platform.node()}:{os.getpid()}"


def _dask_worker() -> Any:
    """The worker of Dask that this thread works for; None if it does not."""
    if "distributed" not in sys.modules:
        return None
    from distributed import get_worker

    try:
        return get_worker()
    except ValueError:
        return None


class Beat:
    """Progress callback that tells the batch now and then how many frames of a call are done.

    Attributes:
        frames: done so far.
    """

    def __init__(self, key: str) -> None:
        """Report for the call ``key``."""
        self._key = key
        self._last = time.monotonic()
        self.frames = 0

    def __call__(self, progress: Progress) -> None:
        """Report, unless the last report is very fresh; nobody need listen."""
        self.frames = max(self.frames, progress.frames)  # a further pass begins at 0
        now = time.monotonic()
        if now - self._last < PERIOD:
            return
        self._last = now
        message = self._key, self.frames
        if _send is not None:
            _send(message)
            return
        dask = _dask_worker()
        if dask is not None:
            dask.log_event(TOPIC, message)
