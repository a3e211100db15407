"""Processor cores: how many there are, and one thread for each worker."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from colorvid.system.locks import process_lock


def available_cores() -> int:
    """Processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class _Single:
    """Holds the libraries of the process at one thread while any block of it wants that.

    torch is told only where it is loaded.
    """

    def __init__(self) -> None:
        self._lock = process_lock()
        self._users = 0
        self._torch_threads: int | None = None
        self._blas: Any = None

    def enter(self) -> None:
        """One block more."""
        torch: Any = sys.modules.get("torch")
        with self._lock:
            if self._users == 0:
                self._blas = _blas_at_one_thread()
            self._users += 1
            if torch is not None:
                if self._torch_threads is None:
                    self._torch_threads = torch.get_num_threads()
                torch.set_num_threads(1)

    def leave(self) -> None:
        """One block less; the last one puts back what was there."""
        torch: Any = sys.modules.get("torch")
        with self._lock:
            self._users -= 1
            if self._users == 0 and self._blas is not None:
                self._blas.restore_original_limits()
            if torch is not None and self._torch_threads is not None:
                self._restore_torch(torch, self._torch_threads)
            if self._users == 0:
                self._torch_threads = None

    def _restore_torch(self, torch: Any, threads: int) -> None:
        # What torch is told holds for the thread that tells it, and for all new threads.
        torch.set_num_threads(threads)
        if self._users > 0:
            other = threading.Thread(target=torch.set_num_threads, args=(1,))
            other.start()
            other.join()


def _blas_at_one_thread() -> Any:
    """What gives the BLAS of numpy its threads back; None where the package for that is missing."""
    try:
        from threadpoolctl import threadpool_limits
    except ImportError:  # a slim installation, in which no work goes to BLAS
        return None
    return threadpool_limits(1, user_api="blas")


_single = _Single()


@contextmanager
def one_torch_thread() -> Iterator[None]:
    """Inside, every worker computes with one thread, in torch and in the BLAS of numpy.

    Blocks may overlap in several threads; after the last one the numbers from before hold again.
    """
    _single.enter()
    try:
        yield
    finally:
        _single.leave()
