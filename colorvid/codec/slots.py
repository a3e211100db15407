"""Where a codec keeps the pictures that later frames are predicted from."""

from __future__ import annotations

from colorvid.bitstream import Ordered, PictureBuffer
from colorvid.frame import Links


class Slots:
    """The pictures of `PictureBuffer`, each in a slot, with one slot free for the next frame.

    Attributes:
        count: number of slots, more than there are pictures and barred ones.
    """

    def __init__(self, count: int, references: int) -> None:
        """Prepare for as many pictures as the stream header says, 1..16, and more slots."""
        self.count, self._references = count, references
        self._buffer = PictureBuffer(references)
        self._places: dict[int, int] = {}  # slots by display number
        self._levels: dict[int, int] = {}
        self._barred: frozenset[int] = frozenset()

    def onward(self, number: int, barred: frozenset[int] = frozenset()) -> Slots:
        """For frames that refer to one picture and to what comes behind it.

        Args:
            number: display number of the picture, a key or P frame.
            barred: slots that nothing is put into.
        """
        after = Slots(self.count, self._references)
        after._barred = barred
        after._places[number], after._levels[number] = self._places[number], 0
        after._buffer.keep(number)
        return after

    def reset(self) -> None:
        """Drop all pictures."""
        self._buffer.reset()
        self._places.clear()
        self._levels.clear()

    def free(self) -> int:
        """A slot that no picture is in."""
        taken = self._barred.union(self._places.values())
        return next(slot for slot in range(self.count) if slot not in taken)

    def missing(self, frame: Ordered) -> int | None:
        """Display number of the first reference of a frame that is not there; None if all are."""
        return self._buffer.missing(frame)

    def place(self, number: int) -> int:
        """The slot of a picture that is there."""
        return self._places[number]

    def links(self, frame: Ordered) -> Links:
        """The links of a P or B frame whose references are all there.

        Its contexts are those of the reference on the higher level, which was coded later and is
        more like it; of equals the earlier one's.
        """
        past, future = frame.past_number, frame.future_number
        assert past is not None
        places, inherits = self._places, past
        if future is not None and self._levels[future] > self._levels[past]:
            inherits = future
        return Links(
            past=places[past],
            future=None if future is None else places[future],
            inherits=places[inherits],
            target=self.free(),
            past_distance=frame.past,
            future_distance=frame.future,
        )

    def follow(self, frame: Ordered, slot: int) -> None:
        """Take note that a frame was put into a slot; it stays if it is one to be kept."""
        if frame.is_key:
            self.reset()
        if not frame.is_kept:
            return
        number = frame.display_number
        self._places[number], self._levels[number] = slot, frame.level
        gone = self._buffer.keep(number)
        if gone is not None:
            del self._places[gone], self._levels[gone]
