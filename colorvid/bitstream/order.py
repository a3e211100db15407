"""The order of frames: pictures that a decoder keeps, and how decoding order becomes display order.

Packets lie in decoding order. A frame shows at its display number; a group of pictures shows the
run of numbers from its key frame to that before the next one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

from colorvid.bitstream.packets import LEAST_SHIFT, Ordered

Item = TypeVar("Item")


class PictureBuffer:
    """Which pictures a decoder keeps, by their display numbers: the highest ones of a group.

    The last one of level 0 stays, however low its number is.

    A key frame calls `reset` first; then every kept frame calls `keep` once it is decoded.
    """

    def __init__(self, references: int) -> None:
        """Keep nothing yet; at most ``references`` pictures, 1..16 as in the stream header."""
        self._most = references
        self._numbers: set[int] = set()
        self._anchor: int | None = None  # of level 0

    @property
    def numbers(self) -> tuple[int, ...]:
        """The display numbers of all pictures, in ascending order."""
        return tuple(sorted(self._numbers))

    def reset(self) -> None:
        """Drop all pictures, as a key frame does."""
        self._numbers.clear()
        self._anchor = None

    def holds(self, number: int) -> bool:
        """Whether the picture with this display number is there."""
        return number in self._numbers

    def keep(self, number: int, level: int = 0) -> int | None:
        """Put a picture in; the number of the one that leaves for it, which may be itself."""
        self._numbers.add(number)
        if level == 0:
            self._anchor = number
        if len(self._numbers) <= self._most:
            return None
        lowest = min(n for n in self._numbers if n != self._anchor)
        self._numbers.remove(lowest)
        return lowest

    def missing(self, frame: Ordered) -> int | None:
        """The first reference of a frame that is not there; None if all are."""
        return next((n for n in frame.references if not self.holds(n)), None)

    def follow(self, frame: Ordered) -> int | None:
        """Reset and keep as a frame asks for that was decoded; the number that leaves, if any."""
        if frame.is_key:
            self.reset()
        return self.keep(frame.display_number, frame.level) if frame.is_kept else None


class GroupNumbers:
    """Checks that the frames of each group show a run of numbers, as far as no packet is lost.

    Numbers must differ, and lie from that of the key frame to that before the next one: then none
    is left out. Only numbers that a later packet could show are remembered, 25 at most.
    """

    def __init__(self) -> None:
        """Begin before the first packet."""
        self._key = 0
        self._shown: set[int] = set()

    def start(self, key: int) -> None:
        """Begin the group of this key frame, whose frame number is its display number."""
        self._key = key
        self._shown = {key}

    def add(self, frame_number: int, number: int) -> str | None:
        """Take the display number of a frame that is no key frame; what is wrong with it, if so."""
        if number < self._key:
            return (
                f"frame {frame_number} shows at {number}, before its key frame, which shows at "
                f"{self._key}"
            )
        if number in self._shown:
            return f"frame {frame_number} shows at {number}, where another frame does"
        self._shown = {n for n in self._shown if n > frame_number + LEAST_SHIFT} | {number}
        return None

    def end(self, number: int) -> str | None:
        """End the group before ``number``, the next key frame's or that of all; what is wrong."""
        last = max(self._shown, default=-1)
        if last < number:
            return None
        return f"a frame shows at {last}; its group ends before {number}"


@dataclass(frozen=True, slots=True)
class Due(Generic[Item]):
    """What is shown next.

    Attributes:
        numbers: display numbers; one of a frame that came, any run of them of lost ones.
        item: what was given for the frame; None if it is lost.
    """

    numbers: range
    item: Item | None


class DisplayOrder(Generic[Item]):
    """Brings what stands in decoding order into display order, and knows what is missing.

    Every display number is given once, in ascending order, as soon as it is decided: when its
    frame is there and all before it are decided, or lost once the packet is passed that its frame
    comes before. It holds at most ``reorder + 1`` items, whatever a stream says.
    """

    def __init__(self, reorder: int, first: int = 0) -> None:
        """Prepare.

        Args:
            reorder: of the stream header, 0..15.
            first: display number to begin with; that of a key frame.
        """
        self._reorder = reorder
        self._next = first
        self._held: dict[int, Item | None] = {}

    def restart(self, first: int) -> None:
        """Drop what is held and begin at the display number ``first``, as after a seek."""
        self._next = first
        self._held.clear()

    def push(
        self, frame_number: int, number: int, item: Item | None, *, is_key: bool = False
    ) -> list[Due[Item]]:
        """Take the next packet; what is due after it, in display order.

        Args:
            frame_number: of the packet.
            number: its display number. An item whose number was given already is dropped.
            item: of its frame; None if that is lost.
            is_key: everything before a key frame is decided by it.
        """
        due: list[Due[Item]] = []
        if is_key:
            due = self._until(number)
            self._held.clear()
        if number >= self._next:
            self._held[number] = item
        while True:
            due += self._run()
            # In a sound stream, not more than ``reorder`` frames can wait for an earlier one.
            lowest = min(self._held, default=None)
            end = frame_number - self._reorder + 1
            if lowest is not None:
                end = lowest if len(self._held) > self._reorder else min(end, lowest)
            if end <= self._next:
                return due
            due += self._lose(end)

    def flush(self, total: int = 0) -> list[Due[Item]]:
        """What is left at the end: all that is held, and what is missing before it.

        Args:
            total: number of frames of the stream, or the number of the next key frame; those
                missing before it are lost too. 0 = not known.
        """
        due = self._until(max([total, *(n + 1 for n in self._held)]))
        self._held.clear()
        return due

    def _until(self, end: int) -> list[Due[Item]]:
        """What is held before ``end``, in order, and runs of lost ones between; up to ``end``."""
        due = self._run()
        for number in sorted(n for n in self._held if n < end):
            if number >= self._next:
                due += self._lose(number) + self._run()
        return due + self._lose(end)

    def _run(self) -> list[Due[Item]]:
        """The items that are held from the next number on, without a gap."""
        due = []
        while self._next in self._held:
            item = self._held.pop(self._next)
            due.append(Due(range(self._next, self._next + 1), item))
            self._next += 1
        return due

    def _lose(self, end: int) -> list[Due[Item]]:
        """The numbers before ``end`` as lost."""
        lost = range(self._next, end)
        self._next = max(self._next, end)
        return [Due(lost, None)] if lost else []
