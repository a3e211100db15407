"""What a person at a terminal meets: messages on stderr, the progress line, signals.

It loads next to nothing, so that a signal is taken in an orderly way as early as can be.
"""

from __future__ import annotations

import json
import math
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Any

from colorvid.errors import Aborted, OutputError
from colorvid.system.interrupts import SIGNALS, interrupt_soon
from colorvid.system.pace import Pace
from colorvid.system.text import duration, encodable, file_size, printable

if TYPE_CHECKING:
    from colorvid.files.reports import Progress

_BAR = "{percentage:.0f}% {n_fmt}/{total_fmt}{postfix}, {remaining} left"
_BAR_WITHOUT_TOTAL = "{n_fmt} {unit}{postfix}"


def say(text: str, level: str = "") -> None:
    """Print one line on stderr, ``level`` as in ``colorvid [error]: text``.

    Names of files may hold anything, so what could steer a terminal is shown as an escape. A
    stderr that is closed or full is no reason to fail.
    """
    if sys.stderr is None:  # print would take stdout instead
        return
    line = f"colorvid [{level}]: {' '.join(text.split())}" if level else text
    line = encodable(printable(line), getattr(sys.stderr, "encoding", None))
    try:
        print(line, file=sys.stderr, flush=True)
    except (OSError, ValueError, AttributeError):
        pass


class Signals:
    """Turns the first SIGINT, SIGTERM or SIGHUP into ``KeyboardInterrupt``; more are ignored.

    So whatever runs is left through its clean-up, which a second Ctrl-C cannot cut short. A signal
    that the caller of the process ignores stays ignored.

    A finalizer, or C code that calls Python, cannot pass the exception on; Python would print it
    and go on. In such a case the signal comes again a moment later.

    Attributes:
        received: name of the signal; None so far.
        outcome: what a signal leaves behind, for the message.
    """

    def __init__(self) -> None:
        """Nothing is installed before the ``with`` block."""
        self.received: str | None = None
        self.outcome = "no output file was written or changed"
        self._before: dict[int, Any] = {}
        self._report: Any = None
        self._is_lost = False
        self._again: threading.Timer | None = None

    def __enter__(self) -> Signals:
        """Install the handlers; only the main thread can."""
        if threading.current_thread() is threading.main_thread():
            self._report, sys.unraisablehook = sys.unraisablehook, self._see_unraisable
            for name in SIGNALS:
                number = getattr(signal, name, None)
                if number is not None and signal.getsignal(number) != signal.SIG_IGN:
                    self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        """Put back what was there."""
        if self._again is not None:
            self._again.cancel()
            self._again.join()
        for number, handler in self._before.items():
            signal.signal(number, handler)
        if self._report is not None:
            sys.unraisablehook = self._report

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.received is None or self._is_lost:
            self._is_lost = False
            self.received = self.received or signal.Signals(number).name
            raise KeyboardInterrupt

    def _see_unraisable(self, unraisable: sys.UnraisableHookArgs) -> None:
        """What Python calls for an exception that cannot be passed on."""
        if self.received is None or not issubclass(unraisable.exc_type, KeyboardInterrupt):
            self._report(unraisable)
            return
        self._is_lost = True
        self._again = interrupt_soon(signal.Signals[self.received])

    def check(self) -> None:
        """Raise ``KeyboardInterrupt`` once more, in case that foreign code caught the first."""
        if self.received is not None:
            self._is_lost = False
            raise KeyboardInterrupt

    def error(self) -> Aborted:
        """What to tell about the signal."""
        name = self.received or "SIGINT"
        return Aborted(f"aborted by {name}; {self.outcome}")


class _Line:
    """A line on stderr that changes, made when it is first needed.

    Where stderr is no terminal, a line of its own every ten seconds, from the tenth second on.
    """

    def __init__(self, signals: Signals, *, shown: bool) -> None:
        """Show nothing unless ``shown``."""
        self._signals = signals
        self._shown = shown and sys.stderr is not None
        # What stands in for stderr, as in a notebook, may lack the method.
        self._on_terminal = self._shown and bool(getattr(sys.stderr, "isatty", bool)())
        self._bar: Any = None
        self._pace: Pace | None = None

    def _update(self, done: int, total: int | None, unit: str, text: str) -> None:
        """Put ``done`` of ``total`` and a text into the line; ends the work after a signal."""
        self._signals.check()
        if not self._shown:
            return
        line = encodable(printable(text), getattr(sys.stderr, "encoding", None))
        if not self._on_terminal:
            self._say_at_times(done, total, unit, line)
            return
        first = self._bar is None
        if first:
            from tqdm import tqdm

            style = _BAR if total else _BAR_WITHOUT_TOTAL
            self._bar = tqdm(
                total=total, file=sys.stderr, leave=False, bar_format=style, smoothing=0,
                dynamic_ncols=True, unit=unit,
            )  # fmt: skip
        self._bar.set_postfix_str(line, refresh=False)
        self._bar.update(done - self._bar.n)
        if first:
            self._bar.refresh()

    def _say_at_times(self, done: int, total: int | None, unit: str, text: str) -> None:
        """A line of its own, not more often than every ten seconds."""
        if self._pace is None:  # loading does not count
            self._pace = Pace()
        if not self._pace.due():
            return
        line = f"{done} {unit}, {text}"
        if total:
            left = self._pace.left(done, total)
            line = f"{done} of {total} {unit}, {text}, {duration(left)} left"
        say(f"colorvid: {line}")

    def _begin_again(self) -> None:
        """Start from 0, maybe towards another total."""
        self.close()
        self._bar = self._pace = None

    def close(self) -> None:
        """Remove the line."""
        if self._bar is not None:
            self._bar.close()


