"""What stands in for lost frames, and the account of what was wrong."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import TYPE_CHECKING

from colorvid.bitstream import DisplayOrder, Due
from colorvid.bitstream.headers import StreamHeader
from colorvid.bitstream.summary import DAMAGE_LINES
from colorvid.errors import ColorvidError, DamagedStream, HashMismatch, InputError
from colorvid.files.reports import DecodeReport
from colorvid.frame import Frame

if TYPE_CHECKING:
    from colorvid.codec.groups import DecodedRecord

MAX_GAP = 10_000
"""Longest run of lost frames that is filled; a longer one is more likely a lie of the stream.

Frames that left no packet behind are filled up to this number in all, plus one for each good
frame, so that a small stream of gaps cannot fill a disk.
"""


class _Gone:
    """Stands for a frame whose packet is there, but cannot be decoded."""


_GONE = _Gone()


class Concealment:
    """Turns what was decoded into the frames to show, and keeps the account of what was wrong.

    Frames come in decoding order and leave in order of display. The last good frame is repeated for
    every lost one. Frames lost before the first good one are filled with that one.

    Attributes:
        size_bytes: of the stream so far, without its index.
    """

    def __init__(self, header: StreamHeader, *, strict: bool) -> None:
        """Prepare.

        Args:
            header: of the stream.
            strict: whether the first damage raises instead.
        """
        self._order: DisplayOrder[Frame | _Gone] = DisplayOrder(header.reorder)
        self._strict, self._depth = strict, header.depth
        self._last: Frame | None = None
        self._waiting = self._gaps = 0
        self._good = self._lost = self._concealed = self._mismatches = self._damages = 0
        self._lines: list[str] = []
        self.size_bytes = header.size_bytes

    def start(self, number: int) -> None:
        """Begin at a key frame, given by its number, before anything was decoded."""
        self._order.restart(number)

    def frames(self, item: DecodedRecord) -> Iterator[Frame]:
        """The frames that are due after the next packet or damage.

        Read them all before the next call.

        Raises:
            DamagedStream: with ``strict``, at the first damage.
            HashMismatch: with ``strict``, if a picture is not the one that was encoded.
        """
        self.size_bytes += item.size_bytes
        self._mismatches += item.mismatch
        if item.problem is not None:
            self._note(item)
        header = item.header
        if header is not None:
            shown = _GONE if item.frame is None else item.frame
            yield from self._show(
                self._order.push(
                    header.frame_number, header.display_number, shown, is_key=header.is_key
                )
            )

    def rest(self, total: int | None) -> Iterator[Frame]:
        """The frames that are left at the end of a stream of ``total`` frames; None = not known."""
        yield from self._show(self._order.flush(total or 0))

    def _note(self, item: DecodedRecord) -> None:
        """Count damage, and keep its line."""
        assert item.problem is not None
        if self._strict:
            raise (HashMismatch if item.mismatch else DamagedStream)(item.problem)
        self._damages += 1
        if len(self._lines) < DAMAGE_LINES:
            self._lines.append(item.problem)

    def _show(self, due: Iterable[Due[Frame | _Gone]]) -> Iterator[Frame]:
        """Frames in order of display, with others in the place of lost ones."""
        for place in due:
            if isinstance(place.item, Frame):
                yield from self._good_one(place.item)
                continue
            count = len(place.numbers)
            self._lost += count
            if place.item is _GONE:
                yield from self._fill(count)
            elif count <= min(MAX_GAP, MAX_GAP + self._good - self._gaps):
                self._gaps += count
                yield from self._fill(count)
            elif len(self._lines) < DAMAGE_LINES:
                first, last = place.numbers[0], place.numbers[-1]
                self._lines.append(
                    f"frames {first} to {last} are lost; too many to repeat a frame for"
                )

    def _good_one(self, frame: Frame) -> Iterator[Frame]:
        """A good frame, and after the first one those that waited for it."""
        first, self._last = self._last is None, frame
        self._good += 1
        yield frame
        if first:
            yield from self._fill(self._waiting)

    def _fill(self, count: int) -> Iterator[Frame]:
        """The last good frame ``count`` times; without one, remember the count."""
        if self._last is None:
            self._waiting = min(self._waiting + count, MAX_GAP)
            return
        for _ in range(count):
            self._concealed += 1
            yield self._last

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
            size_bytes=self.size_bytes + index_bytes,
            rate=rate,
            seconds=seconds,
            depth=self._depth,
        )
