"""What stands in for lost frames, and the account of what was wrong."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

from colorvid.bitstream.headers import STREAM_HEADER_BYTES
from colorvid.bitstream.summary import DAMAGE_LINES
from colorvid.codec.pictures import Decoded
from colorvid.errors import ColorvidError, DamagedStream, HashMismatch, InputError
from colorvid.files.reports import DecodeReport
from colorvid.frame import Frame

MAX_GAP = 10_000
"""Longest run of lost frames that is filled; a longer one is more likely a lie of the stream.

Frames that left no packet behind are filled up to this number in all, plus one for each good
frame, so that a small stream of gaps cannot fill a disk.
"""


class Concealment:
    """Passes good frames on and repeats the last one for every lost frame.

    Frames lost before the first good one are filled with that one.

    Attributes:
        written: frames passed on, repeated ones included.
        bytes: of the stream so far.
    """

    def __init__(self, write: Callable[[Frame], None], *, strict: bool) -> None:
        """Pass frames to ``write``; ``strict`` raises at the first damage instead."""
        self._write, self._strict = write, strict
        self._last: Frame | None = None
        self._waiting = self._gaps = 0
        self._good = self._lost = self._concealed = self._mismatches = self._damages = 0
        self._lines: list[str] = []
        self.bytes = STREAM_HEADER_BYTES

    @property
    def written(self) -> int:
        """Frames passed on so far."""
        return self._good + self._concealed

    def take(self, item: Decoded) -> None:
        """Take note of the next packet or damage.

        Raises:
            DamagedStream: with ``strict``.
            HashMismatch: with ``strict``.
        """
        self.bytes += item.size_bytes
        self._mismatches += item.mismatch
        room = min(MAX_GAP, MAX_GAP + self._good - self._gaps)
        fits = item.size_bytes > 0 or item.lost <= room
        if item.problem is not None:
            self._note(item, "" if fits else "; too many to repeat a frame for")
        if item.frame is not None:
            self._pass_on(item.frame)
        elif fits:
            self._fill(item.lost)
            self._gaps += 0 if item.size_bytes else item.lost
        self._lost += item.lost

    def _note(self, item: Decoded, unfilled: str) -> None:
        """Count damage, and keep its line."""
        assert item.problem is not None
        if self._strict:
            raise (HashMismatch if item.mismatch else DamagedStream)(item.problem)
        self._damages += 1
        if len(self._lines) < DAMAGE_LINES:
            self._lines.append(item.problem + unfilled)

    def _pass_on(self, frame: Frame) -> None:
        """Write a good frame, before it those that waited for one."""
        first, self._last = self._last is None, frame
        self._write(frame)
        self._good += 1
        if first:
            self._fill(self._waiting)

    def _fill(self, count: int) -> None:
        """Write the last good frame ``count`` times; without one, remember the count."""
        if self._last is None:
            self._waiting = min(self._waiting + count, MAX_GAP)
            return
        for _ in range(count):
            self._write(self._last)
            self._concealed += 1

    def nothing_decoded(self) -> ColorvidError:
        """The error of a stream that gave no frame."""
        if self._lines:
            return DamagedStream(f"no frame can be decoded: {self._lines[0]}")
        return InputError("the stream has no frames")

    def report(self, rate: Fraction, index_bytes: int, seconds: float) -> DecodeReport:
        """The account of a video of ``rate`` frames per second, with an index of this size."""
        return DecodeReport(
            frames=self._good,
            lost=self._lost,
            concealed=self._concealed,
            damages=self._damages,
            damage=tuple(self._lines),
            mismatches=self._mismatches,
            size_bytes=self.bytes + index_bytes,
            rate=rate,
            seconds=seconds,
        )