class ProgressLine(_Line):
    """Progress callback that shows frames, speed and the time left on stderr."""

    _turn = 0

    def __call__(self, progress: Progress) -> None:
        """Update the line."""
        text = f"{progress.fps:.2f} fps"
        if progress.written:  # encoding
            text += f", {progress.kbps:.0f} kbit/s"
            if progress.expected_bytes is not None:
                text += f", {file_size(progress.expected_bytes)} in all"
        if progress.turn:
            text = f"pass {progress.turn}, {text}"
            if progress.turn != self._turn:
                self._turn = progress.turn
                self._begin_again()
        self._update(progress.frames, progress.total, "frames", text)


class JsonProgress:
    """Progress callback that prints an object of JSON on stdout, a line each second at most."""

    def __init__(self, signals: Signals) -> None:
        """Print nothing before the first call."""
        self._signals = signals
        self._said = -math.inf

    def __call__(self, progress: Progress) -> None:
        """Print where the work stands, if the last line is a second old; ends after a signal."""
        self._signals.check()
        now = time.monotonic()
        if now - self._said < 1 and progress.frames != progress.total:
            return
        self._said = now
        left = None if progress.total is None else progress.total - progress.frames
        values = {
            "event": "progress",
            "frames": progress.frames,
            "total": progress.total,
            "turn": progress.turn,
            "speed_fps": round(progress.fps, 3),
            "rate_kbps": round(progress.kbps, 3),
            "size_bytes": progress.size_bytes,
            "expected_bytes": progress.expected_bytes,
            "eta_s": None if left is None else round(left / progress.fps, 1),
        }
        show(json.dumps(values))


class PointLine(_Line):
    """Progress callback that shows points of a comparison and the time left on stderr."""

    def __call__(self, done: int, total: int, what: str) -> None:
        """Update the line; ``what`` names the point that is finished."""
        self._update(done, total, "points", what)


class ClipLine(_Line):
    """Progress callback that shows clips, as pictures are made of them, on stderr."""

    def __call__(self, done: int, total: int, what: str) -> None:
        """Update the line; ``what`` says what is at work."""
        self._update(done, total, "clips", what)


class BatchLine(_Line):
    """A line of text on stderr that shows where a batch stands; see `_Line`."""

    @property
    def is_shown(self) -> bool:
        """Whether stderr is a terminal and the line is wanted."""
        return self._on_terminal

    def __call__(self, text: str) -> None:
        """Replace the line."""
        self._signals.check()
        if not self._shown:
            return
        if not self._on_terminal:
            self._pace = self._pace or Pace()
            if self._pace.due():
                say(f"colorvid: {text}")
            return
        if self._bar is None:
            from tqdm import tqdm

            self._bar = tqdm(file=sys.stderr, leave=False, bar_format="colorvid {desc}")
        self._bar.set_description_str(text)

    def clear(self) -> None:
        """Make room for another line; the next update shows this one again."""
        if self._bar is not None:
            self._bar.clear()


@contextmanager
def progress_line(signals: Signals, *, shown: bool) -> Iterator[ProgressLine]:
    """A progress line for the block."""
    line = ProgressLine(signals, shown=shown)
    try:
        yield line
    finally:
        line.close()


def show(text: str) -> None:
    """Print data on stdout, with escapes for what its encoding cannot hold.

    Raises:
        OutputError: nobody reads it, or the disk is full.
    """
    try:
        print(encodable(text, getattr(sys.stdout, "encoding", None)), flush=True)
    except OSError as error:
        raise OutputError(f"stdout: {error.strerror}") from error


def show_to_reader(text: str) -> bool:
    """Print data for someone who may have read enough, as ``head`` has; whether all was taken.

    Raises:
        OutputError: the disk is full.
    """
    try:
        show(text)
    except OutputError as error:
        if isinstance(error.__cause__, BrokenPipeError):
            finish_stdout()
            return False
        raise
    return True


def finish_stdout() -> OSError | None:
    """Flush stdout; the error if its reader is gone or its disk is full.

    After an error stdout leads nowhere, because Python would flush it again at exit and complain.
    """
    if getattr(sys.stdout, "flush", None) is None:
        return None
    try:
        sys.stdout.flush()
    except OSError as error:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
        return error
    return None
