"""When it is time to tell how work goes on, where no line on a terminal can show it."""

from __future__ import annotations

import time

EVERY_SECONDS = 10.0
"""Time between two lines of progress."""


class Pace:
    """Lines at regular times, the first one after the first period; short work has none."""

    def __init__(self, every: float = EVERY_SECONDS) -> None:
        """The work begins; a line every so many seconds."""
        self._every = every
        self._start = self._told = time.monotonic()

    def due(self) -> bool:
        """Whether a line is due; the next one is not before another period."""
        now = time.monotonic()
        if now - self._told < self._every:
            return False
        self._told = now
        return True

    def left(self, done: int, total: int) -> float:
        """Seconds until ``total`` is done, at the mean speed so far."""
        return (time.monotonic() - self._start) / max(done, 1) * (total - done)
