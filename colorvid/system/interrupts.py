"""Sections that a signal must not cut short."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP")
"""Names of the signals that end the work in an orderly way; not every system has all."""
_SOON = 0.05  # seconds


@contextmanager
def uninterrupted() -> Iterator[list[int]]:
    """Hold back signals that Python handles until the block has ended.

    For loading PyTorch and compressai: while they load, their C++ code calls Python, and aborts the
    process where a handler raises there. Outside the main thread nothing needs to be done.

    Yields:
        The numbers of signals that wait; it grows as they come.
    """
    held: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield held
        return

    def hold(number: int, frame: FrameType | None) -> None:
        held.append(number)

    before = {}
    try:
        for number in (getattr(signal, n) for n in SIGNALS if hasattr(signal, n)):
            if callable(signal.getsignal(number)):
                before[number] = signal.signal(number, hold)
        yield held
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        for number in held:
            interrupt(number)


def interrupt(number: int) -> None:
    """Send a signal to the main thread of this process, which it wakes where the system can."""
    if hasattr(signal, "pthread_kill"):
        signal.pthread_kill(threading.main_thread().ident or 0, number)
    else:  # Windows, whose `os.kill` ends the process
        signal.raise_signal(number)


def interrupt_soon(number: int) -> threading.Timer:
    """The same a moment later, for a signal that could not be answered where it came."""
    timer = threading.Timer(_SOON, interrupt, [number])
    timer.daemon = True
    timer.start()
    return timer
