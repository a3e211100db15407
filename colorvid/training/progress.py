"""How far training is, on stderr: a bar on a terminal, elsewhere a line at times."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import TypeVar

from tqdm import tqdm

from colorvid.system.pace import Pace
from colorvid.system.text import duration
from colorvid.training import group

Item = TypeVar("Item")


class Line:
    """The progress of one piece of work, which the leader shows.

    Attributes:
        note: what to show beside the count.
    """

    def __init__(self, what: str, unit: str, total: int, done: int = 0) -> None:
        """Begin at ``done`` of ``total``, as in ``training: step 3 of 10``."""
        quiet = None if group.is_leader() else True
        self._bar = tqdm(
            total=total, initial=done, desc=what, unit=unit, disable=quiet, mininterval=5
        )
        self._pace, self._title = Pace(), f"{what}: {unit}"
        self._first, self._done, self._total = done, done, total
        self.note = ""

    def advance(self) -> None:
        """One more is done."""
        self._done += 1
        if not self._bar.disable:
            self._bar.set_postfix_str(self.note, refresh=False)
            self._bar.update()
        elif group.is_leader() and sys.stderr and self._pace.due():
            note = f"{self.note}, " if self.note else ""
            left = self._pace.left(self._done - self._first, self._total - self._first)
            line = f"{self._title} {self._done} of {self._total}, {note}{duration(left)} left"
            print(line, file=sys.stderr, flush=True)

    def close(self) -> None:
        """Leave the bar as it is."""
        self._bar.close()


def shown(items: Sequence[Item], what: str, unit: str) -> Iterator[Item]:
    """The items one after the other, while a `Line` shows how many are done."""
    line = Line(what, unit, len(items))
    try:
        for item in items:
            yield item
            line.advance()
    finally:
        line.close()
